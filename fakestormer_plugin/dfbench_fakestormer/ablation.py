"""An ablation of the switches: FakeSTormer as it is here and as it was released, switch by switch, over several seeds.

The measure is the video AUC on the validation set's own fakes. A training does not see them (unless it is asked to,
`validation_fakes = "real"`), and the measure does not change with how a training validates itself. A training is one of
`dfbench train`, its scores are a run of `dfbench run` on a protocol for validation, and `dfbench.compare` compares them:
all are stored, so the command goes on where it was cut off.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import dfbench
from dfbench import CoverageWarning, Progress, ProgressTask, UsageError
from dfbench_fakestormer.method import METHOD, NAME

PROTOCOL = "ffpp-validation"


@dataclass(frozen=True, slots=True)
class Switch:
    """A field of the recipe that turns a deviation from the released code on and off.

    `released` is its value as released, `needs` what the recipe must have so that it matters. `cut`: the training as released
    is cut off midway, and goes on.
    """

    name: str
    released: str
    needs: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False


SAM = {"optimizer": "sam_adam", "sam_rho": "0.01", "lr": "1e-3"}
SWITCHES = (
    Switch("temporal_token", "patch0"),
    Switch("embed_order", "released"),
    Switch("derivative", "released", {"heatmap": "m_std_normalized"}),
    Switch("cells", "point"),
    Switch("crop", "released"),
    Switch("mirror", "released"),
    Switch("jpeg", "released"),
    Switch("retry", "released"),
    Switch("sam_running_stats", "twice", SAM),
    Switch("validation_view", "released"),
    Switch("best_by", "clip_accuracy"),
    Switch("resume", "released", cut=True),
)


@dataclass(frozen=True, slots=True)
class Variant:
    """A training to be made and scored: by a recipe with changed fields, on `data` (as of `dfbench train`) of a size."""

    recipe: str
    data: str
    size: str
    overrides: Mapping[str, str]
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Effect:
    """What a switch does: the mean AUC over the seeds with it (`mended`) and as released, and their difference.

    `low` and `high` are the ends of its 95 % interval over identities and seeds.
    """

    switch: Switch
    mended: float
    released: float
    difference: float
    low: float
    high: float
    seeds: int

    def to_row(self) -> dict[str, object]:
        """The row of a table; `needs` as text."""
        names = ("mended", "released", "difference", "low", "high", "seeds")
        needs = ", ".join(f"{name}={value}" for name, value in self.switch.needs.items())
        return {
            "switch": self.switch.name,
            "needs": needs,
            **{name: getattr(self, name) for name in names},
        }


def measure_switches(
    *,
    recipe: str,
    data: str,
    size: str,
    seeds: Sequence[int],
    switches: Sequence[str],
    overrides: Mapping[str, str],
    progress: Progress,
) -> tuple[list[Effect], Path]:
    """Train and score with and without each of the `switches` (all if empty), for each seed.

    Returns what each does, and the folder of the runs. Raises UsageError for an unknown switch or fewer than two seeds.
    """
    known = [switch.name for switch in SWITCHES]
    if unknown := sorted(set(switches) - set(known)):
        raise UsageError(f"unknown switch {', '.join(unknown)}", hints=(f"the switches: {', '.join(known)}",))
    if len(set(seeds)) < 2:
        raise UsageError("an interval over seeds needs at least two seeds", hints=("--seeds 3",))
    effects = []
    for switch in SWITCHES:
        if switches and switch.name not in switches:
            continue
        own = Variant(recipe, data, size, {**overrides, **switch.needs})
        released = replace(own, overrides={**own.overrides, switch.name: switch.released}, cut=switch.cut)
        runs = [[scored_run(variant, seed, progress) for seed in seeds] for variant in (own, released)]
        (found,) = dfbench.compare(*runs)
        effect = Effect(
            switch,
            mended=found.first,
            released=found.second,
            difference=found.difference.point,
            low=found.difference.low,
            high=found.difference.high,
            seeds=len(seeds),
        )
        effects.append(effect)
        if found.blank or found.left_out:
            lost = f"{len(found.left_out)} videos were not scored by all runs" if found.left_out else ""
            progress.note(f"warning: {switch.name}: {'; '.join(filter(None, (lost, found.blank)))}")
        progress.note(f"{switch.name}: {effect.difference:+.3f} [{effect.low:+.3f}, {effect.high:+.3f}]")
    return effects, Path(runs[0][0]).parent


def scored_run(variant: Variant, seed: int, progress: Progress) -> str:
    """Train a variant and score the validation set, as far as that was not done before; returns the folder of the run."""
    weights = trained(variant, seed, progress)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CoverageWarning)  # what it says, the comparison says once of all runs
        table = dfbench.run(
            NAME, PROTOCOL, weights=weights, data=variant.data, size=variant.size, progress=progress
        )
    return str(dfbench.open_run(table).folder)


def trained(variant: Variant, seed: int, progress: Progress) -> Path:
    """The weights of a variant, trained now if they were not before, and cut off midway if it says so.

    Raises UsageError if the training was finished before without having been cut off.
    """

    def train(shown: Progress) -> Path:
        return dfbench.train(
            NAME,
            PROTOCOL,
            overrides=variant.overrides,
            recipe=variant.recipe,
            data=variant.data,
            size=variant.size,
            seed=seed,
            progress=shown,
        )

    if not variant.cut:
        return train(progress)
    try:
        weights = train(CutOff(progress))
    except KeyboardInterrupt:
        weights = train(progress)
    if not METHOD.header(weights).provenance["training"].get("resumed_at"):
        raise UsageError(
            f"the training in {weights.parent} was not cut off, and resuming is to be measured",
            hints=("delete that folder and run the same command again",),
        )
    return weights


class CutOff:
    """Progress that ends a training in the middle, as Ctrl-C would."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def note(self, message: str) -> None:
        """Print one line above the bars."""
        self._progress.note(message)

    @contextmanager
    def task(self, description: str, total: int | None = None) -> Iterator[ProgressTask]:
        """A bar; that of a training ends it when half of its steps are done."""
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
