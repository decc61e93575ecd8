"""What each mend of the released method does: trained with and without it, over several seeds, on the same videos.

The measure is the video AUC on the validation set's own fakes, scored as any run scores. A training does not see them
(unless it is asked to, `validation_fakes = "real"`), and the measure does not change with how a training validates
itself. Every training and every score is stored, so the command goes on where it was cut off.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from dfbench import PrepareSpec, Progress, ProgressTask, RunError, Status, StoreError, UsageError
from dfbench.csv_text import csv_of
from dfbench.data import MOST_RECORD, below, read_clips, read_object, require_below, write_text_whole
from dfbench.errors import UnreadableError
from dfbench.metrics.point import auc
from dfbench.metrics.uncertainty import Interval, interval_over_seeds, paired_bootstrap_draws
from dfbench.runs.planning.sources import prepare_selected
from dfbench.runs.planning.stage import RunRequest, Stage, open_stage
from dfbench.runs.trainings.weights import train_detector, training_folder
from dfbench_fakestormer.checkpoints import load_network
from dfbench_fakestormer.detector import FakeSTormer
from dfbench_fakestormer.method import METHOD
from dfbench_fakestormer.recipe import FakeSTormerRecipe, load_recipe

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

DRAWS = 2000


@dataclass(frozen=True, slots=True)
class Mend:
    """One switch: its value as released, and what the recipe must have so that it matters. `cut`: cut off midway."""

    name: str
    released: str
    needs: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False


SAM = {"optimizer": "sam_adam", "sam_rho": "0.01", "lr": "1e-3"}
MENDS = (
    Mend("temporal_token", "patch0"),
    Mend("embed_order", "released"),
    Mend("derivative", "released", {"heatmap": "m_std_normalized"}),
    Mend("cells", "point"),
    Mend("crop", "released"),
    Mend("mirror", "released"),
    Mend("jpeg", "released"),
    Mend("retry", "released"),
    Mend("sam_running_stats", "twice", SAM),
    Mend("validation_view", "released"),
    Mend("best_by", "clip_accuracy"),
    Mend("resume", "released", cut=True),
)


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """The validation videos of one training: (n,) each."""

    video: NDArray[np.str_]
    label: NDArray[np.int64]
    group: NDArray[np.str_]
    logit: NDArray[np.float64]

    @property
    def auc(self) -> float:
        """Video AUC."""
        return auc(self.logit, self.label.astype(np.int8))


def measure_mends(
    *,
    recipe: str,
    data: str,
    size: str,
    seeds: Sequence[int],
    switches: Sequence[str],
    overrides: Mapping[str, str],
    progress: Progress,
) -> pd.DataFrame:
    """Train and score everything that is asked for; a row a switch.

    Columns: switch, needs, mended and released (mean AUC over the seeds), difference with low and high (95 %, over
    identities and seeds), seeds. Raises UsageError for an unknown switch or fewer than two seeds.
    """
    import pandas as pd

    unknown = sorted(set(switches) - {mend.name for mend in MENDS})
    if unknown:
        raise UsageError(
            f"unknown switch {', '.join(unknown)}",
            hints=(f"the switches: {', '.join(m.name for m in MENDS)}",),
        )
    if len(set(seeds)) < 2:
        raise UsageError("an interval over seeds needs at least two seeds", hints=("--seeds 3",))
    stage = open_stage(RunRequest("fakestormer", data=data, size=size), progress, purpose="train")
    chosen = [mend for mend in MENDS if not switches or mend.name in switches]
    rows = []
    for mend in chosen:
        base = {**overrides, **mend.needs}
        request = RunRequest("fakestormer", data=data, size=size, recipe=recipe)
        mended = [_scores(request, stage, base, seed, cut=False) for seed in seeds]
        released = [
            _scores(request, stage, {**base, mend.name: mend.released}, seed, cut=mend.cut) for seed in seeds
        ]
        difference = _difference(mended, released, name=mend.name)
        rows.append(
            {
                "switch": mend.name,
                "needs": ", ".join(f"{k}={v}" for k, v in mend.needs.items()),
                "mended": float(np.mean([one.auc for one in mended])),
                "released": float(np.mean([one.auc for one in released])),
                "difference": difference.point,
                "low": difference.low,
                "high": difference.high,
                "seeds": len(seeds),
            }
        )
        progress.note(f"{mend.name}: {difference.point:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}]")
    table = pd.DataFrame(rows)
    name = "-".join(["mends", *(switches and [mend.name for mend in chosen])])
    write_text_whole(_folder(stage) / f"{name}.csv", csv_of(table))
    return table


def _difference(mended: Sequence[Scores], released: Sequence[Scores], *, name: str) -> Interval:
    """Mended minus released, mean over the seeds: the identities are resampled for both and all seeds together."""
    first = mended[0]
    if any(not np.array_equal(one.video, first.video) for one in (*mended, *released)):
        raise RunError(
            "the trainings were not scored on the same videos",
            hints=("delete the folder of the scores, runs/mends, and run the same command again",),
        )
    clusters = np.unique(first.group, return_inverse=True)[1]
    drawn = paired_bootstrap_draws(
        [one.logit for one in (*mended, *released)],
        first.label.astype(np.int8),
        clusters,
        metric=auc,
        rng=np.random.default_rng([len(name), 1]),
        draws=DRAWS,
    )
    count = len(mended)
    per_seed = np.array([a.auc - b.auc for a, b in zip(mended, released, strict=True)])
    rng = np.random.default_rng([len(name), 2])
    return interval_over_seeds(
        per_seed, drawn[:count].mean(axis=0) - drawn[count:].mean(axis=0), rng=rng, bounds=(-1.0, 1.0)
    )


def _scores(request: RunRequest, stage: Stage, fields: Mapping[str, str], seed: int, *, cut: bool) -> Scores:
    """Those of the training with these fields, trained and scored now if it was not before."""
    recipe = load_recipe(request.recipe, fields)
    asked = replace(request, seed=seed, overrides=fields)
    # The folder's name changes with everything that the weights depend on.
    name = training_folder(asked, stage).name + ("-cut" if cut else "")
    path = _folder(stage) / "scores" / f"{name}.json"
    if path.is_file():
        return _kept(path)
    weights = _trained(asked, stage, cut=cut)
    known = {"recipe": recipe.identity(), "seed": seed, "cut": cut}
    content = {**known, "rows": _score(weights, recipe, stage)}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text_whole(path, json.dumps(content, indent=1))
    return _stored(content)


def _trained(request: RunRequest, stage: Stage, *, cut: bool) -> Path:
    if not cut:
        return train_detector(request, progress=stage.progress)
    try:
        weights = train_detector(request, progress=_CutOff(stage.progress))
    except KeyboardInterrupt:
        weights = train_detector(request, progress=stage.progress)
    if not METHOD.header(weights).provenance["training"].get("resumed_at"):
        raise UsageError(
            f"the training in {weights.parent} was not cut off, and resuming is to be measured",
            hints=("delete that folder and run the same command again",),
        )
    return weights


class _CutOff:
    """Progress that ends a training in the middle, as Ctrl-C would."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def note(self, message: str) -> None:
        self._progress.note(message)

    @contextmanager
    def task(self, description: str, total: int | None = None) -> Iterator[ProgressTask]:
        with self._progress.task(description, total) as task:
            training = description.startswith("train ")
            yield _Ending(task, total // 2) if training and total else task


class _Ending:
    def __init__(self, task: ProgressTask, left: int) -> None:
        self._task, self._left = task, left

    def advance(self, count: int = 1, note: str = "") -> None:
        self._task.advance(count, note)
        self._left -= count
        if self._left < 0:
            raise KeyboardInterrupt


def _score(weights: Path, recipe: FakeSTormerRecipe, stage: Stage) -> list[list[Any]]:
    """[video_id, label, group, logit] of every validation video that can be scored."""
    videos = stage.videos(stage.protocol.validation)
    report = prepare_selected(
        videos,
        PrepareSpec(recipe.clips().frame_choice()),
        source=stage.source,
        registry=stage.registry,
        settings=stage.settings,
        progress=stage.progress,
    )
    detector = FakeSTormer(load_network(weights)[0], torch.device("cpu"))
    rows: list[list[Any]] = []
    with stage.progress.task("score the validation set", len(report.videos)) as task:
        for one in report.videos:
            if one.status is Status.OK:
                clips, _ = read_clips(one.path, recipe.clips())
                logit = float(detector.score(torch.from_numpy(clips)).mean())
                rows.append([one.video.video_id, int(one.video.label), one.video.group, logit])
            task.advance()
    return rows


def _kept(path: Path) -> Scores:
    try:
        return _stored(read_object(path, most=MOST_RECORD))
    except (UnreadableError, KeyError, TypeError, ValueError) as error:
        raise StoreError(
            f"the scores in {path} are damaged: {error}",
            hints=("delete that file and run the same command again",),
        ) from error


def _stored(content: Mapping[str, Any]) -> Scores:
    video, label, group, logit = zip(*content["rows"], strict=True)
    return Scores(np.array(video), np.array(label, dtype=np.int64), np.array(group), np.array(logit))


def _folder(stage: Stage) -> Path:
    corpus = stage.source.corpus_of([stage.protocol.validation.dataset])
    return require_below(stage.settings.runs, below(stage.settings.runs, "mends", corpus))
