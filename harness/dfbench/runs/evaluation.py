"""One detector by one protocol: find its weights, prepare, score.

Every stage reads what the stage before it wrote, and a run is keyed by everything that can change a score; so
a second identical run computes nothing and an interrupted one goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from dfbench.data.folders import below
from dfbench.data.manifest import (
    FileFingerprints,
    file_fingerprints,
    fingerprints_digest,
    manifest_digest,
)
from dfbench.errors import PluginError, StoreError, UsageError
from dfbench.hooks.host import Host
from dfbench.hooks.plugin_code import running
from dfbench.hooks.registry import one_line
from dfbench.interfaces import Detector, DetectorFactory, Progress
from dfbench.runs.cards import Reading, card_of
from dfbench.runs.entries import entry_name
from dfbench.runs.fairness import by_dataset, leaks_into_tests, warn_of_leaks
from dfbench.runs.private import Redaction, redaction
from dfbench.runs.protocols import resolve_protocol
from dfbench.runs.provenance import file_sha256, run_identity
from dfbench.runs.refusals import reading_of
from dfbench.runs.run_file import (
    NAME,
    make_folder,
    read_record,
    refuse_unusable,
    remove_run,
    set_aside,
    write_files,
    write_record,
)
from dfbench.runs.scores import ScoreWriter, any_scores, done_videos
from dfbench.runs.scoring import PreparedVideo, score_videos
from dfbench.runs.sessions import begin_session, end_session
from dfbench.runs.sources import prepare_selected, with_finder
from dfbench.runs.stage import RunRequest, Stage, choose_device, compute_threads, open_stage
from dfbench.runs.trained import Training, known_card, training_of
from dfbench.runs.weights import find_weights
from dfbench.settings import DEFAULT_FACE_FINDER, load_settings
from dfbench.text import folder_name
from dfbench.types import FULL_PRECISION, DetectorCard, PrepareSpec, Status, Video

SCHEMA = 1


@dataclass(frozen=True, slots=True, eq=False)
class ScoredRun:
    """A run whose scores are complete: its folder, the content of its run.json, whether anything was computed."""

    folder: Path
    record: Mapping[str, Any]
    computed: bool
    host: Host


def score_detector(request: RunRequest, *, progress: Progress) -> ScoredRun:
    """Score a detector by a protocol; returns at once if this very run is complete."""
    weights = request.weights
    refuse_unusable(load_settings().runs)
    stage = open_stage(request, progress)
    spec = stage.spec
    reading = reading_of(request, spec)
    only = tuple(stage.registry.dataset(name).name for name in request.only)  # aliases such as CDF2
    tests = resolve_protocol(stage.protocol, only)
    # Before videos are listed, and weights trained for them.
    stage.source.corpus_of(test.dataset for test in tests)
    listed = {test.dataset: stage.listed(test) for test in tests}
    videos = {dataset: rows for dataset, (rows, _) in listed.items()}
    if weights is None and spec.needs_weights:
        weights = find_weights(request, stage, stored=True)
    sha = file_sha256(weights) if weights is not None else ""
    card = known_card(card_of(spec, stage.registry, weights, reading), weights, sha)
    if problem := card.bad_margin():
        raise UsageError(
            f"detector '{spec.name}': {problem}",
            hints=("the face store holds no more around a face: give it a smaller margin",),
        )
    training = training_of(card, given=weights is not None, seed=request.seed)
    _tell(training, request, stage)
    leaks = leaks_into_tests(stage, card, videos)
    warn_of_leaks(leaks, progress)
    files = {dataset: file_fingerprints(rows) for dataset, rows in videos.items()}
    record = _record(request, stage, card, sha, training, videos, files)
    record["training_warning"] = training.notice(stage.registry)
    private = private_to(stage)
    record["lists"] = {dataset: private.value(listing.to_json()) for dataset, (_, listing) in listed.items()}
    if leaks:
        record["leaks"] = private.value(by_dataset(leaks))
    if reading.recipe:
        record["read_as"] = asdict(reading)
    name = f"{spec.name}-{folder_name(stage.protocol.name)}-{record['corpus']}-{record['identity'][:12]}"
    folder = below(stage.settings.runs, name)
    stored = {} if request.force else _stored(folder, progress)
    if stored.get("status") == "complete":
        progress.note(f"{spec.name}: this run is complete, nothing to compute ({folder})")
        return ScoredRun(
            folder, _with_lists(folder, stored, record["lists"]), computed=False, host=stage.host
        )
    done = set() if request.force else done_videos(folder, retry=(Status.MISSING, Status.ERROR))
    left = {
        dataset: [video for video in expected if (dataset, video.video_id) not in done]
        for dataset, expected in videos.items()
    }
    # Before the run has a folder, and before the videos are prepared, which may take days: weights that cannot be used
    # are found at once, and leave no run behind.
    detector = _build(request, stage, weights, reading) if any(left.values()) else None
    record = begin_session(record, stored, device=choose_device(request.device), threads=compute_threads())
    if request.force and (kept := set_aside(folder)) is not None:
        progress.note(f"{spec.name}: computing again; the run that was there is kept in {kept}")
    _begin(folder, record, files, stage)
    finished = _score_into(folder, record, stage, card, detector, left)
    return ScoredRun(folder, finished, computed=True, host=stage.host)


def _score_into(
    folder: Path,
    record: Mapping[str, Any],
    stage: Stage,
    card: DetectorCard,
    detector: Detector | None,
    left: Mapping[str, list[Video]],
) -> dict[str, Any]:
    """Score the videos that are `left` (without a detector, none is) into the run's folder; returns its final record."""
    try:
        with ScoreWriter(
            folder, told=private_to(stage).text
        ) as writer:  # leaving it by an error or Ctrl-C keeps what was scored
            if detector is not None:
                _score_datasets(stage, card, detector, left, writer)
            writer.finish()
    except BaseException as error:
        _leave(folder, record, error, private_to(stage))
        raise
    ended = end_session(record)
    finished = {**ended, "status": "complete", "finished": ended["sessions"][-1]["finished"]}
    write_record(folder, finished)
    return finished


def _begin(
    folder: Path, record: Mapping[str, Any], files: Mapping[str, FileFingerprints], stage: Stage
) -> None:
    """Write down what the run is about to score."""
    make_folder(folder)
    write_record(folder, record)
    write_files(folder, files.values())
    for note in stage.host.call_run_started(record):
        stage.progress.note(f"warning: {note}")


def _tell(training: Training, request: RunRequest, stage: Stage) -> None:
    """Say what a reader of the scores must know of the training behind them."""
    if notice := training.notice(stage.registry):
        stage.progress.note(f"*** {stage.spec.name}: {notice}")
    if request.seed and training.given and training.seed != request.seed:
        stage.progress.note(
            f"{stage.spec.name}: --seed {request.seed} does not change weights that are given"
        )


def _stored(folder: Path, progress: Progress) -> dict[str, Any]:
    """The record of this very run if it was begun before; {} if not, or if it is damaged: it is then written anew."""
    if not (folder / NAME).is_file():
        return {}
    try:
        return read_record(folder)
    except StoreError as error:
        progress.note(f"warning: {error.message}; it is written anew, what was scored already is kept")
        return {}


def _with_lists(folder: Path, stored: dict[str, Any], lists: Mapping[str, Any]) -> dict[str, Any]:
    """The record of a complete run with what its lists name now, beside what they should: its videos are the same, but
    a bad line may be gone from them, and a run of an earlier version does not say."""
    if stored.get("lists") == lists:
        return stored
    record = {**stored, "lists": lists}
    with suppress(StoreError):  # of a colleague
        write_record(folder, record)
    return record


def private_to(stage: Stage) -> Redaction:
    """What no reader of the run of this stage need know."""
    return redaction(stage.settings, stage.source.roots.values())


def _leave(folder: Path, record: Mapping[str, Any], error: BaseException, private: Redaction) -> None:
    """Say in the record of a run why it ended early; remove a run of which nothing was scored."""
    reason = "interrupted" if isinstance(error, KeyboardInterrupt) else private.text(one_line(error))
    with suppress(StoreError):  # the error that ended it is the one to tell
        if any_scores(folder):
            write_record(folder, end_session({**record, "status": "failed", "error": reason}))
        else:
            remove_run(folder)


def _score_datasets(
    stage: Stage,
    card: DetectorCard,
    detector: Detector,
    videos: Mapping[str, list[Video]],
    writer: ScoreWriter,
) -> None:
    for dataset, left in videos.items():
        if not left:
            continue
        report = prepare_selected(
            left,
            PrepareSpec(card.clips.frame_choice()),
            source=stage.source,
            registry=stage.registry,
            settings=stage.settings,
            progress=stage.progress,
        )
        prepared = [
            PreparedVideo(
                one.video,
                one.status,
                one.reason,
                one.path,
                face_frames=one.face_frames,
                wanted_frames=one.wanted_frames,
            )
            for one in report.videos
        ]
        _tell_notes(dataset, prepared, stage.progress)
        score_videos(
            detector,
            prepared,
            clips=card.clips_of(dataset),
            writer=writer,
            progress=stage.progress,
            description=f"score {dataset} with {stage.spec.name}",
        )
        writer.flush()


def _tell_notes(dataset: str, prepared: Sequence[PreparedVideo], progress: Progress) -> None:
    told = [one for one in prepared if one.status is Status.OK and one.reason]
    if told:
        more = "" if len(told) == 1 else "; all stand in the column 'reason' of the scores"
        progress.note(
            f"{dataset}: a note about {len(told)} of {len(prepared)} videos: {told[0].video.video_id}: "
            f"{told[0].reason}{more}"
        )


def _build(request: RunRequest, stage: Stage, weights: Path | None, reading: Reading) -> Detector:
    factory = cast("DetectorFactory", stage.registry.load_object(stage.spec.build))
    options = reading.options()
    if request.precision != FULL_PRECISION:  # only a detector that offers another knows the word
        options["precision"] = request.precision
    device = choose_device(request.device)
    with running(stage.spec, "when it was built"):
        detector: object = factory(weights=weights, device=device, seed=request.seed, **options)
    if not isinstance(detector, Detector):
        raise PluginError(
            f"detector '{stage.spec.name}': {stage.spec.build} made a {type(detector).__name__} without score()",
            hints=(f"see:   dfbench plugins check {stage.spec.name}",),
        )
    return detector


def _record(
    request: RunRequest,
    stage: Stage,
    card: DetectorCard,
    sha: str,
    training: Training,
    videos: Mapping[str, list[Video]],
    files: Mapping[str, FileFingerprints],
) -> dict[str, Any]:
    spec = stage.spec
    corpus = stage.source.corpus_of(videos)
    detector = {"name": spec.name, "version": spec.version, "weights_sha256": sha, "recipe": card.recipe}
    prepare = with_finder(PrepareSpec(card.clips.frame_choice()), stage.registry, stage.settings)
    scoring = {
        "schema": SCHEMA,
        "detector": detector,
        "protocol": stage.protocol.name,
        "corpus": corpus,
        "seed": request.seed,
        "pooling": str(card.pooling),
        "clips": asdict(card.clips),
        "prepare": asdict(prepare),
        "datasets": {
            name: {
                "manifest": manifest_digest(rows),
                "files": fingerprints_digest(files[name]),
                "videos": len(rows),
            }
            for name, rows in videos.items()
        },
    }
    if card.margins:  # of the datasets scored here
        scoring["margins"] = {name: card.clips_of(name).margin for name in videos}
    precision = "" if request.precision == FULL_PRECISION else request.precision
    if precision:
        scoring["precision"] = precision
    facts = [card.recipe, training.words(corpus), precision]
    if prepare.finder != DEFAULT_FACE_FINDER:
        facts.append(f"faces by {prepare.finder}")
    return {
        **scoring,
        "identity": run_identity(**scoring),
        "status": "running",
        "entry": entry_name(spec.name, facts, seed=training.seed),
        **training.to_json(),
        "train_compression": card.train_compression,
        "training": private_to(stage).value(dict(card.details)),
    }
