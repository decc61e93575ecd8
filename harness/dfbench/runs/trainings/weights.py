"""The weights of a detector: trained before, trained now, or an error that says how to get them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from dfbench.data.datasets.manifest import files_digest, manifest_digest
from dfbench.data.folders import below, make_below, unwritable
from dfbench.errors import RunError, WeightsError
from dfbench.escaping import for_shell
from dfbench.events import OnRound, TrainingFacts
from dfbench.exchanged import FaceFile, Trained, TrainingNeeds, TrainingRequest
from dfbench.hooks.events import Events
from dfbench.hooks.manners import generators_kept
from dfbench.hooks.plugin_code import running
from dfbench.interfaces import ChecksStart, Progress, Trainer
from dfbench.progress import SilentProgress
from dfbench.runs.planning.devices import choose_device
from dfbench.runs.planning.fairness import by_dataset, compare_videos, warn_of_leaks
from dfbench.runs.planning.sources import prepare_selected, with_finder
from dfbench.runs.planning.stage import RunRequest, Stage, compute_threads, open_stage
from dfbench.runs.records.provenance import file_sha256
from dfbench.runs.records.run_file import refuse_unwritable
from dfbench.runs.trainings.beside import weights_beside
from dfbench.runs.trainings.trained import checked_weights, finished_weights, note_training, training_session
from dfbench.runs.trainings.trainers import needs_of, start_weights, synthesizer_of, trainer_of
from dfbench.runs.trainings.training_identity import StartingWeights, SynthesizerVersion, TrainingIdentity
from dfbench.training.launchers import started
from dfbench.training.weights_file import clear_checkpoints, write_trained
from dfbench.types import Status, World

_BESIDE = 2  # trainings that are named


def find_weights(request: RunRequest, stage: Stage, *, stored: bool = False) -> Path:
    """Weights of the recipe that fits the data: trained here if the corpus was made here, else looked up.

    `stored`: a run with them is to be stored. Raises StoreError if they are still to be trained, and it could not be.
    """
    spec = stage.spec
    train = stage.protocol.train
    untrained = WeightsError(
        f"no trained weights for detector '{spec.name}' on {train.dataset}",
        hints=(
            f"train them:            dfbench train --detector {for_shell(spec.name)} --protocol {for_shell(request.protocol)}",
            "or use given ones:     dfbench run ... --weights PATH/TO/checkpoint",
            f"or those of the demo:  dfbench train --detector {for_shell(spec.name)} --data demo (prints their path)"
            if request.dataset
            else "or try the demo data:  dfbench run ... --data demo",
        ),
    )
    if request.dataset and not stage.source.has(stage.registry.dataset(train.dataset)):
        raise untrained  # who scores videos of their own need not have the training set
    closed = stored and bool(unwritable(stage.settings.runs))
    if closed and stage.source.made and finished_weights(training_folder(request, stage)) is None:
        refuse_unwritable(stage.settings.runs)
    if stage.source.made or finished_weights(training_folder(request, stage)):
        return train_detector(request, progress=stage.progress, stage=stage)
    hints = (*untrained.hints, *_others_beside(_training(request, stage)[2], stage)[:_BESIDE])
    raise WeightsError(untrained.headline, hints=hints)


def _others_beside(plan: Mapping[str, Any], stage: Stage) -> list[str]:
    """Name the weights of other trainings that lie beside those of a plan, and in what they differ; the nearest first."""
    beside = weights_beside(stage.settings.cache, stage.spec.name, plan["identity"])
    return [f"weights of another training lie beside, {other.in_words()}" for other in beside]


def _training(request: RunRequest, stage: Stage) -> tuple[Path, Trainer, dict[str, Any]]:
    spec = stage.spec
    recipe, trainer = trainer_of(
        spec, stage.registry, request.recipe, request.overrides, made=stage.source.made
    )
    needs = needs_of(spec, trainer)
    needs = replace(
        needs,
        prepare=with_finder(needs.prepare, stage.registry, stage.settings),
        prepare_validation=with_finder(needs.prepare_validation, stage.registry, stage.settings),
    )
    held_out = needs.labels if needs.validation_labels is None else needs.validation_labels
    train, validation = (
        [video for video in stage.videos(which) if int(video.label) in labels]
        for which, labels in ((stage.protocol.train, needs.labels), (stage.protocol.validation, held_out))
    )
    held_apart = stage.protocol.test_sets() if stage.protocol.purpose == "test" else ()
    tests = {test.key: stage.videos_at_hand(test.selection) for test in held_apart}
    leaks = compare_videos(train=train, validation=validation, tests=tests)
    warn_of_leaks(leaks, stage.progress)
    corpus = stage.source.corpus_of((stage.protocol.train.dataset, stage.protocol.validation.dataset))
    with running(spec, "to say its recipe"):
        resolved = trainer.recipe()
    identity = TrainingIdentity(
        detector=spec.name,
        version=spec.version,
        recipe=resolved,
        corpus=corpus,
        train=manifest_digest(train),
        validation=manifest_digest(validation),
        files=files_digest([*train, *validation]),
        needs=needs,
        seed=request.seed,
        synthesizer=_synthesizer_version(needs.synthesizer, stage) if needs.synthesizer else None,
        start=_start_identity(request.start) if request.start else None,
    )
    name = f"{recipe}-{corpus}-{identity.digest()}"
    folder = below(stage.settings.cache / "weights", spec.name, name)
    plan = {
        "identity": identity.to_json(),
        "train": train,
        "validation": validation,
        "leaks": leaks,
        "recipe": recipe,
        "folder": folder,
    }
    return folder, trainer, plan


def training_folder(request: RunRequest, stage: Stage) -> Path:
    """Where the training of this request works and leaves its weights: its name changes with all that it depends on."""
    return _training(request, stage)[0]


def _synthesizer_version(name: str, stage: Stage) -> SynthesizerVersion:
    spec = stage.registry.synthesizer(name)
    return SynthesizerVersion(spec.name, spec.version)


def _start_identity(start: str) -> StartingWeights:
    given = start_weights(start)
    return StartingWeights(read_as=given.read_as, sha256=file_sha256(given.path))


def train_detector(request: RunRequest, *, progress: Progress, stage: Stage | None = None) -> Path:
    """Train, or go on with an interrupted training, or return the finished weights.

    With several devices, this process starts one for each and waits; on several machines, each of the processes that
    a scheduler started calls this.
    """
    if started() is None:  # alone, whatever a scheduler's variables say
        if request.devices * request.nodes > 1:
            return _train_in_processes(request, progress=progress, stage=stage)
        with generators_kept():
            return _train(request, World(), progress=progress, stage=stage)
    from dfbench.training.distributed import current_world, process_group

    world = current_world(request.devices, request.nodes)

    with process_group(world):
        return _train(request, world, progress=progress if world.first else SilentProgress(), stage=stage)


def _train_in_processes(request: RunRequest, *, progress: Progress, stage: Stage | None) -> Path:
    from dfbench.training.distributed import launch

    device = choose_device(request.device, count=request.devices)  # before anything is started
    folder = training_folder(request, stage or open_stage(request, progress, purpose="train"))
    finished = finished_weights(folder)
    if finished is None:
        launch(_command(replace(request, device=device)), devices=request.devices, nodes=request.nodes)
        finished = finished_weights(folder)
    if finished is None:
        raise RunError(
            f"{request.detector}: the processes of the training ended, and left no weights in {folder}"
        )
    progress.note(f"{request.detector}: the weights are {finished}")
    return finished


def _command(request: RunRequest) -> list[str]:
    """The arguments of `dfbench` that train by this request."""
    options = {
        "detector": request.detector,
        "protocol": request.protocol,
        "data": request.data,
        "recipe": request.recipe,
        "train-compression": request.train_compression,
        "seed": request.seed,
        "device": request.device,
        "size": request.size,
        "start": request.start,
        "devices": request.devices,
        "nodes": request.nodes,
    }
    words = ["train"]
    for name, value in options.items():
        words += [f"--{name}", str(value)] if value != "" else []
    for name, value in request.overrides.items():
        words += ["--set", f"{name}={value}"]
    return words


def _train(request: RunRequest, world: World, *, progress: Progress, stage: Stage | None) -> Path:
    turn: AbstractContextManager[None] = nullcontext()
    if world.size > 1:
        from dfbench.training.distributed import rank_zero_first

        turn = rank_zero_first(world)
    with turn:
        stage = stage or open_stage(request, progress, purpose="train")
        folder, trainer, plan = _training(request, stage)
        finished = finished_weights(folder)
        if finished is not None:
            progress.note(f"{stage.spec.name}: using the weights trained before ({finished})")
            return finished
        # What cannot be used is found before videos are prepared for hours.
        device = choose_device(request.device, count=world.local)
        if request.start and isinstance(trainer, ChecksStart):
            with running(stage.spec, "to look at --start"):
                trainer.check_start(start_weights(request.start))
        progress.note(
            f"{stage.spec.name}: no checkpoint of recipe '{plan['recipe']}' for {plan['identity']['corpus']};"
            " training it now"
        )
        for other in _others_beside(plan, stage)[:1]:
            progress.note(f"{stage.spec.name}: {other}")
        faces = _prepared(plan, needs_of(stage.spec, trainer), stage)
    facts = TrainingFacts(
        detector=stage.spec.name,
        recipe=plan["recipe"],
        corpus=plan["identity"]["corpus"],
        seed=request.seed,
        device=device,
        folder=folder,
        train=len(faces["train"]),
        validation=len(faces["validation"]),
        identity=plan["identity"],
    )
    events = Events(stage.host, progress, silent=not world.first)
    events.training_started(facts)
    try:
        on_round = partial(events.training_round, facts)
        weights, outcome = _fit(request, world, stage, trainer, plan, faces, device=device, on_round=on_round)
    except BaseException as error:
        events.training_failed(facts, error)
        raise
    events.training_finished(facts, weights, outcome)
    return weights


def _fit(
    request: RunRequest,
    world: World,
    stage: Stage,
    trainer: Trainer,
    plan: Mapping[str, Any],
    faces: Mapping[str, list[FaceFile]],
    *,
    device: str,
    on_round: OnRound,
) -> tuple[Path, Mapping[str, Any]]:
    """Train on prepared faces and write the weights; returns their path, and how the training went.

    A process that does not write returns the folder in place of the path.
    """
    folder: Path = plan["folder"]
    needs = needs_of(stage.spec, trainer)
    train = stage.protocol.train
    dataset = stage.registry.dataset(train.dataset)
    synthesizer = synthesizer_of(needs, stage.registry) if needs.synthesizer else None
    provenance: dict[str, Any] = {
        "identity": plan["identity"],
        "leaks": by_dataset(plan["leaks"]),
        "trained_on": [dataset.name],
        "train_compression": train.compression or next(iter(dataset.compressions), ""),
    }
    session = training_session(folder, device=device, threads=compute_threads(), writes=world.first)
    with session as sessions, running(stage.spec, "to train", slow=True):
        provenance |= sessions
        asked = TrainingRequest(
            train=faces["train"],
            validation=faces["validation"],
            folder=folder,
            device=device,
            workers=max(1, stage.settings.workers // world.local),
            seed=request.seed,
            synthesizer=synthesizer,
            provenance=provenance,
            progress=stage.progress,
            start=start_weights(request.start) if request.start else None,
            world=world,
            on_round=on_round,
        )
        returned: object = trainer.fit(asked)
    if not world.first:  # which the first one writes
        return (returned if isinstance(returned, Path) else folder), {}
    if isinstance(returned, Trained):
        recipe = plan["identity"]["recipe"]
        weights = write_trained(returned, asked, detector=stage.spec.name, recipe=recipe)
    else:
        weights = checked_weights(returned, folder, stage.spec)
    note_training(folder, weights, {"sha256": file_sha256(weights), **provenance})
    clear_checkpoints(folder)
    return weights, returned.outcome if isinstance(returned, Trained) else {}


def _prepared(plan: Mapping[str, Any], needs: TrainingNeeds, stage: Stage) -> dict[str, list[FaceFile]]:
    """The usable videos of both parts, prepared; what cannot be used is said."""
    faces = {}
    for part, spec in (("train", needs.prepare), ("validation", needs.prepare_validation)):
        report = prepare_selected(
            plan[part],
            spec,
            source=stage.source,
            registry=stage.registry,
            settings=stage.settings,
            progress=stage.progress,
        )
        faces[part] = [FaceFile(one.video, one.path) for one in report.videos if one.status is Status.OK]
        lost = len(report.videos) - len(faces[part])
        if lost:
            stage.progress.note(f"warning: {lost} of {len(report.videos)} {part} videos cannot be used")
        if not faces[part]:
            raise RunError(f"no usable {part} video", hints=("dfbench data check DATASET",))
    make_below(stage.settings.cache / "weights", plan["folder"])
    return faces
