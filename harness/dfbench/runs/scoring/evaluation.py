"""Scoring what a plan says, and no more than what is left of it.

Every stage reads what the stage before it wrote, and a run is keyed by everything that can change a score; so
a second identical run computes nothing and an interrupted one goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from dfbench.data.preparing.outcomes import PreparedResult
from dfbench.errors import NewerFormatError, StoreError
from dfbench.hooks.detectors import opened_scorer
from dfbench.hooks.events import Events
from dfbench.hooks.registry import one_line
from dfbench.hooks.third_party import changed_since
from dfbench.interfaces import Detector, Progress, ScoresFiles
from dfbench.progress import SilentProgress
from dfbench.runs.planning.devices import choose_device, compute_threads
from dfbench.runs.planning.opening import open_scoring
from dfbench.runs.planning.requests import ScoringRequest
from dfbench.runs.planning.session import ProtocolSession
from dfbench.runs.planning.setup import Setup
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
from dfbench.runs.records.turns import turn_at
from dfbench.runs.records.verification import content_of, record_findings
from dfbench.runs.scoring.enlargement import enlargement_of_tests
from dfbench.runs.scoring.plan import ScoringPlan, plan_scoring
from dfbench.runs.scoring.score_videos import score_videos
from dfbench.types import Status, Video


@dataclass(frozen=True, slots=True, eq=False)
class ScoredRun:
    """A run whose scores are complete, by which plan and in which session, and whether anything was computed."""

    run: StoredRun
    computed: bool
    plan: ScoringPlan
    session: ProtocolSession


def score_detector(request: ScoringRequest, setup: Setup, *, progress: Progress) -> ScoredRun:
    """Score a detector by a protocol; returns at once if this very run is complete."""
    session = open_scoring(request, setup, progress)
    return score(plan_scoring(request, session), session, force=request.force)


def score(plan: ScoringPlan, session: ProtocolSession, *, force: bool = False) -> ScoredRun:
    """Score what is left of a planned run; returns at once if it is complete. `force`: all of it, in a folder of its own.

    Raises StoreError, ScoreError, and what opening the detector and preparing the videos raises.
    """
    progress, work = session.progress, _Work(plan, session)
    if not force and (done := work.done_before(progress)) is not None:
        return done
    left = work.left(force=force)
    # Before the run has a folder, and before the videos are prepared, which may take days: weights that cannot be used
    # are found at once, and leave no run behind.
    options = replace(plan.detector.options, device=choose_device(plan.detector.options.device))
    door: AbstractContextManager[Detector | ScoresFiles | None] = (
        opened_scorer(session.spec, options) if any(left.values()) else nullcontext()
    )
    with door as detector:
        if force and plan.folder.exists():
            with turn_at(plan.folder, progress):
                kept = set_aside(plan.folder)
            progress.note(f"{session.spec.name}: computing again; the run that was there is kept in {kept}")
        with turn_at(plan.folder, progress):
            # A program that had its turn before may have done all of it.
            return work.done_before(SilentProgress()) or work.score(detector, options.device)


def left_of(
    plan: ScoringPlan, session: ProtocolSession, *, force: bool = False
) -> Mapping[str, Sequence[Video]]:
    """Return the videos of each test that are left to score of a plan, none of a run that is complete; all with `force`.

    Raises StoreError if what is there was changed since.
    """
    stored = None if force else _stored(plan.folder, SilentProgress())
    return {} if stored is not None and stored.complete else _Work(plan, session).left(force=force)


@dataclass(frozen=True, slots=True, eq=False)
class _Work:
    """What is done of a plan, and what is left."""

    plan: ScoringPlan
    session: ProtocolSession

    def done_before(self, progress: Progress) -> ScoredRun | None:
        """The run as it is stored if it is complete, else None."""
        plan = self.plan
        stored = _stored(plan.folder, progress)
        if stored is None or not stored.complete:
            return None
        name = self.session.spec.name
        progress.note(f"{name}: this run is complete, nothing to compute ({plan.folder})")
        for plugin in changed_since(stored.plugins, plan.record.plugins):
            progress.note(
                f"warning: plugin {plugin!r} has changed since this run was scored: --force scores it again"
            )
        run = _with_lists_of(plan.record, StoredRun(plan.folder, stored))
        return ScoredRun(run, False, plan, self.session)

    def left(self, *, force: bool = False) -> Mapping[str, Sequence[Video]]:
        """The videos of each test that have no score yet, or all. Raises StoreError if what is there was changed since."""
        if force:
            return self.plan.videos
        folder = self.plan.folder
        stored = _stored(folder, SilentProgress())
        refuse_changed(folder, noted=stored is not None and stored.content is not None)
        done = done_videos(folder, retry=(Status.MISSING, Status.ERROR))
        return {
            key: [video for video in expected if (key, video.video_id) not in done]
            for key, expected in self.plan.videos.items()
        }

    def score(self, detector: Detector | ScoresFiles | None, device: str) -> ScoredRun:
        """Score what is left; without a detector, nothing is. Raises StoreError, ScoreError."""
        plan, session = self.plan, self.session
        left = self.left()
        stored = _stored(plan.folder, SilentProgress())
        run = _begin(plan, plan.record.begun(stored, device=device, threads=compute_threads()), session)
        events = Events(session.host, session.progress)
        events.run_started(run.record, plan.folder)
        try:
            finished = _score_into(run, plan, session, detector, left)
        except BaseException as error:
            events.run_failed(_leave(run, error, plan), plan.folder, error)
            raise
        return ScoredRun(finished, True, plan, session)


def _score_into(
    run: StoredRun,
    plan: ScoringPlan,
    session: ProtocolSession,
    detector: Detector | ScoresFiles | None,
    left: Mapping[str, Sequence[Video]],
) -> StoredRun:
    """Score the videos that are `left` (without a detector, none is) into the run's folder; returns the finished run."""
    prepared: dict[tuple[str, str], PreparedResult] = {}
    # leaving it by an error or Ctrl-C keeps what was scored
    with ScoreWriter(run.folder, told=plan.private.text) as writer:
        if detector is not None:
            prepared = _score_tests(plan, session, detector, left, writer)
        writer.finish()
    # who scores files is shown no crops
    enlarged = {} if isinstance(detector, ScoresFiles) else enlargement_of_tests(plan, session, prepared)
    for key, one in enlarged.items():
        if one.largest > 1:
            session.progress.note(f"{session.spec.name}: {key}: {one.in_words()}")
    record = run.record.with_enlargement(enlarged)
    return run.write(record.completed(content_of(run.folder, (MANIFEST, FILES, MERGED))))


def _begin(plan: ScoringPlan, record: RunRecord, session: ProtocolSession) -> StoredRun:
    """Write down what the run is about to score; returns the run."""
    folder = plan.folder
    make_folder(folder)
    write_manifest(folder, plan.videos, session.source.roots.values())
    write_files(folder, [expected.files for expected in plan.tests])
    return StoredRun(folder, record.with_content(content_of(folder, (MANIFEST, FILES))).write(folder))


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


def _leave(run: StoredRun, error: BaseException, plan: ScoringPlan) -> RunRecord:
    """Say in the record of a run why it ended early, and return that; remove a run of which nothing was scored."""
    reason = "interrupted" if isinstance(error, KeyboardInterrupt) else plan.private.text(one_line(error))
    failed = run.record.failed(reason)
    with suppress(StoreError):  # the error that ended it is the one to tell
        if any_scores(run.folder):
            return run.write(failed).record
        remove_run(run.folder)
    return failed


def _score_tests(
    plan: ScoringPlan,
    session: ProtocolSession,
    detector: Detector | ScoresFiles,
    left: Mapping[str, Sequence[Video]],
    writer: ScoreWriter,
) -> dict[tuple[str, str], PreparedResult]:
    """Prepare and score what is left of each test; returns what was prepared, by test and video."""
    prepared: dict[tuple[str, str], PreparedResult] = {}
    name, card = session.spec.name, plan.detector.card
    for key, videos in left.items():
        if not videos:
            continue
        report = session.prepare(videos, plan.prepare)
        prepared |= {(key, one.video.video_id): one for one in report.videos}
        _tell_notes(key, report.videos, session.progress)
        score_videos(
            detector,
            report.videos,
            clips=card.clips_of(videos[0].dataset),
            writer=writer.of_test(key),
            progress=session.progress,
            description=f"score {key} with {name}",
            who=f"detector '{name}'",
        )
        writer.flush()
    return prepared


def _tell_notes(key: str, prepared: Sequence[PreparedResult], progress: Progress) -> None:
    told = [one for one in prepared if one.status is Status.OK and one.reason]
    if told:
        more = "" if len(told) == 1 else "; all stand in the column 'reason' of the scores"
        progress.note(
            f"{key}: a note about {len(told)} of {len(prepared)} videos: {told[0].video.video_id}: "
            f"{told[0].reason}{more}"
        )
