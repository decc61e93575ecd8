"""One face through successive frames of a video file, and its crops: what is explained where time must be dense.

Two passes over the file, the first to find and track faces, the second to crop them; a few frames are held at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfbench.data.clips import cut_crops
from dfbench.data.decoding.video import read_range
from dfbench.data.decoding.video_file import VideoInfo
from dfbench.data.faces.cutting import crop_track
from dfbench.data.faces.search import Frame, Search, chosen_track, look, with_all
from dfbench.data.faces.tracking import MIN_OVERLAP, MainFace, Track, follow, overlap
from dfbench.data.store.face_files import StoredFaces
from dfbench.errors import NoFaceError, UsageError
from dfbench.interfaces import FaceFinder, Progress, ProgressTask, ThoroughFaceFinder
from dfbench.types import ClipSpec, FrameChoice

CROP_BATCH = 16


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Which part of a video: from `start` seconds on, `seconds` long (None: to its end); a window every `hop` frames
    (None: every T // 2, so that a frame is seen in more than one)."""

    start: float = 0.0
    seconds: float | None = None
    hop: int | None = None

    def frames_of(self, info: VideoInfo, path: Path) -> tuple[int, int]:
        """First frame and number of frames. Raises UsageError if it begins after the video's end."""
        rate = info.rate
        first = round(max(0.0, self.start) * rate)
        if first >= info.frames:
            raise UsageError(
                f"{path} lasts {info.frames / rate:.1f} s and cannot be explained from {self.start:g} s on",
                hints=("correct --start",),
            )
        left = info.frames - first
        return first, left if self.seconds is None else max(1, min(left, round(self.seconds * rate)))


@dataclass(frozen=True, slots=True, eq=False)
class FollowedFace:
    """The face of an excerpt: its m rows are those of the excerpt's frames, at `positions` (m,) int64 in the video;
    `looked_at` frames of `frame_size` (width, height) were searched."""

    main: MainFace
    positions: NDArray[np.int64]
    frame_size: tuple[int, int]
    looked_at: int


def follow_face(
    path: Path,
    first: int,
    count: int,
    *,
    finder: FaceFinder,
    like: StoredFaces,
    progress: Progress,
) -> FollowedFace:
    """The face of `like`, as it was prepared for scoring, in `count` frames from `first` on. Raises NoFaceError, VideoError."""
    thorough = finder.of_video() if isinstance(finder, ThoroughFaceFinder) else None
    choice = FrameChoice("first", count)
    with progress.task(f"faces in {path.name}, frames", count) as task:
        frames = read_range(path, first, count, remark=lambda remark: progress.note(f"{path.name}: {remark}"))
        search = look(_told(frames, task), thorough or finder, 1)
    everything = (
        None if thorough is None else lambda: with_all(search, read_range(path, first, count), thorough)
    )
    choose = partial(like_stored, search=search, stored=like)
    _, chosen = chosen_track(choose, search, choice, everything=everything)
    if chosen is None:
        raise NoFaceError(
            f"{path}: the face that is scored is not in any of {len(search.found)} frames looked at"
        )
    main = follow(chosen, search.looked_at, search.positions)
    return FollowedFace(main, search.positions[main.rows], search.frame_size, len(search.positions))


def like_stored(tracks: Sequence[Track], search: Search, stored: StoredFaces) -> Track | None:
    """The track that is most often where the stored face is, whose boxes are joined by straight lines in time.

    None if none is there at all. Nothing is known of the time before the first and after the last stored frame.
    """
    known, boxes = stored.track.frame_indices, stored.track.boxes
    looked_at = search.positions[search.looked_at]
    inside = (looked_at >= known[0]) & (looked_at <= known[-1])
    place = np.stack([np.interp(looked_at, known, column) for column in boxes.T], axis=1).astype(np.float32)
    met = [
        sum(
            bool(inside[row]) and overlap(box, place[row]) >= MIN_OVERLAP
            for row, box in zip(track.rows, track.boxes, strict=True)
        )
        for track in tracks
    ]
    best = int(np.argmax(met)) if met else -1
    return tracks[best] if met and met[best] else None


def cut_face(
    path: Path, first: int, count: int, main: MainFace, clips: ClipSpec
) -> Iterator[NDArray[np.uint8]]:
    """Crops (m, size, size, 3) of the rows of `main`, a few at a time, cut as for scoring."""
    spec = clips.prepare()
    rows = {int(row): place for place, row in enumerate(main.rows)}
    waiting: list[Frame] = []

    def cut() -> NDArray[np.uint8]:
        places = [rows[row] for row, _ in waiting]
        part = replace(
            main,
            rows=main.rows[places],
            boxes=main.boxes[places],
            scores=main.scores[places],
            points=main.points[places],
        )
        stored = crop_track(waiting, part, spec)
        return cut_crops(
            stored, range(len(places)), size=clips.size, margin=clips.margin, square=clips.square
        )

    for row, (_, frame) in enumerate(read_range(path, first, count)):
        if row in rows:
            waiting.append((row, frame))
        if len(waiting) == CROP_BATCH:
            yield cut()
            waiting.clear()
    if waiting:
        yield cut()


def _told(frames: Iterable[Frame], task: ProgressTask) -> Iterator[Frame]:
    """`frames`, each of which moves the bar."""
    for frame in frames:
        yield frame
        task.advance()
