"""A training, planned before anything of it is done: who trains, by which recipe, on which videos, and in which folder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from dfbench.data.datasets.leakage import Leak
from dfbench.data.datasets.manifest import fingerprints_digest, manifest_digest
from dfbench.data.folders import below
from dfbench.exchanged import TrainingNeeds
from dfbench.hooks.plugin_code import running
from dfbench.interfaces import Trainer
from dfbench.runs.planning.fairness import compare_videos, warn_of_leaks
from dfbench.runs.planning.requests import TrainingOptions
from dfbench.runs.planning.session import ProtocolSession
from dfbench.runs.planning.trainers import needs_of, start_weights, trainer_of
from dfbench.runs.records.provenance import file_sha256
from dfbench.runs.trainings.training_identity import StartingWeights, SynthesizerVersion, TrainingIdentity
from dfbench.text import folder_name
from dfbench.types import Video


@dataclass(frozen=True, slots=True, eq=False)
class TrainingPlan:
    """A training, planned: by which trainer and `recipe`, on which videos, and in which folder it works and leaves its weights.

    `identity` is all that the weights depend on; the name of the folder changes with it. `needs` names the face
    finder and its version. `leaks`: what the sets of the protocol share.
    """

    recipe: str
    trainer: Trainer
    needs: TrainingNeeds
    identity: TrainingIdentity
    train: tuple[Video, ...]
    validation: tuple[Video, ...]
    leaks: tuple[Leak, ...]
    folder: Path


def plan_training(options: TrainingOptions, session: ProtocolSession) -> TrainingPlan:
    """Plan the training that these options ask for: list its videos, take their fingerprints, and work out its folder.

    Raises RunError for a test on training videos, and what listing the videos raises.
    """
    spec = session.spec
    recipe, trainer = trainer_of(
        spec,
        session.registry,
        options.recipe,
        options.overrides,
        made=session.source.made,
        synthesizer=options.synthesizer,
    )
    needs = needs_of(spec, trainer)
    needs = replace(
        needs,
        prepare=session.with_finder(needs.prepare),
        prepare_validation=session.with_finder(needs.prepare_validation),
    )
    sets = session.training_sets()
    held_out = needs.labels if needs.validation_labels is None else needs.validation_labels
    train, validation = (
        tuple(video for video in session.videos(which) if int(video.label) in labels)
        for which, labels in ((sets.train, needs.labels), (sets.validation, held_out))
    )
    held_apart = session.protocol.test_sets() if session.protocol.purpose == "test" else ()
    tests = {test.key: session.videos_at_hand(test.selection) for test in held_apart}
    leaks = compare_videos(train=train, validation=validation, tests=tests)
    warn_of_leaks(leaks, session.progress)
    corpus = session.source.corpus_of((sets.train.dataset, sets.validation.dataset))
    with running(spec, "to say its recipe"):
        resolved = trainer.recipe()
    identity = TrainingIdentity(
        detector=spec.name,
        version=spec.version,
        recipe=resolved,
        corpus=corpus,
        train=manifest_digest(train),
        validation=manifest_digest(validation),
        files=fingerprints_digest(session.file_fingerprints([*train, *validation])),
        needs=needs,
        seed=options.seed,
        synthesizer=_synthesizer_version(needs.synthesizer, session) if needs.synthesizer else None,
        start=start_identity(options.start) if options.start else None,
    )
    name = f"{recipe}-{corpus}-{identity.digest()}"
    folder = below(session.settings.cache / "weights", folder_name(spec.name), name)
    return TrainingPlan(
        recipe=recipe,
        trainer=trainer,
        needs=needs,
        identity=identity,
        train=train,
        validation=validation,
        leaks=leaks,
        folder=folder,
    )


def _synthesizer_version(name: str, session: ProtocolSession) -> SynthesizerVersion:
    spec = session.registry.synthesizer(name)
    return SynthesizerVersion(spec.name, spec.version)


def start_identity(start: str) -> StartingWeights:
    """Return what `start`, FILE or HOW=FILE, adds to the identity of a training. Raises WeightsError if it is not there."""
    given = start_weights(start)
    return StartingWeights(read_as=given.read_as, sha256=file_sha256(given.path))
