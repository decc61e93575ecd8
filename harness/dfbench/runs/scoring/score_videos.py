"""Scoring: prepared faces in, one row a clip out, written as it goes.

Clips are read by a few threads ahead of the model, and every video that is done is on disk at the next flush,
so an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar, cast

import numpy as np

from dfbench.data.clips import read_clips
from dfbench.data.preparing.outcomes import Prepared
from dfbench.errors import DfbenchError, ScoreError, StoreError, VideoError
from dfbench.hooks.manners import kept
from dfbench.hooks.plugin_code import DEBUG, GOES_ON, place_of
from dfbench.hooks.registry import one_line
from dfbench.interfaces import Detector, Progress, ScoresFiles
from dfbench.types import ClipSpec, Status, VideoFile

if TYPE_CHECKING:
    from numpy.typing import NDArray

READ_AHEAD = 8
# Of the detector, one after the other and all alike, after which it is taken to be broken.
MAX_FAILURES = 5
CHECK = "score() must return one finite logit a clip, shape (B,); see: dfbench plugins check NAME"

_Clips: TypeAlias = "tuple[NDArray[np.uint8], NDArray[np.int64]]"  # and the positions of their frames
_V = TypeVar("_V", bound=VideoFile)
_W_contra = TypeVar("_W_contra", contravariant=True)


class ScoreSink(Protocol[_W_contra]):
    """Where scores go: the score table of a run, or the memory of who asked. See `ScoreWriter`."""

    def add_video(
        self,
        video: _W_contra,
        *,
        frames: NDArray[np.int64],
        logits: NDArray[np.float64],
        seconds: float,
        reason: str,
        face_frames: int,
        wanted_frames: int,
    ) -> None:
        """Take a video that was scored."""

    def add_status(self, video: _W_contra, *, status: Status, reason: str, seconds: float) -> None:
        """Take a video that could not be scored, and why."""


def score_videos(
    detector: Detector | ScoresFiles,
    videos: Sequence[Prepared[_V]],
    *,
    clips: ClipSpec,
    writer: ScoreSink[_V],
    progress: Progress,
    description: str,
    who: str = "the detector",
) -> None:
    """Score `videos` and write a row for each clip, or a status row; `who` is the detector, in what is said of it.

    A video that makes the detector raise, or for which it returns something that is no score, ends as an error with the
    reason. Raises ScoreError when that happens alike to MAX_FAILURES videos in a row: the detector is broken then.
    """
    from dfbench.training.devices import keep_freed_memory

    keep_freed_memory()
    ready = [one for one in videos if one.status is Status.OK]
    failures = _Failures()
    watched = kept(lambda: who, "while it scored", quick=True)
    with progress.task(description, len(videos)) as task:
        for one in videos:
            if one.status is not Status.OK:
                writer.add_status(one.video, status=one.status, reason=one.reason, seconds=0.0)
                task.advance(note=one.status)
        with ThreadPoolExecutor(max_workers=2, thread_name_prefix="clips") as pool:
            for one, pending in _read_ahead(pool, ready, clips):
                outcome = _score_one(detector, one, pending, writer=writer, watched=watched)
                if outcome.fault:
                    progress.note(f"error: {one.video.dataset}/{one.video.video_id}: {outcome.fault}")
                    failures.add(outcome.fault, one.video, outcome.cause)
                elif outcome.scored:
                    failures.clear()
                task.advance()


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of a video: whether it was scored, or the `fault` of the detector, "" if it is none of its, and its cause."""

    scored: bool = False
    fault: str = ""
    cause: BaseException | None = None


def _score_one(
    detector: Detector | ScoresFiles,
    one: Prepared[_V],
    pending: Future[_Clips],
    *,
    writer: ScoreSink[_V],
    watched: AbstractContextManager[None],
) -> _Outcome:
    """Score one video, whose clips are `pending`, and write its rows."""
    try:
        batch, frames = pending.result()
    except StoreError as error:  # of one face file, which the next run makes anew
        writer.add_status(one.video, status=Status.ERROR, reason=error.message, seconds=0.0)
        return _Outcome()
    except VideoError as error:
        writer.add_status(one.video, status=Status(error.status), reason=error.message, seconds=0.0)
        return _Outcome()
    begun = time.perf_counter()
    if isinstance(detector, ScoresFiles):
        frames = frames[:1]  # a row for the file, where others have one for each clip
    with watched:
        logits, reason, cause = _attempt(detector, one.video, batch)
    seconds = time.perf_counter() - begun
    if isinstance(cause, VideoError):  # of this file, and no fault of the detector
        writer.add_status(one.video, status=Status(cause.status), reason=cause.message, seconds=seconds)
        return _Outcome()
    if logits is None:
        writer.add_status(one.video, status=Status.ERROR, reason=reason, seconds=seconds)
        return _Outcome(fault=reason, cause=cause)
    writer.add_video(
        one.video,
        frames=frames,
        logits=logits,
        seconds=seconds,
        reason=one.reason,
        face_frames=one.face_frames,
        wanted_frames=one.wanted_frames,
    )
    return _Outcome(scored=True)


class _Failures:
    """Videos in a row for which a detector failed in the same way."""

    def __init__(self) -> None:
        self._like = ""
        self._count = 0

    def clear(self) -> None:
        self._count = 0

    def add(self, reason: str, video: VideoFile, error: BaseException | None) -> None:
        """Raise ScoreError if there are MAX_FAILURES now."""
        like = re.sub(r"\d+", "", reason)  # of clips, bytes, addresses
        self._count = self._count + 1 if like == self._like else 1
        self._like = like
        if self._count == MAX_FAILURES:
            raise ScoreError(
                f"{reason}: {MAX_FAILURES} videos in a row, the last {video.dataset}/{video.video_id}",
                hints=(*(place_of(error) if error is not None else ()), CHECK, DEBUG, GOES_ON),
            ) from error


def _read_ahead(
    pool: ThreadPoolExecutor, videos: Sequence[Prepared[_V]], clips: ClipSpec
) -> Iterator[tuple[Prepared[_V], Future[_Clips]]]:
    queue = iter(videos)

    def submit(some: int) -> list[tuple[Prepared[_V], Future[_Clips]]]:
        return [
            (one, pool.submit(read_clips, one.path, clips, wanted=one.wanted)) for one in islice(queue, some)
        ]

    waiting = submit(READ_AHEAD)
    while waiting:
        yield waiting.pop(0)
        waiting += submit(1)


def _attempt(
    detector: Detector | ScoresFiles, video: VideoFile, batch: NDArray[np.uint8]
) -> tuple[NDArray[np.float64] | None, str, BaseException | None]:
    """The logits, or None with the reason why there are none and the exception behind it."""
    import torch

    try:
        with torch.inference_mode():
            if isinstance(detector, ScoresFiles):
                count, returned = 1, cast("object", detector.score_files([video.path]))
            else:
                count, returned = len(batch), cast("object", detector.score(torch.from_numpy(batch)))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's code; one strange video must not end the run
        message = error.message if isinstance(error, DfbenchError) else one_line(error)
        return None, f"the detector failed: {message}", error
    if not isinstance(returned, torch.Tensor):
        return None, f"the detector returned {type(returned).__name__}, not a tensor", None
    if tuple(returned.shape) != (count,):
        what = "a file" if isinstance(detector, ScoresFiles) else f"{count} clips"
        return None, f"the detector returned shape {tuple(returned.shape)} for {what}", None
    if returned.is_complex():
        return None, "the detector returned complex numbers", None
    logits: NDArray[np.float64] = returned.detach().to("cpu", torch.float64).numpy()
    if not np.isfinite(logits).all():
        return None, "the detector returned NaN or infinity", None
    return logits, "", None
