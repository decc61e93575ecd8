"""The weights of a detector: trained before, trained now, or an error that says how to get them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from dfbench.data.folders import make_below, unwritable
from dfbench.errors import RunError, WeightsError
from dfbench.escaping import for_shell
from dfbench.events import OnRound, TrainingFacts
from dfbench.exchanged import FaceFile, Trained, TrainingRequest
from dfbench.hooks.events import Events
from dfbench.hooks.manners import generators_kept
from dfbench.hooks.plugin_code import running
from dfbench.interfaces import ChecksStart, NeedsStart, Progress
from dfbench.progress import SilentProgress
from dfbench.runs.planning.devices import choose_device, compute_threads
from dfbench.runs.planning.fairness import by_dataset
from dfbench.runs.planning.opening import open_training
from dfbench.runs.planning.plugins_used import plugins_of_training
from dfbench.runs.planning.requests import ScoringRequest, TrainingOptions
from dfbench.runs.planning.session import ProtocolSession
from dfbench.runs.planning.setup import Setup
from dfbench.runs.planning.trainers import start_weights, synthesizer_of
from dfbench.runs.records.provenance import file_sha256
from dfbench.runs.records.run_file import refuse_unwritable
from dfbench.runs.records.trained import checked_weights, finished_weights, note_training, training_session
from dfbench.runs.trainings.beside import weights_beside
from dfbench.runs.trainings.plan import TrainingPlan, plan_training
from dfbench.training.launchers import started
from dfbench.training.weights_file import clear_checkpoints, write_trained
from dfbench.types import PrepareSpec, Status, Video, World

_BESIDE = 2  # trainings that are named


def find_weights(request: ScoringRequest, session: ProtocolSession, *, stored: bool = False) -> Path:
    """Weights of the recipe that fits the data: trained here if the corpus was made here, else looked up.

    `stored`: a run with them is to be stored. Raises StoreError if they are still to be trained, and it could not be.
    """
    spec = session.spec
    train = session.training_sets().train
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
    if request.dataset and not session.source.has(session.registry.dataset(train.dataset)):
        raise untrained  # who scores videos of their own need not have the training set
    closed = stored and bool(unwritable(session.settings.runs))
    options = request.training()
    plan = plan_training(options, session)
    finished = finished_weights(plan.folder)
    if closed and session.source.made and finished is None:
        refuse_unwritable(session.settings.runs)
    if session.source.made or finished is not None:
        return _trained(options, lambda _: (session, plan), progress=session.progress)
    hints = (*untrained.hints, *_others_beside(plan, session)[:_BESIDE])
    raise WeightsError(untrained.headline, hints=hints)


def _others_beside(plan: TrainingPlan, session: ProtocolSession) -> list[str]:
    """Name the weights of other trainings that lie beside those of a plan, and in what they differ; the nearest first."""
    beside = weights_beside(session.settings.cache, session.spec.name, plan.identity.to_json())
    return [f"weights of another training lie beside, {other.in_words()}" for other in beside]


_Planned = tuple[ProtocolSession, TrainingPlan]
_Plans = Callable[[Progress], _Planned]  # says what it does to the progress that it is given


def train_detector(options: TrainingOptions, setup: Setup, *, progress: Progress) -> Path:
    """Train, or go on with an interrupted training, or return the finished weights.

    With several devices, this process starts one for each and waits; on several machines, each of the processes that
    a scheduler started calls this.
    """

    def planned(shown: Progress) -> _Planned:
        session = open_training(options, setup, shown)
        return session, plan_training(options, session)

    return _trained(options, planned, progress=progress)


def _trained(options: TrainingOptions, planned: _Plans, *, progress: Progress) -> Path:
    """Carry out a training in this process, or in several; returns the path of the weights.

    `planned` plans it, or returns the plan that there is already, so that nothing is read again.
    """
    if started() is None:  # alone, whatever a scheduler's variables say
        if options.devices * options.nodes > 1:
            return _train_in_processes(options, progress=progress, planned=planned)
        with generators_kept():
            return _train(options, World(), progress=progress, planned=planned)
    from dfbench.training.distributed import current_world, process_group

    world = current_world(options.devices, options.nodes)

    with process_group(world):
        return _train(options, world, progress=progress if world.first else SilentProgress(), planned=planned)


def _train_in_processes(options: TrainingOptions, *, progress: Progress, planned: _Plans) -> Path:
    from dfbench.training.distributed import launch

    device = choose_device(options.device, count=options.devices)  # before anything is started
    _, plan = planned(progress)
    folder = plan.folder
    finished = finished_weights(folder)
    if finished is None:
        asked = replace(options, device=device)
        with TemporaryDirectory(prefix="dfbench-train-") as place:
            file = asked.write(Path(place) / "request.json")
            launch(
                ["train", "--detector", asked.detector, "--request", str(file)],
                asked=_command(asked),
                devices=options.devices,
                nodes=options.nodes,
            )
        finished = finished_weights(folder)
    if finished is None:
        raise RunError(
            f"{options.detector}: the processes of the training ended, and left no weights in {folder}"
        )
    progress.note(f"{options.detector}: the weights are {finished}")
    return finished


def _command(options: TrainingOptions) -> list[str]:
    """The arguments of `dfbench` that train by these options, for people: processes of this machine get it as a file."""
    given = {
        "detector": options.detector,
        "protocol": options.protocol,
        "data": options.data,
        "recipe": options.recipe,
        "train-compression": options.train_compression,
        "synthesizer": options.synthesizer,
        "seed": options.seed,
        "device": options.device,
        "size": options.size,
        "start": options.start,
        "devices": options.devices,
        "nodes": options.nodes,
    }
    words = ["train"]
    for name, value in given.items():
        words += [f"--{name}", str(value)] if value != "" else []
    for name, value in options.overrides.items():
        words += ["--set", f"{name}={value}"]
    return words


def _train(options: TrainingOptions, world: World, *, progress: Progress, planned: _Plans) -> Path:
    turn: AbstractContextManager[None] = nullcontext()
    if world.size > 1:
        from dfbench.training.distributed import rank_zero_first

        turn = rank_zero_first(world)
    with turn:
        session, plan = planned(progress)
        folder, trainer = plan.folder, plan.trainer
        finished = finished_weights(folder)
        if finished is not None:
            progress.note(f"{session.spec.name}: using the weights trained before ({finished})")
            return finished
        # What cannot be used is found before videos are prepared for hours.
        device = choose_device(options.device, count=world.local)
        if options.start and isinstance(trainer, ChecksStart):
            with running(session.spec, "to look at --start"):
                trainer.check_start(start_weights(options.start))
        elif not options.start and isinstance(trainer, NeedsStart):
            with running(session.spec, "to say what it starts from"):
                trainer.require_start()
        progress.note(
            f"{session.spec.name}: no checkpoint of recipe '{plan.recipe}' for {plan.identity.corpus}; training it now"
        )
        for other in _others_beside(plan, session)[:1]:
            progress.note(f"{session.spec.name}: {other}")
        faces = _prepared(plan, session)
    facts = TrainingFacts(
        detector=session.spec.name,
        recipe=plan.recipe,
        corpus=plan.identity.corpus,
        seed=options.seed,
        device=device,
        folder=folder,
        train=len(faces.train),
        validation=len(faces.validation),
        identity=plan.identity.to_json(),
    )
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
    folder, trainer, needs = plan.folder, plan.trainer, plan.needs
    train = session.training_sets().train
    dataset = session.registry.dataset(train.dataset)
    synthesizer = synthesizer_of(needs, session.registry) if needs.synthesizer else None
    provenance: dict[str, Any] = {
        "identity": plan.identity.to_json(),
        "leaks": by_dataset(plan.leaks),
        "trained_on": [dataset.name],
        "train_compression": train.compression or next(iter(dataset.compressions), ""),
    }
    plugins = plugins_of_training(
        session, [dataset.name], finder=needs.prepare.finder, synthesizer=needs.synthesizer
    )
    if plugins:  # headers of weights that dfbench alone had a part in stay what they were
        provenance["plugins"] = [plugin.to_json() for plugin in plugins]
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
        returned: object = trainer.fit(asked)
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
