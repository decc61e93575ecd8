"""Scores of single files by the way of a run: the same faces, the same clips, the same numbers, without a dataset or a label.

Faces are kept in the face store, under the name and content of a file, so that what was interrupted goes on. Scores are not
kept: they take seconds.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from dfbench.data.fingerprints import ABSENT, fingerprints
from dfbench.data.images.file_kinds import is_video_name
from dfbench.data.store.face_files import read_track
from dfbench.errors import ScoreError, StoreError, UsageError
from dfbench.hooks.detectors import opened_scorer
from dfbench.interfaces import Progress
from dfbench.metrics.uncertainty import percentile_interval
from dfbench.runs.planning.devices import choose_device
from dfbench.runs.planning.opening import open_scoring
from dfbench.runs.planning.refusals import check_scoring, load_options
from dfbench.runs.planning.requests import ScoringRequest
from dfbench.runs.planning.session import Session
from dfbench.runs.planning.setup import Setup
from dfbench.runs.planning.sources import DataSource
from dfbench.runs.records.score_table import pooled_scores, sigmoid
from dfbench.runs.scoring.score_videos import score_videos
from dfbench.runs.trainings.known_detector import known_detector, without_weights
from dfbench.runs.trainings.weights import find_weights
from dfbench.text import storable
from dfbench.types import ClipSpec, GivenFile, Pooling, Status

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dfbench.data.preparing.outcomes import Prepared
    from dfbench.specs import DetectorSpec

FILES = "files"  # what the notes and the face store call single files, where a dataset has its name
# The faces of single files lie together, in no corpus that could be published or made.
GIVEN = DataSource(corpus="given", roots={}, made=False)
DRAWS = 2000
MOST_LOOKED_AT = 1000  # entries of a folder


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a detector says of one file, or why it says nothing.

    `status` and `reason` as in a run's scores: `reason` says why the file could not be scored, or is a remark. `probability`
    of "fake" in [0, 1] and its `logit` are pooled over `clips` clips; `low` and `high` bound the central 95 % of what resamples
    of the clips give, NaN for a single clip. They say how far the clips agree, and nothing of how right the detector is.
    `faces` tracks of faces were found, of which one was scored and `faces_skipped` were not; its face is in `face_frames` of
    the `wanted_frames`. All numbers are NaN, 0 or -1 where nothing was scored.
    """

    path: Path
    status: Status
    reason: str
    probability: float = math.nan
    low: float = math.nan
    high: float = math.nan
    logit: float = math.nan
    clips: int = 0
    faces: int = 0
    faces_skipped: int = 0
    face_frames: int = -1
    wanted_frames: int = -1


@dataclass(frozen=True, slots=True)
class Predictions:
    """The predictions of all files, in the order of the request, by the detector `name` with weights of this SHA-256.

    `notice` is what a reader must know of the training behind them, "" if there is nothing to warn of.
    """

    name: str
    weights_sha256: str
    notice: str
    files: tuple[Prediction, ...]

    @property
    def failed(self) -> tuple[Prediction, ...]:
        """The files that could not be scored."""
        return tuple(one for one in self.files if one.status is not Status.OK)


@dataclass(slots=True)
class _Collected:
    """Takes scores in memory, by the place of their file in the request."""

    pooling: Pooling
    by_file: dict[GivenFile, Prediction] = field(default_factory=dict)

    def add_video(
        self,
        video: GivenFile,
        *,
        frames: NDArray[np.int64],
        logits: NDArray[np.float64],
        seconds: float,
        reason: str,
        face_frames: int,
        wanted_frames: int,
    ) -> None:
        """Pool the clips of a file as a run does."""
        del frames, seconds
        clips = pd.DataFrame({"file": 0, "logit": logits, "prob": sigmoid(logits)})
        probability, logit = pooled_scores(clips, ["file"], self.pooling)
        # Of each file its own, so that no other file changes what is said of it.
        rng = np.random.default_rng(0)
        low, high = clip_interval(logits, float(probability[0]), self.pooling, rng=rng)
        self.by_file[video] = Prediction(
            video.path,
            Status.OK,
            reason,
            float(probability[0]),
            low,
            high,
            float(logit[0]),
            len(logits),
            face_frames=face_frames,
            wanted_frames=wanted_frames,
        )

    def add_status(self, video: GivenFile, *, status: Status, reason: str, seconds: float) -> None:
        """Keep why a file could not be scored."""
        del seconds
        self.by_file[video] = Prediction(video.path, status, reason)


def predict_files(
    files: Sequence[Path], request: ScoringRequest, setup: Setup, *, retry: bool = False, progress: Progress
) -> Predictions:
    """Score video files, folders of frames, and folders of frames in archives with the detector of `request`.

    Weights are those of the request, or trained ones, found as for a run. Every file has a prediction, in their order,
    whatever became of it. `retry`: look for faces again in files in which none could be found before.

    Raises UsageError, WeightsError and PluginError for a detector that cannot score anything, StoreError if faces cannot be
    kept; what was prepared is.
    """
    if not files:
        raise UsageError("no file to score is named", hints=("dfbench predict VIDEO.mp4 --detector NAME",))
    registry = setup.registry
    check_scoring(request, setup, purpose="explain")
    spec = registry.detector(request.detector)
    given = given_files(files)
    absent = [source == ABSENT for source in fingerprints([one.path for one in given])]
    if all(absent):  # no weights are looked for, or trained, to say so
        rows = [Prediction(one, Status.MISSING, f"{one}: no such file or folder") for one in files]
        return Predictions(spec.name, "", "", tuple(rows))
    options = load_options(request, spec)
    if options.weights is None:
        options = replace(options, weights=weights_for_files(request, spec, setup, progress, to="score"))
    detector = known_detector(spec, replace(options, device=choose_device(options.device)), registry)
    if notice := detector.training.notice(registry):
        progress.note(f"*** {spec.name}: {notice}")
    found = _Collected(detector.card.pooling)
    # Before faces are looked for, which may take hours: weights that cannot be used are found at once.
    with opened_scorer(spec, detector.options) as model:
        prepared = prepared_files(
            list(dict.fromkeys(given)), detector.card.clips, session_of_files(setup, progress), retry=retry
        )
        left = ""
        try:
            score_videos(
                model,
                prepared,
                clips=detector.card.clips,
                writer=found,
                progress=progress,
                description=f"score files with {spec.name}",
                who=f"detector '{spec.name}'",
            )
        except ScoreError as error:  # it failed alike for many: what was scored before is worth telling
            left = f"not scored: {error.message}"
    faces = {one.video: one for one in prepared}
    rows = [
        _advised(_with_faces(found.by_file.get(one) or Prediction(one.path, Status.ERROR, left), faces[one]))
        for one in given
    ]
    return Predictions(spec.name, detector.weights_sha256, notice, tuple(rows))


def weights_for_files(
    request: ScoringRequest, spec: DetectorSpec, setup: Setup, progress: Progress, *, to: str
) -> Path | None:
    """The weights that a run on the same data would use `to` score or explain files; None for a detector without.

    Raises WeightsError where no data are named or configured: who has a file scored did not ask for a training on made faces.
    """
    if not spec.needs_weights:
        return None
    if not request.data and not setup.settings.data.roots:
        raise without_weights(spec, to=to)
    return find_weights(request, open_scoring(request, setup, progress, purpose="explain"))


def given_files(paths: Sequence[Path]) -> list[GivenFile]:
    """The files at `paths`, as the stages from a file to its scores take them."""
    return [GivenFile(FILES, storable(path.absolute().name) or FILES, path) for path in paths]


def session_of_files(setup: Setup, progress: Progress) -> Session:
    """Return the session in which single files are prepared, which belong to no data set."""
    return Session(setup.host, setup.settings, GIVEN, progress)


def prepared_files(
    files: Sequence[GivenFile], clips: ClipSpec, session: Session, *, retry: bool = False
) -> tuple[Prepared[GivenFile], ...]:
    """Find the faces of `files` that these clips are cut from, as for a run; returns an outcome for each, in their order.

    With `retry`, files that failed before are looked at again. Raises StoreError.
    """
    spec = clips.prepare()
    for again in [True, False] if retry else [False]:
        report = session.prepare(files, spec, retry=again)
    return report.videos


def clip_interval(
    logits: NDArray[np.float64], probability: float, pooling: Pooling, *, rng: np.random.Generator
) -> tuple[float, float]:
    """Bounds of the central 95 % of the probability over resamples of the clips (k,), which hold `probability`.

    NaN for a single clip, of which nothing is known but itself.
    """
    if len(logits) < 2:
        return math.nan, math.nan
    drawn = logits[rng.integers(len(logits), size=(DRAWS, len(logits)))]
    if pooling is Pooling.MEAN_PROB:
        values = sigmoid(drawn).mean(axis=1)
    else:
        values = sigmoid(drawn.max(axis=1) if pooling is Pooling.MAX else drawn.mean(axis=1))
    interval = percentile_interval(probability, values)
    return interval.low, interval.high


def _advised(prediction: Prediction) -> Prediction:
    """`prediction`; of a folder of videos, which was taken for one of frames, it says what to do."""
    if prediction.status is Status.OK or not prediction.path.is_dir():
        return prediction
    try:
        with os.scandir(prediction.path) as entries:
            holds = any(is_video_name(entry.name) for entry in islice(entries, MOST_LOOKED_AT))
    except OSError:
        return prediction
    more = "; it holds videos: name each of them, as in FOLDER/*" if holds else ""
    return replace(prediction, reason=prediction.reason + more)


def _with_faces(prediction: Prediction, prepared: Prepared[GivenFile]) -> Prediction:
    """`prediction` with how many faces were found in its file."""
    if prepared.status is not Status.OK:
        return prediction
    try:
        tracks = len(np.unique(read_track(prepared.path).seen.track))
    except StoreError:  # it went bad, as the status of the file says
        return prediction
    return replace(prediction, faces=tracks, faces_skipped=max(0, tracks - 1))
