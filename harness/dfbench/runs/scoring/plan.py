"""A run, planned before anything of it is done: which detector scores which videos, and in which folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dfbench.data.folders import below, require_below
from dfbench.runs.planning.fairness import by_test, leaks_into_tests, warn_of_leaks
from dfbench.runs.planning.plugins_used import plugins_used
from dfbench.runs.planning.protocols import named_tests, resolve_protocol
from dfbench.runs.planning.refusals import load_options
from dfbench.runs.planning.requests import ScoringRequest
from dfbench.runs.planning.session import ProtocolSession
from dfbench.runs.records.new_record import ExpectedTest, new_record
from dfbench.runs.records.private import Redaction, redaction
from dfbench.runs.records.record import RunRecord
from dfbench.runs.trainings.known_detector import KnownDetector, known_detector
from dfbench.runs.trainings.weights import find_weights
from dfbench.text import folder_name
from dfbench.types import PrepareSpec, Video


@dataclass(frozen=True, slots=True, eq=False)
class ScoringPlan:
    """A run, planned: what scores which tests, and the folder that it is stored in.

    `detector` has its weights, their digest, its card and what is known of its training. `tests` have their videos, the
    fingerprints of the files, and what they share with the training. `record` is as this plan alone begins it, whatever is
    stored: its identity is all that the scores depend on, and the name of the folder changes with it. `prepare` names the
    face finder and its version. `private` takes out of texts what no reader of the run need know.
    """

    detector: KnownDetector
    tests: tuple[ExpectedTest, ...]
    prepare: PrepareSpec
    record: RunRecord
    folder: Path
    private: Redaction

    @property
    def videos(self) -> Mapping[str, Sequence[Video]]:
        """The videos of each test, by its key."""
        return {expected.test.key: expected.videos for expected in self.tests}


def plan_scoring(request: ScoringRequest, session: ProtocolSession) -> ScoringPlan:
    """Plan the run of this request: list its videos, find or train its weights, take fingerprints, and work out its folder.

    Raises RunError for a test on training videos, UsageError for data of several corpora, WeightsError where there are no
    weights, and what listing the videos raises.
    """
    spec, registry = session.spec, session.registry
    options = load_options(request, spec)
    tests = resolve_protocol(session.protocol, named_tests(request.only, session.protocol, registry))
    # Before videos are listed, and weights trained for them.
    corpus = session.source.corpus_of(test.dataset for test in tests)
    listed = {test.key: session.listed(test.selection) for test in tests}
    if options.weights is None and spec.needs_weights:
        options = replace(options, weights=find_weights(request, session, stored=True))
    detector = known_detector(spec, options, registry)
    _tell(detector, request, session)
    leaks = leaks_into_tests(session, detector.card, {key: videos for key, (videos, _) in listed.items()})
    warn_of_leaks(leaks, session.progress)
    shared = by_test(leaks, tests)
    expected = tuple(
        ExpectedTest(
            test,
            *listed[test.key],
            session.file_fingerprints(listed[test.key][0], test=test.key),
            tuple(shared.get(test.key, ())),
        )
        for test in tests
    )
    prepare = session.with_finder(detector.card.prepare())
    private = redaction(session.settings, session.source.roots.values())
    record = new_record(
        detector,
        expected,
        protocol=session.protocol,
        corpus=corpus,
        seed=request.seed,
        precision=request.precision,
        prepare=prepare,
        plugins=(
            *plugins_used(session, [test.dataset for test in tests], finder=prepare.finder),
            *detector.plugins,
        ),
        warning=detector.training.notice(registry),
        private=private,
    )
    runs = session.settings.runs
    name = f"{folder_name(spec.name)}-{folder_name(session.protocol.name)}-{corpus}-{record.identity[:12]}"
    return ScoringPlan(detector, expected, prepare, record, require_below(runs, below(runs, name)), private)


def _tell(detector: KnownDetector, request: ScoringRequest, session: ProtocolSession) -> None:
    """Say what a reader of the scores must know of the training behind them."""
    training, name = detector.training, session.spec.name
    if notice := training.notice(session.registry):
        session.progress.note(f"*** {name}: {notice}")
    if request.seed and training.given and training.seed != request.seed:
        session.progress.note(f"{name}: --seed {request.seed} does not change weights that are given")
