"""One detector by one protocol: find its weights, prepare, score.

Every stage reads what the stage before it wrote, and a run is keyed by everything that can change a score; so
a second identical run computes nothing and an interrupted one goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dfbench.data.datasets.manifest import (
    FileFingerprints,
    fingerprints_digest,
    manifest_digest,
)
from dfbench.data.folders import below, require_below
from dfbench.data.preparing.outcomes import PreparedResult
from dfbench.errors import NewerFormatError, StoreError
from dfbench.events import RunFacts
from dfbench.hooks.detectors import opened
from dfbench.hooks.events import Events
from dfbench.hooks.host import Host
from dfbench.hooks.registry import one_line
from dfbench.hooks.third_party import changed_since, joined
from dfbench.identity import identity_of
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
from dfbench.runs.records.entries import entry_name
from dfbench.runs.records.private import Redaction, redaction
from dfbench.runs.records.provenance import recorded_identity
from dfbench.runs.records.run_file import (
    FILES,
    MANIFEST,
    NAME,
    SCHEMA,
    make_folder,
    read_record,
    remove_run,
    set_aside,
    write_files,
    write_record,
)
from dfbench.runs.records.run_manifest import write_manifest
from dfbench.runs.records.score_files import MERGED, refuse_changed
from dfbench.runs.records.score_table import ScoreWriter, any_scores, done_videos
from dfbench.runs.records.sessions import begin_session, end_session
from dfbench.runs.records.trained import Training
from dfbench.runs.records.turns import turn_at
from dfbench.runs.records.verification import CONTENT, content_of, record_findings
from dfbench.runs.scoring.score_videos import score_videos
from dfbench.runs.trainings.known_detector import known_detector
from dfbench.runs.trainings.training_names import UNKNOWN
from dfbench.runs.trainings.weights import find_weights
from dfbench.settings import DEFAULT_FACE_FINDER, Settings
from dfbench.specs import DetectorCard, TestSet
from dfbench.text import folder_name
from dfbench.types import FULL_PRECISION, PrepareSpec, Status, Video


@dataclass(frozen=True, slots=True, eq=False)
class ScoredRun:
    """A run whose scores are complete: its folder, the content of its run.json, whether anything was computed.

    `asked` is the record as this request alone would begin it, whatever is stored; `expected` the videos of each test,
    which lie in `roots`.
    """

    folder: Path
    record: Mapping[str, Any]
    computed: bool
    host: Host
    asked: Mapping[str, Any]
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
    card, sha, training = known.card, known.weights_sha256, known.training
    _tell(training, request, session)
    leaks = leaks_into_tests(session, card, videos)
    warn_of_leaks(leaks, progress)
    files = {key: session.file_fingerprints(rows, test=key) for key, rows in videos.items()}
    record = _record(request, session, card, sha, training, tests, videos, files)
    record["training_warning"] = training.notice(session.registry)
    private = private_to(session)
    record["lists"] = {
        key: private.value(listing.to_json(), messages=True) for key, (_, listing) in listed.items()
    }
    tested = [test.dataset for test in tests]
    record["plugins"] = plugins_used(session, tested, finder=record["prepare"]["finder"])
    if session.protocol.purpose != "test":
        record["purpose"] = session.protocol.purpose
    if leaks:
        record["leaks"] = private.value(by_test(leaks, tests), messages=True)
    if options.recipe:
        record["read_as"] = {"recipe": options.recipe, "changes": dict(options.changes)}
    name = f"{spec.name}-{folder_name(session.protocol.name)}-{record['corpus']}-{record['identity'][:12]}"
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
    record: Mapping[str, Any]
    session: ProtocolSession
    card: DetectorCard
    videos: Mapping[str, list[Video]]
    files: Mapping[str, FileFingerprints]

    def done_before(self, progress: Progress) -> ScoredRun | None:
        """The run as it is stored if it is complete, else None."""
        stored = _stored(self.folder, progress)
        if stored.get("status") != "complete":
            return None
        progress.note(f"{self.session.spec.name}: this run is complete, nothing to compute ({self.folder})")
        for name in changed_since(stored.get("plugins"), self.record["plugins"]):
            progress.note(
                f"warning: plugin {name!r} has changed since this run was scored: --force scores it again"
            )
        return self._scored(_with_lists(self.folder, stored, self.record["lists"]), computed=False)

    def left(self) -> dict[str, list[Video]]:
        """The videos of each test that have no score yet. Raises StoreError if what is there was changed since."""
        refuse_changed(self.folder, noted=CONTENT in _stored(self.folder, SilentProgress()))
        done = done_videos(self.folder, retry=(Status.MISSING, Status.ERROR))
        return {
            key: [video for video in expected if (key, video.video_id) not in done]
            for key, expected in self.videos.items()
        }

    def score(self, detector: Detector | None, device: str) -> ScoredRun:
        """Score what is left; without a detector, nothing is. Raises StoreError, ScoreError."""
        left = self.left()
        stored = _stored(self.folder, SilentProgress())
        record = begin_session(self.record, stored, device=device, threads=compute_threads())
        record["plugins"] = joined(stored.get("plugins"), record["plugins"])
        record = _begin(self.folder, record, self.videos, self.files, self.session)
        events, facts = Events(self.session.host, self.session.progress), RunFacts.of(record)
        events.run_started(facts, self.folder)
        try:
            finished = _score_into(self.folder, record, self.session, self.card, detector, left)
        except BaseException as error:
            events.run_failed(facts, self.folder, error)
            raise
        return self._scored(finished, computed=True)

    def _scored(self, record: Mapping[str, Any], *, computed: bool) -> ScoredRun:
        session = self.session
        roots = tuple(session.source.roots.values())
        return ScoredRun(
            self.folder, record, computed, session.host, self.record, self.videos, session.settings, roots
        )


def _score_into(
    folder: Path,
    record: Mapping[str, Any],
    session: ProtocolSession,
    card: DetectorCard,
    detector: Detector | None,
    left: Mapping[str, list[Video]],
) -> dict[str, Any]:
    """Score the videos that are `left` (without a detector, none is) into the run's folder; returns its final record."""
    try:
        with ScoreWriter(
            folder, told=private_to(session).text
        ) as writer:  # leaving it by an error or Ctrl-C keeps what was scored
            if detector is not None:
                _score_datasets(session, card, detector, left, writer)
            writer.finish()
    except BaseException as error:
        _leave(folder, record, error, private_to(session))
        raise
    ended = end_session(record)
    content = content_of(folder, (MANIFEST, FILES, MERGED))
    finished = {
        **ended,
        "status": "complete",
        "finished": ended["sessions"][-1]["finished"],
        CONTENT: content,
    }
    return write_record(folder, finished)


def _begin(
    folder: Path,
    record: Mapping[str, Any],
    videos: Mapping[str, Sequence[Video]],
    files: Mapping[str, FileFingerprints],
    session: ProtocolSession,
) -> dict[str, Any]:
    """Write down what the run is about to score; returns its record."""
    make_folder(folder)
    write_manifest(folder, videos, session.source.roots.values())
    write_files(folder, files.values())
    return write_record(folder, {**record, CONTENT: content_of(folder, (MANIFEST, FILES))})


def _tell(training: Training, request: ScoringRequest, session: ProtocolSession) -> None:
    """Say what a reader of the scores must know of the training behind them."""
    if notice := training.notice(session.registry):
        session.progress.note(f"*** {session.spec.name}: {notice}")
    if request.seed and training.given and training.seed != request.seed:
        session.progress.note(
            f"{session.spec.name}: --seed {request.seed} does not change weights that are given"
        )


def _stored(folder: Path, progress: Progress) -> dict[str, Any]:
    """The record of this very run if it was begun before; {} if not, or if it is damaged: it is then written anew."""
    if not (folder / NAME).is_file():
        return {}
    try:
        return read_record(folder)
    except NewerFormatError:  # which is not to be written anew
        raise
    except StoreError as error:
        progress.note(f"warning: {error.message}; it is written anew, what was scored already is kept")
        return {}


def _with_lists(folder: Path, stored: dict[str, Any], lists: Mapping[str, Any]) -> dict[str, Any]:
    """The record of a complete run with what its lists name now, beside what they should: its videos are the same, but
    a bad line may be gone from them, and a run of an earlier version does not say."""
    if stored.get("lists") == lists or any(one.problem for one in record_findings(stored)):
        return stored  # a record that was changed is not written anew as if it were right
    with suppress(StoreError):  # of a colleague
        return write_record(folder, {**stored, "lists": lists})
    return {**stored, "lists": lists}


def private_to(session: ProtocolSession) -> Redaction:
    """What no reader of this run need know."""
    return redaction(session.settings, session.source.roots.values())


def _leave(folder: Path, record: Mapping[str, Any], error: BaseException, private: Redaction) -> None:
    """Say in the record of a run why it ended early; remove a run of which nothing was scored."""
    reason = "interrupted" if isinstance(error, KeyboardInterrupt) else private.text(one_line(error))
    with suppress(StoreError):  # the error that ended it is the one to tell
        if any_scores(folder):
            write_record(folder, end_session({**record, "status": "failed", "error": reason}))
        else:
            remove_run(folder)


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
    card: DetectorCard,
    sha: str,
    training: Training,
    tests: Sequence[TestSet],
    videos: Mapping[str, list[Video]],
    files: Mapping[str, FileFingerprints],
) -> dict[str, Any]:
    spec = session.spec
    corpus = session.source.corpus_of(test.dataset for test in tests)
    detector = {"name": spec.name, "version": spec.version, "weights_sha256": sha, "recipe": card.recipe}
    prepare = session.with_finder(PrepareSpec(card.clips.frame_choice()))
    scoring = {
        "schema": SCHEMA,
        "detector": detector,
        "protocol": session.protocol.name,
        "corpus": corpus,
        "seed": request.seed,
        "pooling": str(card.pooling),
        "clips": identity_of(card.clips),
        "prepare": identity_of(prepare),
        "datasets": {
            test.key: {
                "manifest": manifest_digest(videos[test.key]),
                "files": fingerprints_digest(files[test.key]),
                "videos": len(videos[test.key]),
                # Where the key is the name of the dataset, as in every run of before, the identity is that of before, too.
                **({"dataset": test.dataset} if test.key != test.dataset else {}),
            }
            for test in tests
        },
    }
    if card.margins:  # of the datasets scored here
        scoring["margins"] = {test.key: card.clips_of(test.dataset).margin for test in tests}
    precision = "" if request.precision == FULL_PRECISION else request.precision
    if precision:
        scoring["precision"] = precision
    facts = [card.recipe, training.words(corpus), precision]
    if prepare.finder != DEFAULT_FACE_FINDER:
        facts.append(f"faces by {prepare.finder}")
    return {
        **scoring,
        "identity": recorded_identity(scoring),
        "status": "running",
        "entry": entry_name(spec.name, facts, seed=training.seed),
        **training.to_json(),
        UNKNOWN: list(training.unknown),
        "train_compression": card.train_compression,
        "training": private_to(session).value(dict(card.details)),
    }
