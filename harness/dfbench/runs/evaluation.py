"""One detector by one protocol: find or train its weights, prepare, score.

Every stage reads what the stage before it wrote, and a run is keyed by everything that can change a score; so
a second identical run computes nothing and an interrupted one goes on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from dfbench.data.manifest import manifest_digest, select
from dfbench.errors import RunError, UsageError, WeightsError
from dfbench.hooks.host import Host
from dfbench.interfaces import (
    Detector,
    DetectorFactory,
    FaceFile,
    Progress,
    Trainer,
    TrainerFactory,
    TrainingRequest,
)
from dfbench.runs.protocols import resolve_protocol
from dfbench.runs.provenance import environment, file_sha256, run_identity
from dfbench.runs.scores import ScoreWriter
from dfbench.runs.scoring import PreparedVideo, score_videos
from dfbench.runs.sources import DataSource, data_source, dataset_index, prepare_selected
from dfbench.settings import Settings, load_settings
from dfbench.types import DetectorCard, DetectorSpec, PrepareSpec, ProtocolSpec, Status, Video, VideoSelection

if TYPE_CHECKING:
    from dfbench.hooks.registry import Registry

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What the user asked for."""

    detector: str
    protocol: str = "cross-dataset"
    data: str = ""
    only: tuple[str, ...] = ()
    weights: Path | None = None
    seed: int = 0
    device: str = "auto"
    size: str = "full"
    recipe: str = ""
    overrides: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class ScoredRun:
    """A run whose scores are complete: its folder, the content of its run.json, whether anything was computed."""

    folder: Path
    record: Mapping[str, Any]
    computed: bool
    host: Host


@dataclass(frozen=True, slots=True)
class _Stage:
    """What all steps of one request share."""

    host: Host
    settings: Settings
    spec: DetectorSpec
    protocol: ProtocolSpec
    source: DataSource
    progress: Progress

    @property
    def registry(self) -> Registry:
        return self.host.registry

    def videos(self, selection: VideoSelection) -> list[Video]:
        spec = self.registry.dataset(selection.dataset)
        index = dataset_index(spec, self.source.root(spec.name), selection.compression, self.registry)
        for problem in index.problems:
            self.progress.note(f"warning: {problem}")
        return select(index.videos, selection)


def choose_device(device: str) -> str:
    """Resolve "auto" to cuda, mps or cpu. Raises UsageError if a CUDA device is asked for and absent."""
    import torch

    if device == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise UsageError(
            f"--device {device}: no CUDA device is available", hints=("use --device cpu or auto",)
        )
    return device


def _stage(request: RunRequest, progress: Progress) -> _Stage:
    host = Host.load()
    settings = load_settings()
    spec = host.registry.detector(request.detector)
    protocol = host.registry.protocol(request.protocol)
    source = data_source(request.data, host.registry, settings, size=request.size, progress=progress)
    return _Stage(host, settings, spec, protocol, source, progress)


def score_detector(request: RunRequest, *, progress: Progress) -> ScoredRun:
    """Score a detector by a protocol; returns at once if this very run is complete."""
    stage = _stage(request, progress)
    spec = stage.spec
    tests = resolve_protocol(stage.protocol, request.only)
    videos = {test.dataset: stage.videos(test) for test in tests}
    weights = request.weights
    if weights is not None and not weights.is_file():
        raise WeightsError(f"no such weights file: {weights}", hints=("correct --weights",))
    if weights is None and spec.needs_weights:
        weights = _trained_weights(request, stage)
    card = _card(spec, weights, stage.registry)
    record = _record(request, stage, card, weights, videos)
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
    _score(request, stage, card, weights, videos, folder)
    finished = {**record, "status": "complete", "finished": datetime.now(UTC).isoformat()}
    _write_json(folder / "run.json", finished)
    return ScoredRun(folder, finished, computed=True, host=stage.host)


def _score(
    request: RunRequest,
    stage: _Stage,
    card: DetectorCard,
    weights: Path | None,
    videos: Mapping[str, list[Video]],
    folder: Path,
) -> None:
    writer = ScoreWriter(folder)
    done = writer.done_videos()
    detector: Detector | None = None
    for dataset, expected in videos.items():
        left = [video for video in expected if (dataset, video.video_id) not in done]
        if not left:
            continue
        report = prepare_selected(
            left,
            PrepareSpec(card.clips.frame_choice()),
            source=stage.source,
            registry=stage.registry,
            settings=stage.settings,
            progress=stage.progress,
        )
        if detector is None:
            build = cast("DetectorFactory", stage.registry.load_object(stage.spec.build))
            detector = build(weights=weights, device=choose_device(request.device), seed=request.seed)
        prepared = [PreparedVideo(one.video, one.status, one.reason, one.path) for one in report.videos]
        score_videos(
            detector,
            prepared,
            clips=card.clips,
            writer=writer,
            progress=stage.progress,
            description=f"score {dataset} with {stage.spec.name}",
        )
        writer.flush()
    writer.finish()


def _card(spec: DetectorSpec, weights: Path | None, registry: Registry) -> DetectorCard:
    if weights is not None and spec.describe:
        describe = registry.load_object(spec.describe)
        if not callable(describe):
            raise RunError(f"detector '{spec.name}': {spec.describe} is not callable")
        return cast("DetectorCard", describe(weights))
    return spec.card()


def _record(
    request: RunRequest,
    stage: _Stage,
    card: DetectorCard,
    weights: Path | None,
    videos: Mapping[str, list[Video]],
) -> dict[str, Any]:
    spec = stage.spec
    sha = file_sha256(weights) if weights is not None else ""
    detector = {"name": spec.name, "version": spec.version, "weights_sha256": sha, "recipe": card.recipe}
    scoring = {
        "schema": SCHEMA,
        "detector": detector,
        "protocol": stage.protocol.name,
        "corpus": stage.source.corpus,
        "seed": request.seed,
        "pooling": str(card.pooling),
        "clips": asdict(card.clips),
        "prepare": asdict(PrepareSpec(card.clips.frame_choice())),
        "datasets": {
            name: {"manifest": manifest_digest(rows), "videos": len(rows)} for name, rows in videos.items()
        },
    }
    trained = "+".join(sorted(card.trained_on)) if card.trained_on else ""
    parts = [card.recipe, "/".join(p for p in (trained, card.train_compression) if p), f"seed {request.seed}"]
    return {
        **scoring,
        "identity": run_identity(**scoring),
        "status": "running",
        "entry": f"{spec.name} ({', '.join(part for part in parts if part)})",
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


def _trained_weights(request: RunRequest, stage: _Stage) -> Path:
    """Weights of the recipe that fits the data: trained here if the corpus was made here, else looked up."""
    spec = stage.spec
    folder, _, _ = _training(request, stage)
    if (folder / "weights.safetensors").is_file() or stage.source.made:
        return train_detector(request, progress=stage.progress, stage=stage)
    train = stage.protocol.train
    raise WeightsError(
        f"no trained weights for detector '{spec.name}' on {train.dataset}",
        hints=(
            f"train them:            dfbench train --detector {spec.name} --protocol {stage.protocol.name}",
            "or use given ones:     dfbench run ... --weights PATH/TO/checkpoint",
            "or try the demo data:  dfbench run ... --data demo",
        ),
    )


def _training(request: RunRequest, stage: _Stage) -> tuple[Path, Trainer, dict[str, Any]]:
    spec = stage.spec
    if not spec.trainer:
        raise UsageError(
            f"detector '{spec.name}' cannot be trained", hints=("give its weights with --weights",)
        )
    recipe = request.recipe or (spec.demo_recipe if stage.source.made else spec.default_recipe)
    if recipe not in spec.recipes:
        raise UsageError(
            f"detector '{spec.name}' has no recipe '{recipe}'", hints=(f"recipes: {', '.join(spec.recipes)}",)
        )
    trainer = cast("TrainerFactory", stage.registry.load_object(spec.trainer))(recipe, request.overrides)
    needs = trainer.needs()
    train, validation = (
        [video for video in stage.videos(which) if int(video.label) in needs.labels]
        for which in (stage.protocol.train, stage.protocol.validation)
    )
    identity = {
        "detector": spec.name,
        "version": spec.version,
        "recipe": trainer.recipe(),
        "corpus": stage.source.corpus,
        "train": manifest_digest(train),
        "validation": manifest_digest(validation),
        "needs": asdict(needs),
        "seed": request.seed,
    }
    folder = (
        stage.settings.cache
        / "weights"
        / spec.name
        / f"{recipe}-{stage.source.corpus}-{run_identity(**identity)[:12]}"
    )
    return folder, trainer, {"identity": identity, "train": train, "validation": validation, "recipe": recipe}


def train_detector(request: RunRequest, *, progress: Progress, stage: _Stage | None = None) -> Path:
    """Train, or go on with an interrupted training, or return the finished weights."""
    stage = stage or _stage(request, progress)
    folder, trainer, plan = _training(request, stage)
    finished = folder / "weights.safetensors"
    if finished.is_file():
        progress.note(f"{stage.spec.name}: using the weights trained before ({finished})")
        return finished
    progress.note(
        f"{stage.spec.name}: no checkpoint of recipe '{plan['recipe']}' for {stage.source.corpus}; training it now"
    )
    needs = trainer.needs()
    faces = {}
    for part, spec in (("train", needs.prepare), ("validation", needs.prepare_validation)):
        report = prepare_selected(
            plan[part],
            spec,
            source=stage.source,
            registry=stage.registry,
            settings=stage.settings,
            progress=progress,
        )
        faces[part] = [FaceFile(one.video, one.path) for one in report.videos if one.status is Status.OK]
        lost = len(report.videos) - len(faces[part])
        if lost:
            progress.note(f"warning: {lost} of {len(report.videos)} {part} videos cannot be used")
        if not faces[part]:
            raise RunError(f"no usable {part} video", hints=("dfbench data check DATASET",))
    folder.mkdir(parents=True, exist_ok=True)
    train = stage.protocol.train
    dataset = stage.registry.dataset(train.dataset)
    synthesizer = None
    if needs.synthesizer:
        synthesizer = cast(
            "Any", stage.registry.load_object(stage.registry.synthesizer(needs.synthesizer).build)
        )({})
    return trainer.fit(
        TrainingRequest(
            train=faces["train"],
            validation=faces["validation"],
            folder=folder,
            device=choose_device(request.device),
            workers=stage.settings.workers,
            seed=request.seed,
            synthesizer=synthesizer,
            provenance={
                "identity": plan["identity"],
                "environment": environment(),
                "trained_on": [dataset.name],
                "train_compression": train.compression or next(iter(dataset.compressions), ""),
            },
            progress=progress,
        )
    )
