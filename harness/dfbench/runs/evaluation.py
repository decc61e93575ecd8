"""One detector by one protocol: find its weights, prepare, score.

Every stage reads what the stage before it wrote, and a run is keyed by everything that can change a score; so
a second identical run computes nothing and an interrupted one goes on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from dfbench.data.manifest import files_digest, manifest_digest
from dfbench.errors import UsageError, WeightsError
from dfbench.hooks.host import Host
from dfbench.interfaces import Detector, DetectorFactory, Progress
from dfbench.runs.cards import Reading, card_of
from dfbench.runs.entries import entry_name
from dfbench.runs.fairness import leaks_into_tests
from dfbench.runs.protocols import resolve_protocol
from dfbench.runs.provenance import environment, file_sha256, run_identity
from dfbench.runs.scores import ScoreWriter
from dfbench.runs.scoring import PreparedVideo, score_videos
from dfbench.runs.sources import prepare_selected, with_finder
from dfbench.runs.stage import RunRequest, Stage, choose_device, open_stage
from dfbench.runs.weights import find_weights
from dfbench.settings import DEFAULT_FACE_FINDER
from dfbench.types import FULL_PRECISION, DetectorCard, DetectorSpec, PrepareSpec, Status, Video

SCHEMA = 1


@dataclass(frozen=True, slots=True, eq=False)
class ScoredRun:
    """A run whose scores are complete: its folder, the content of its run.json, whether anything was computed."""

    folder: Path
    record: Mapping[str, Any]
    computed: bool
    host: Host


def score_detector(request: RunRequest, *, progress: Progress) -> ScoredRun:
    """Score a detector by a protocol; returns at once if this very run is complete."""
    weights = request.weights
    if weights is not None and not weights.is_file():
        raise WeightsError(f"no such weights file: {weights}", hints=("correct --weights",))
    stage = open_stage(request, progress)
    spec = stage.spec
    _check_precision(spec, request.precision)
    reading = _reading(request, spec)
    only = tuple(stage.registry.dataset(name).name for name in request.only)  # aliases such as CDF2
    tests = resolve_protocol(stage.protocol, only)
    videos = {test.dataset: stage.videos(test) for test in tests}
    if weights is None and spec.needs_weights:
        weights = find_weights(request, stage)
    card = card_of(spec, stage.registry, weights, reading)
    if problem := card.bad_margin():
        raise UsageError(
            f"detector '{spec.name}': {problem}",
            hints=("the face store holds no more around a face: give it a smaller margin",),
        )
    leaks = leaks_into_tests(stage, card, videos)
    for leak in leaks:
        progress.note(f"*** warning: {leak}")
    record = _record(request, stage, card, weights, videos)
    if leaks:
        record["leaks"] = list(leaks)
    if reading.recipe:
        record["read_as"] = asdict(reading)
    folder = (
        stage.settings.runs
        / f"{spec.name}-{stage.protocol.name}-{stage.source.corpus}-{record['identity'][:12]}"
    )
    if (folder / "run.json").is_file():
        stored = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        if stored.get("status") == "complete":
            progress.note(f"{spec.name}: this run is complete, nothing to compute ({folder})")
            return ScoredRun(folder, stored, computed=False, host=stage.host)
    folder.mkdir(parents=True, exist_ok=True)
    _write_json(folder / "run.json", record)
    for note in stage.host.call_run_started(record):
        progress.note(f"warning: {note}")
    with ScoreWriter(folder) as writer:  # leaving it by an error or Ctrl-C keeps what was scored
        _score_datasets(stage, card, lambda: _build(request, stage, weights, reading), videos, writer)
        writer.finish()
    finished = {**record, "status": "complete", "finished": datetime.now(UTC).isoformat()}
    _write_json(folder / "run.json", finished)
    return ScoredRun(folder, finished, computed=True, host=stage.host)


def _score_datasets(
    stage: Stage,
    card: DetectorCard,
    build: Callable[[], Detector],
    videos: Mapping[str, list[Video]],
    writer: ScoreWriter,
) -> None:
    done = writer.done_videos(retry=(Status.MISSING, Status.ERROR))
    detector: Detector | None = None
    for dataset, expected in videos.items():
        left = [video for video in expected if (dataset, video.video_id) not in done]
        if not left:
            continue
        # Before the videos are prepared, which may take days, so that weights that cannot be used are found at once.
        detector = detector or build()
        report = prepare_selected(
            left,
            PrepareSpec(card.clips.frame_choice()),
            source=stage.source,
            registry=stage.registry,
            settings=stage.settings,
            progress=stage.progress,
        )
        prepared = [PreparedVideo(one.video, one.status, one.reason, one.path) for one in report.videos]
        score_videos(
            detector,
            prepared,
            clips=card.clips_of(dataset),
            writer=writer,
            progress=stage.progress,
            description=f"score {dataset} with {stage.spec.name}",
        )
        writer.flush()


def _check_precision(spec: DetectorSpec, precision: str) -> None:
    if precision not in spec.precisions:
        raise UsageError(
            f"detector '{spec.name}' cannot score with --precision {precision}",
            hints=(f"it offers: {', '.join(spec.precisions)}",),
        )


def _reading(request: RunRequest, spec: DetectorSpec) -> Reading:
    """The recipe and its fields for given weights; without those, they are for the training."""
    if request.weights is None:
        return Reading()
    if request.recipe:
        if not spec.recipe_for_weights:
            raise UsageError(
                f"--recipe {request.recipe} cannot change weights that are given with --weights",
                hints=("leave out --recipe",),
            )
        return Reading(request.recipe, request.overrides)  # which fields fit, the detector says
    for name in request.overrides:
        if name not in spec.scoring_fields:
            able = ", ".join(spec.scoring_fields)
            raise UsageError(
                f"--set {name}=... cannot change weights that are given with --weights",
                hints=(
                    f"what may be set for them: {able}" if able else f"leave out --set {name}=...",
                    f"or train: dfbench train --detector {spec.name} --set {name}=...",
                    *(["or, if they carry no recipe, name it: --recipe NAME"] * spec.recipe_for_weights),
                ),
            )
    return Reading(changes=request.overrides)


def _build(request: RunRequest, stage: Stage, weights: Path | None, reading: Reading) -> Detector:
    factory = cast("DetectorFactory", stage.registry.load_object(stage.spec.build))
    options = reading.options()
    if request.precision != FULL_PRECISION:  # only a detector that offers another knows the word
        options["precision"] = request.precision
    return factory(weights=weights, device=choose_device(request.device), seed=request.seed, **options)


def _record(
    request: RunRequest,
    stage: Stage,
    card: DetectorCard,
    weights: Path | None,
    videos: Mapping[str, list[Video]],
) -> dict[str, Any]:
    spec = stage.spec
    sha = file_sha256(weights) if weights is not None else ""
    detector = {"name": spec.name, "version": spec.version, "weights_sha256": sha, "recipe": card.recipe}
    prepare = with_finder(PrepareSpec(card.clips.frame_choice()), stage.registry, stage.settings)
    scoring = {
        "schema": SCHEMA,
        "detector": detector,
        "protocol": stage.protocol.name,
        "corpus": stage.source.corpus,
        "seed": request.seed,
        "pooling": str(card.pooling),
        "clips": asdict(card.clips),
        "prepare": asdict(prepare),
        "datasets": {
            name: {"manifest": manifest_digest(rows), "files": files_digest(rows), "videos": len(rows)}
            for name, rows in videos.items()
        },
    }
    if card.margins:  # of the datasets scored here
        scoring["margins"] = {name: card.clips_of(name).margin for name in videos}
    precision = "" if request.precision == FULL_PRECISION else request.precision
    if precision:
        scoring["precision"] = precision
    trained = "+".join(sorted(card.trained_on)) if card.trained_on else ""
    facts = [card.recipe, "/".join(p for p in (trained, card.train_compression) if p), precision]
    if prepare.finder != DEFAULT_FACE_FINDER:
        facts.append(f"faces by {prepare.finder}")
    return {
        **scoring,
        "identity": run_identity(**scoring),
        "status": "running",
        "entry": entry_name(spec.name, facts, seed=request.seed),
        "trained_on": None if card.trained_on is None else sorted(card.trained_on),
        "train_compression": card.train_compression,
        "training": dict(card.details),
        "started": datetime.now(UTC).isoformat(),
        "finished": "",
        "environment": environment(),
    }


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    part = path.with_suffix(".part")
    part.write_text(json.dumps(content, indent=1, default=str), encoding="utf-8")
    part.replace(path)
