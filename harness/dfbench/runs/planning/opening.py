"""A session for what a user asks for: checked first, then its data found or made."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dfbench.interfaces import Progress
from dfbench.runs.planning.protocols import lint_protocol, trained_at, with_own_names
from dfbench.runs.planning.refusals import Purpose, check_scoring, check_training, tested_dataset
from dfbench.runs.planning.requests import ScoringRequest, TrainingOptions
from dfbench.runs.planning.session import ProtocolSession
from dfbench.runs.planning.setup import Setup
from dfbench.runs.planning.single_dataset import dataset_protocol
from dfbench.runs.planning.sources import data_source, no_root
from dfbench.runs.records.run_file import refuse_unusable

if TYPE_CHECKING:
    from dfbench.specs import DatasetSpec


def open_scoring(
    request: ScoringRequest, setup: Setup, progress: Progress, *, purpose: Purpose = "score"
) -> ProtocolSession:
    """Find or make the data of a request; returns the session in which it is carried out. `purpose` as of `check_scoring`.

    Raises StoreError if no folder of runs can be made for what is to be scored, UsageError and WeightsError for what
    `check_scoring` refuses, and RunError for a protocol that is not fair, before any corpus is made.
    """
    if purpose == "score":
        refuse_unusable(setup.settings.runs)
    check_scoring(request, setup, purpose=purpose)
    session = _opened(request, setup, progress)
    tested = tested_dataset(request, setup)
    return session if tested is None else _testing(tested, request, session)


def open_training(options: TrainingOptions, setup: Setup, progress: Progress) -> ProtocolSession:
    """Find or make the data of a training; returns the session in which it is carried out.

    Raises UsageError and WeightsError for what `check_training` refuses, RunError for a protocol that is not fair.
    """
    check_training(options, setup)
    return _opened(options, setup, progress)


def _opened(request: ScoringRequest | TrainingOptions, setup: Setup, progress: Progress) -> ProtocolSession:
    registry = setup.registry
    spec = registry.detector(request.detector)
    protocol = with_own_names(registry.protocol(request.protocol), registry)
    lint_protocol(protocol)
    return ProtocolSession(
        host=setup.host,
        settings=setup.settings,
        source=data_source(request.data, registry, setup.settings, size=request.size, progress=progress),
        progress=progress,
        spec=spec,
        protocol=trained_at(protocol, request.train_compression),
    )


def _testing(tested: DatasetSpec, request: ScoringRequest, session: ProtocolSession) -> ProtocolSession:
    """Return `session` with the test of this dataset alone in place of its protocol."""
    if not session.source.has(tested):
        raise no_root(tested)
    index = session.index(tested.name, request.compression or None)
    training = session.protocol if session.spec.needs_weights and request.weights is None else None
    protocol = dataset_protocol(
        tested, index.videos, splits=request.splits, compression=request.compression, training=training
    )
    return replace(session, protocol=protocol)
