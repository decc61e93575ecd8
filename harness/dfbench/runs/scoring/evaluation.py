"""One detector by one protocol: find its weights, prepare, score.

Every stage reads what the stage before it wrote, and a run is keyed by everything that can change a score; so
a second identical run computes nothing and an interrupted one goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dfbench.data.datasets.manifest import FileFingerprints
from dfbench.data.folders import below, require_below
from dfbench.data.preparing.outcomes import PreparedResult
from dfbench.errors import NewerFormatError, StoreError
from dfbench.hooks.detectors import opened
from dfbench.hooks.events import Events
from dfbench.hooks.host import Host
from dfbench.hooks.registry import one_line
from dfbench.hooks.third_party import changed_since
from dfbench.interfaces import Detector, Progress
from dfbench.progress import SilentProgress
from dfbench.runs.planning.devices import choose_device, compute_threads
from dfbench.runs.planning.fairness import by_test, leaks_into_tests, warn_of_leaks
from dfbench.runs.planning.opening import open_scoring
from dfbench.runs.planning.plugins_used import plugins_used
from dfbench.runs.planning.protocols import named_tests, resolve_protocol
from dfbench.runs.planning.refusals import load_options
from dfbench.runs.planning.requests import ScoringRequest
from dfbench.runs.planning.session import ProtocolSession
from dfbench.runs.planning.setup import Setup
from dfbench.runs.records.new_record import ExpectedTest, new_record
from dfbench.runs.records.private import Redaction, redaction
from dfbench.runs.records.record import RunRecord
from dfbench.runs.records.run_file import (
    FILES,
    MANIFEST,
    NAME,
    make_folder,
    remove_run,
    set_aside,
    write_files,
)
from dfbench.runs.records.run_manifest import write_manifest
from dfbench.runs.records.score_files import MERGED, refuse_changed
from dfbench.runs.records.score_table import ScoreWriter, any_scores, done_videos
from dfbench.runs.records.stored_run import StoredRun
from dfbench.runs.records.trained import Training
from dfbench.runs.records.turns import turn_at
from dfbench.runs.records.verification import content_of, record_findings
from dfbench.runs.scoring.score_videos import score_videos
from dfbench.runs.trainings.known_detector import KnownDetector, known_detector
from dfbench.runs.trainings.weights import find_weights
from dfbench.settings import Settings
from dfbench.specs import DetectorCard, TestSet
from dfbench.text import folder_name
from dfbench.types import PrepareSpec, Status, Video

if TYPE_CHECKING:
    from dfbench.data.datasets.leakage import Leak
    from dfbench.data.datasets.official import Listing


@dataclass(frozen=True, slots=True, eq=False)
class ScoredRun:
    """A run whose scores are complete, and whether anything was computed.

    `asked` is the record as this request alone would begin it, whatever is stored; `expected` the videos of each test,
    which lie in `roots`.
    """

    run: StoredRun
    computed: bool
    host: Host
    asked: RunRecord
    expected: Mapping[str, Sequence[Video]]
    settings: Settings
    roots: tuple[Path, ...] = ()


def score_detector(request: ScoringRequest, setup: Setup, *, progress: Progress) -> ScoredRun:
    """Score a detector by a protocol; returns at once if this very run is complete."""
    session = open_scoring(request, setup, progress)
    spec = session.spec
    options = load_options(request, spec)
    tests = resolve_protocol(session.protocol, named_tests(request.only, session.protocol, session.registry))
    # Before videos are listed, and weights trained for them.
    session.source.corpus_of(test.dataset for test in tests)
    listed = {test.key: session.listed(test.selection) for test in tests}
    videos = {key: rows for key, (rows, _) in listed.items()}
    if options.weights is None and spec.needs_weights:
        options = replace(options, weights=find_weights(request, session, stored=True))
    known = known_detector(spec, options, session.registry)
    card = known.card
    _tell(known.training, request, session)
    leaks = leaks_into_tests(session, card, videos)
    warn_of_leaks(leaks, progress)
    files = {key: session.file_fingerprints(rows, test=key) for key, rows in videos.items()}
    record = _record(request, session, known, tests, listed, files, leaks)
    name = f"{spec.name}-{folder_name(session.protocol.name)}-{record.corpus}-{record.identity[:12]}"
    folder = require_below(session.settings.runs, below(session.settings.runs, name))
    work = _Work(folder, record, session, card, videos, files)
    if not request.force and (done := work.done_before(progress)) is not None:
        return done
    left = videos if request.force else work.left()
    # Before the run has a folder, and before the videos are prepared, which may take days: weights that cannot be used
    # are found at once, and leave no run behind.
    options = replace(options, device=choose_device(request.device))
    door: AbstractContextManager[Detector | None] = (
        opened(spec, options) if any(left.values()) else nullcontext()
    )
    with door as detector:
        if request.force and folder.exists():
            with turn_at(folder, progress):
                kept = set_aside(folder)
            progress.note(f"{spec.name}: computing again; the run that was there is kept in {kept}")
        with turn_at(folder, progress):
            # A program that had its turn before may have done all of it.
            return work.done_before(SilentProgress()) or work.score(detector, options.device)


@dataclass(frozen=True, slots=True, eq=False)
class _Work:
    """What a request asks for, resolved: the folder and the record of its run, and the videos with their files."""

    folder: Path
    record: RunRecord
    session: ProtocolSession
    card: DetectorCard
    videos: Mapping[str, list[Video]]
    files: Mapping[str, FileFingerprints]

    def done_before(self, progress: Progress) -> ScoredRun | None:
        """The run as it is stored if it is complete, else None."""
        stored = _stored(self.folder, progress)
        if stored is None or not stored.complete:
            return None
        progress.note(f"{self.session.spec.name}: this run is complete, nothing to compute ({self.folder})")
        for name in changed_since(stored.plugins, self.record.plugins):
            progress.note(
                f"warning: plugin {name!r} has changed since this run was scored: --force scores it again"
            )
        return self._scored(_with_lists_of(self.record, StoredRun(self.folder, stored)), computed=False)

    def left(self) -> dict[str, list[Video]]:
        """The videos of each test that have no score yet. Raises StoreError if what is there was changed since."""
        stored = _stored(self.folder, SilentProgress())
        refuse_changed(self.folder, noted=stored is not None and stored.content is not None)
        done = done_videos(self.folder, retry=(Status.MISSING, Status.ERROR))
        return {
            key: [video for video in expected if (key, video.video_id) not in done]
            for key, expected in self.videos.items()
        }

    def score(self, detector: Detector | None, device: str) -> ScoredRun:
        """Score what is left; without a detector, nothing is. Raises StoreError, ScoreError."""
        left = self.left()
        stored = _stored(self.folder, SilentProgress())
        record = self.record.begun(stored, device=device, threads=compute_threads())
        run = _begin(self.folder, record, self.videos, self.files, self.session)
        events = Events(self.session.host, self.session.progress)
        events.run_started(run.record, self.folder)
        try:
            finished = _score_into(run, self.session, self.card, detector, left)
        except BaseException as error:
            events.run_failed(run.record, self.folder, error)
            raise
        return self._scored(finished, computed=True)

    def _scored(self, run: StoredRun, *, computed: bool) -> ScoredRun:
        session = self.session
        roots = tuple(session.source.roots.values())
        return ScoredRun(run, computed, session.host, self.record, self.videos, session.settings, roots)


def _score_into(
    run: StoredRun,
    session: ProtocolSession,
    card: DetectorCard,
    detector: Detector | None,
    left: Mapping[str, list[Video]],
) -> StoredRun:
    """Score the videos that are `left` (without a detector, none is) into the run's folder; returns the finished run."""
    try:
        with ScoreWriter(
            run.folder, told=private_to(session).text
        ) as writer:  # leaving it by an error or Ctrl-C keeps what was scored
            if detector is not None:
                _score_datasets(session, card, detector, left, writer)
            writer.finish()
    except BaseException as error:
        _leave(run, error, private_to(session))
        raise
    return run.write(run.record.completed(content_of(run.folder, (MANIFEST, FILES, MERGED))))


def _begin(
    folder: Path,
    record: RunRecord,
    videos: Mapping[str, Sequence[Video]],
    files: Mapping[str, FileFingerprints],
    session: ProtocolSession,
) -> StoredRun:
    """Write down what the run is about to score; returns the run."""
    make_folder(folder)
    write_manifest(folder, videos, session.source.roots.values())
    write_files(folder, files.values())
    return StoredRun(folder, record.with_content(content_of(folder, (MANIFEST, FILES))).write(folder))


def _tell(training: Training, request: ScoringRequest, session: ProtocolSession) -> None:
    """Say what a reader of the scores must know of the training behind them."""
    if notice := training.notice(session.registry):
        session.progress.note(f"*** {session.spec.name}: {notice}")
    if request.seed and training.given and training.seed != request.seed:
        session.progress.note(
            f"{session.spec.name}: --seed {request.seed} does not change weights that are given"
        )


def _stored(folder: Path, progress: Progress) -> RunRecord | None:
    """The record of this very run if it was begun before; None if not, or if it is damaged: it is then written anew."""
    if not (folder / NAME).is_file():
        return None
    try:
        return RunRecord.read(folder)
    except NewerFormatError:  # which is not to be written anew
        raise
    except StoreError as error:
        progress.note(f"warning: {error.message}; it is written anew, what was scored already is kept")
        return None


def _with_lists_of(asked: RunRecord, run: StoredRun) -> StoredRun:
    """A complete run with what its lists name now, beside what they should: its videos are the same, but a bad line may be
    gone from them, and a run of an earlier version does not say."""
    record = run.record.with_lists_of(asked)
    if record is run.record or any(one.problem for one in record_findings(run.record)):
        return run  # a record that was changed is not written anew as if it were right
    with suppress(StoreError):  # of a colleague
        return run.write(record)
    return StoredRun(run.folder, record)


def private_to(session: ProtocolSession) -> Redaction:
    """What no reader of this run need know."""
    return redaction(session.settings, session.source.roots.values())


def _leave(run: StoredRun, error: BaseException, private: Redaction) -> None:
    """Say in the record of a run why it ended early; remove a run of which nothing was scored."""
    reason = "interrupted" if isinstance(error, KeyboardInterrupt) else private.text(one_line(error))
    with suppress(StoreError):  # the error that ended it is the one to tell
        if any_scores(run.folder):
            run.write(run.record.failed(reason))
        else:
            remove_run(run.folder)


def _score_datasets(
    session: ProtocolSession,
    card: DetectorCard,
    detector: Detector,
    videos: Mapping[str, list[Video]],
    writer: ScoreWriter,
) -> None:
    for key, left in videos.items():
        if not left:
            continue
        report = session.prepare(left, PrepareSpec(card.clips.frame_choice()))
        _tell_notes(key, report.videos, session.progress)
        score_videos(
            detector,
            report.videos,
            clips=card.clips_of(left[0].dataset),
            writer=writer.of_test(key),
            progress=session.progress,
            description=f"score {key} with {session.spec.name}",
            who=f"detector '{session.spec.name}'",
        )
        writer.flush()


def _tell_notes(key: str, prepared: Sequence[PreparedResult], progress: Progress) -> None:
    told = [one for one in prepared if one.status is Status.OK and one.reason]
    if told:
        more = "" if len(told) == 1 else "; all stand in the column 'reason' of the scores"
        progress.note(
            f"{key}: a note about {len(told)} of {len(prepared)} videos: {told[0].video.video_id}: "
            f"{told[0].reason}{more}"
        )


def _record(
    request: ScoringRequest,
    session: ProtocolSession,
    known: KnownDetector,
    tests: Sequence[TestSet],
    listed: Mapping[str, tuple[list[Video], Listing]],
    files: Mapping[str, FileFingerprints],
    leaks: Sequence[Leak],
) -> RunRecord:
    shared = by_test(leaks, tests)
    prepare = session.with_finder(PrepareSpec(known.card.clips.frame_choice()))
    datasets = [test.dataset for test in tests]
    return new_record(
        known,
        [
            ExpectedTest(test, *listed[test.key], files[test.key], tuple(shared.get(test.key, ())))
            for test in tests
        ],
        protocol=session.protocol,
        corpus=session.source.corpus_of(datasets),
        seed=request.seed,
        precision=request.precision,
        prepare=prepare,
        plugins=plugins_used(session, datasets, finder=prepare.finder),
        warning=known.training.notice(session.registry),
        private=private_to(session),
    )
