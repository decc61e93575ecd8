"""The weights of a detector: trained before, trained now, or an error that says how to get them."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

from dfbench.data.manifest import files_digest, manifest_digest
from dfbench.errors import RunError, UsageError, WeightsError
from dfbench.interfaces import FaceFile, Progress, Trainer, TrainerFactory, TrainingRequest
from dfbench.runs.protocols import lint_videos
from dfbench.runs.provenance import environment, run_identity
from dfbench.runs.sources import prepare_selected, with_finder_version
from dfbench.runs.stage import RunRequest, Stage, choose_device, open_stage
from dfbench.types import Status

WEIGHTS_FILE = "weights.safetensors"


def find_weights(request: RunRequest, stage: Stage) -> Path:
    """Weights of the recipe that fits the data: trained here if the corpus was made here, else looked up."""
    spec = stage.spec
    folder, _, _ = _training(request, stage)
    if (folder / WEIGHTS_FILE).is_file() or stage.source.made:
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


def _training(request: RunRequest, stage: Stage) -> tuple[Path, Trainer, dict[str, Any]]:
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
    needs = replace(
        needs,
        prepare=with_finder_version(needs.prepare, stage.registry),
        prepare_validation=with_finder_version(needs.prepare_validation, stage.registry),
    )
    train, validation = (
        [video for video in stage.videos(which) if int(video.label) in needs.labels]
        for which in (stage.protocol.train, stage.protocol.validation)
    )
    tests = {
        selection.dataset: stage.videos(selection)
        for selection in stage.protocol.tests
        if selection.dataset in stage.source.roots
    }
    lint_videos(train=train, validation=validation, tests=tests)
    identity = {
        "detector": spec.name,
        "version": spec.version,
        "recipe": trainer.recipe(),
        "corpus": stage.source.corpus,
        "train": manifest_digest(train),
        "validation": manifest_digest(validation),
        "files": files_digest([*train, *validation]),
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


def train_detector(request: RunRequest, *, progress: Progress, stage: Stage | None = None) -> Path:
    """Train, or go on with an interrupted training, or return the finished weights."""
    stage = stage or open_stage(request, progress)
    folder, trainer, plan = _training(request, stage)
    finished = folder / WEIGHTS_FILE
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
