"""One training in this process, from its plan to its weights: refused early, prepared, told of, fitted, noted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dfbench.data.folders import make_below
from dfbench.errors import RunError
from dfbench.events import OnRound, TrainingFacts
from dfbench.exchanged import FaceFile, Trained, TrainingRequest
from dfbench.hooks.events import Events
from dfbench.hooks.plugin_code import running
from dfbench.interfaces import ChecksStart, NeedsStart, Progress
from dfbench.runs.planning.devices import choose_device, compute_threads
from dfbench.runs.planning.fairness import by_dataset
from dfbench.runs.planning.plugins_used import plugins_of_training
from dfbench.runs.planning.requests import TrainingOptions
from dfbench.runs.planning.session import ProtocolSession
from dfbench.runs.planning.trainers import start_weights, synthesizer_of
from dfbench.runs.records.provenance import file_sha256
from dfbench.runs.records.trained import checked_weights, finished_weights, note_training, training_session
from dfbench.runs.trainings.beside import others_beside
from dfbench.runs.trainings.plan import TrainingPlan
from dfbench.training.weights_file import clear_checkpoints, write_trained
from dfbench.types import PrepareSpec, Status, Video, World

Planned = tuple[ProtocolSession, TrainingPlan]
Plans = Callable[[Progress], Planned]  # says what it does to the progress that it is given


def train_here(options: TrainingOptions, world: World, planned: Plans, *, progress: Progress) -> Path:
    """Train as one process of `world`, or return the finished weights; plugins are told how it goes.

    A process that does not write returns the folder of the training, unless the weights were there before.
    """
    turn: AbstractContextManager[None] = nullcontext()
    if world.size > 1:
        from dfbench.training.distributed import rank_zero_first

        turn = rank_zero_first(world)
    with turn:
        session, plan = planned(progress)
        finished = finished_weights(plan.folder)
        if finished is not None:
            progress.note(f"{session.spec.name}: using the weights trained before ({finished})")
            return finished
        # What cannot be used is found before videos are prepared for hours.
        device = choose_device(options.device, count=world.local)
        _check_start(options, plan, session)
        progress.note(
            f"{session.spec.name}: no checkpoint of recipe '{plan.recipe}' for {plan.identity.corpus}; training it now"
        )
        for other in others_beside(plan, session)[:1]:
            progress.note(f"{session.spec.name}: {other}")
        faces = _prepared(plan, session)
    facts = _facts(plan, session, faces, device=device)
    events = Events(session.host, progress, silent=not world.first)
    events.training_started(facts)
    try:
        on_round = partial(events.training_round, facts)
        weights, outcome = _fit(options, world, session, plan, faces, device=device, on_round=on_round)
    except BaseException as error:
        events.training_failed(facts, error)
        raise
    events.training_finished(facts, weights, outcome)
    return weights


def _check_start(options: TrainingOptions, plan: TrainingPlan, session: ProtocolSession) -> None:
    """Let the trainer look at the weights that it is to start from, or say that it cannot do without any."""
    if options.start and isinstance(plan.trainer, ChecksStart):
        with running(session.spec, "to look at --start"):
            plan.trainer.check_start(start_weights(options.start))
    elif not options.start and isinstance(plan.trainer, NeedsStart):
        with running(session.spec, "to say what it starts from"):
            plan.trainer.require_start()


def _facts(plan: TrainingPlan, session: ProtocolSession, faces: _Faces, *, device: str) -> TrainingFacts:
    """Return what plugins are told of a training."""
    dataset, compression = _trained_on(session)
    return TrainingFacts(
        detector=session.spec.name,
        recipe=plan.recipe,
        corpus=plan.identity.corpus,
        seed=plan.identity.seed,
        device=device,
        folder=plan.folder,
        train=len(faces.train),
        validation=len(faces.validation),
        identity=plan.identity.to_json(),
        dataset=dataset,
        compression=compression,
    )


def _trained_on(session: ProtocolSession) -> tuple[str, str]:
    """Return the own name of the dataset that a training is on, and the compression of its videos, "" if it has none."""
    train = session.training_sets().train
    dataset = session.registry.dataset(train.dataset)
    return dataset.name, train.compression or next(iter(dataset.compressions), "")


def _fit(
    options: TrainingOptions,
    world: World,
    session: ProtocolSession,
    plan: TrainingPlan,
    faces: _Faces,
    *,
    device: str,
    on_round: OnRound,
) -> tuple[Path, Mapping[str, Any]]:
    """Train on prepared faces and write the weights; returns their path, and how the training went.

    A process that does not write returns the folder in place of the path.
    """
    folder, needs = plan.folder, plan.needs
    synthesizer = synthesizer_of(needs, session.registry) if needs.synthesizer else None
    provenance = _provenance(plan, session)
    noting = training_session(folder, device=device, threads=compute_threads(), writes=world.first)
    with noting as sessions, running(session.spec, "to train", slow=True):
        provenance |= sessions
        asked = TrainingRequest(
            train=faces.train,
            validation=faces.validation,
            folder=folder,
            device=device,
            workers=max(1, session.settings.workers // world.local),
            seed=options.seed,
            synthesizer=synthesizer,
            provenance=provenance,
            progress=session.progress,
            start=start_weights(options.start) if options.start else None,
            world=world,
            on_round=on_round,
        )
        returned: object = plan.trainer.fit(asked)
    if not world.first:  # which the first one writes
        return (returned if isinstance(returned, Path) else folder), {}
    if isinstance(returned, Trained):
        recipe = plan.identity.recipe
        weights = write_trained(returned, asked, detector=session.spec.name, recipe=recipe)
    else:
        weights = checked_weights(returned, folder, session.spec)
    note_training(folder, weights, {"sha256": file_sha256(weights), **provenance})
    clear_checkpoints(folder)
    return weights, returned.outcome if isinstance(returned, Trained) else {}


def _provenance(plan: TrainingPlan, session: ProtocolSession) -> dict[str, Any]:
    """Return what the weights of a training will say of it, but for the sessions that worked on it, JSON-ready."""
    dataset, compression = _trained_on(session)
    provenance: dict[str, Any] = {
        "identity": plan.identity.to_json(),
        "leaks": by_dataset(plan.leaks),
        "trained_on": [dataset],
        "train_compression": compression,
    }
    finder, synthesizer = plan.needs.prepare.finder, plan.needs.synthesizer
    plugins = plugins_of_training(session, [dataset], finder=finder, synthesizer=synthesizer)
    if plugins:  # headers of weights that dfbench alone had a part in stay what they were
        provenance["plugins"] = [plugin.to_json() for plugin in plugins]
    return provenance


@dataclass(frozen=True, slots=True)
class _Faces:
    """The prepared videos of both parts of a training."""

    train: tuple[FaceFile, ...]
    validation: tuple[FaceFile, ...]


def _prepared(plan: TrainingPlan, session: ProtocolSession) -> _Faces:
    """Prepare the videos of both parts, say what cannot be used, and make the folder of the training; returns the faces."""
    needs = plan.needs
    train = _prepared_part("train", plan.train, needs.prepare, session)
    validation = _prepared_part("validation", plan.validation, needs.prepare_validation, session)
    make_below(session.settings.cache / "weights", plan.folder)
    return _Faces(train, validation)


def _prepared_part(
    part: str, videos: Sequence[Video], spec: PrepareSpec, session: ProtocolSession
) -> tuple[FaceFile, ...]:
    # trainers read the faces over and over, by their paths alone
    report = session.prepare(videos, spec, own_files=True)
    faces = tuple(FaceFile(one.video, one.path) for one in report.videos if one.status is Status.OK)
    if lost := len(report.videos) - len(faces):
        session.progress.note(f"warning: {lost} of {len(report.videos)} {part} videos cannot be used")
    if not faces:
        raise RunError(f"no usable {part} video", hints=("dfbench data check DATASET",))
    return faces
