"""Scoring: prepared faces in, one row a clip out, written as it goes.

Clips are read by a few threads ahead of the model, and every video that is done is on disk at the next flush,
so an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dfbench.data.clips import read_clips
from dfbench.errors import ScoreError, StoreError, VideoError
from dfbench.interfaces import Detector, Progress
from dfbench.types import ClipSpec, Status, Video

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dfbench.runs.scores import ScoreWriter

READ_AHEAD = 8


@dataclass(frozen=True, slots=True)
class PreparedVideo:
    """A video with the outcome of its preparation; `path` is its face file when `status` is OK, and `reason` what is to be
    said of it all the same. The face is in `face_frames` of its `wanted_frames`, -1 if nobody counted."""

    video: Video
    status: Status
    reason: str
    path: Path
    face_frames: int = -1
    wanted_frames: int = -1


def score_videos(
    detector: Detector,
    videos: Sequence[PreparedVideo],
    *,
    clips: ClipSpec,
    writer: ScoreWriter,
    progress: Progress,
    description: str,
) -> None:
    """Score `videos` and write a row for each clip, or a status row. Raises ScoreError on a score that is none."""
    from dfbench.runs.devices import keep_freed_memory

    keep_freed_memory()
    ready = [one for one in videos if one.status is Status.OK]
    with progress.task(description, len(videos)) as task:
        for one in videos:
            if one.status is not Status.OK:
                writer.add_status(one.video, status=one.status, reason=one.reason, seconds=0.0)
                task.advance(note=one.status)
        with ThreadPoolExecutor(max_workers=2, thread_name_prefix="clips") as pool:
            for one, pending in _read_ahead(pool, ready, clips):
                try:
                    batch, frames = pending.result()
                except StoreError as error:  # of one face file, which the next run makes anew
                    writer.add_status(one.video, status=Status.ERROR, reason=error.message, seconds=0.0)
                except VideoError as error:
                    writer.add_status(
                        one.video, status=Status(error.status), reason=error.message, seconds=0.0
                    )
                else:
                    begun = time.perf_counter()
                    logits = _score(detector, batch, one.video)
                    writer.add_video(
                        one.video,
                        frames=frames,
                        logits=logits,
                        seconds=time.perf_counter() - begun,
                        reason=one.reason,
                        face_frames=one.face_frames,
                        wanted_frames=one.wanted_frames,
                    )
                task.advance()


def _read_ahead(
    pool: ThreadPoolExecutor, videos: Sequence[PreparedVideo], clips: ClipSpec
) -> Iterator[tuple[PreparedVideo, Future[tuple[NDArray[np.uint8], NDArray[np.int64]]]]]:
    queue = iter(videos)
    waiting = [(one, pool.submit(read_clips, one.path, clips)) for one in islice(queue, READ_AHEAD)]
    while waiting:
        yield waiting.pop(0)
        waiting.extend((one, pool.submit(read_clips, one.path, clips)) for one in islice(queue, 1))


def _score(detector: Detector, batch: NDArray[np.uint8], video: Video) -> NDArray[np.float64]:
    import torch

    with torch.inference_mode():
        logits = detector.score(torch.from_numpy(batch))
    if tuple(logits.shape) != (len(batch),):
        raise ScoreError(
            f"the detector returned shape {tuple(logits.shape)} for {len(batch)} clips of {video.video_id}",
            hints=("score() must return one logit a clip, shape (B,); see: dfbench plugins check NAME",),
        )
    values: NDArray[np.float64] = logits.detach().to("cpu", torch.float64).numpy()
    if not np.isfinite(values).all():
        raise ScoreError(
            f"the detector returned NaN or infinity for {video.dataset}/{video.video_id}",
            hints=("its weights may be damaged or of another precision",),
        )
    return values
