"""From faces in single frames to tracks, and from a track to the boxes that are cut out.

Detections are linked from frame to frame by overlap, and over longer pauses also by nearness and size. Among successive
frames, gaps are filled by linear interpolation and boxes are smoothed with a three-frame average, because a jittering
crop would look like motion to a video model. Frames that do not follow one another tell nothing of each other's boxes.
Boxes are rounded to a quarter of a pixel, because those of a network differ by some 1e-4 px between processors and between
numbers of threads, and every crop with them; so rounded, one in some thousand does.
`data.faces.main_track` says which of the tracks is the main face.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dfbench.types import Faces

MIN_OVERLAP = 0.25
MAX_GAP = 4  # searched frames from one sighting to the next
SHORT_PAUSE = 4  # frames, in which a head hardly moves; after a longer pause, a face may be found again
FARTHEST = 2.0  # sides of the larger box away
MAX_GROWTH = 1.5  # and so many times as large or small
BOX_PARTS = 4  # of a pixel, to which the boxes of a track are rounded
SAME = 0.5  # share of the smaller of two boxes in one frame from which on they are of one face


@dataclass(slots=True)
class Track:
    """One face through time: rows among the looked-at frames, its boxes (4,), scores and five points (5, 2)."""

    rows: list[int] = field(default_factory=list)
    boxes: list[NDArray[np.float32]] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    points: list[NDArray[np.float32]] = field(default_factory=list)


def area(box: NDArray[np.float32]) -> float:
    """Return the area of a box (4,); 0 for a box whose ends are in the wrong order."""
    return float(max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1]))


def overlap(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Return the intersection over union of two boxes (4,)."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = float(max(0.0, width) * max(0.0, height))
    return shared / max(1e-9, area(one) + area(other) - shared)


def merged_faces(found: Faces, others: Faces) -> Faces:
    """Return the faces of `found`, followed by those of `others` that are not among them, so that no face appears twice."""
    new = not_overlapping(others, known=found)
    return Faces(
        np.concatenate([found.boxes, new.boxes]),
        np.concatenate([found.scores, new.scores]),
        np.concatenate([found.points, new.points]),
    )


def not_overlapping(candidates: Faces, *, known: Faces) -> Faces:
    """Return the candidates that share less than half of the smaller box with every known face."""
    return candidates.only(
        [
            row
            for row, box in enumerate(candidates.boxes)
            if all(_shared(box, other) < SAME for other in known.boxes)
        ]
    )


def _shared(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """The share of the smaller of two boxes that is in both."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return float(max(0.0, width) * max(0.0, height)) / max(1e-9, min(area(one), area(other)))


def link(found: Sequence[Faces], positions: Sequence[int]) -> list[Track]:
    """Link the faces of the searched frames, at `positions` in the video, and return the tracks in order of appearance."""
    tracks: list[Track] = []
    for row, faces in enumerate(found):
        free = set(range(len(faces.boxes)))
        alive = [one for one in tracks if row - one.rows[-1] <= MAX_GAP]
        for track in list(alive):
            best = max(free, key=lambda k: overlap(track.boxes[-1], faces.boxes[k]), default=None)
            if best is not None and overlap(track.boxes[-1], faces.boxes[best]) >= MIN_OVERLAP:
                _append(track, row, faces, best)
                free.remove(best)
                alive.remove(track)
        paused = [one for one in alive if positions[row] - positions[one.rows[-1]] > SHORT_PAUSE]
        for _, number, k in sorted(
            (far, number, k)
            for number, track in enumerate(paused)
            for k in free
            if (far := _distance(track.boxes[-1], faces.boxes[k])) <= FARTHEST
        ):
            if k in free and paused[number].rows[-1] != row:
                _append(paused[number], row, faces, k)
                free.remove(k)
        for k in sorted(free):
            _append(started := Track(), row, faces, k)
            tracks.append(started)
    return tracks


def unmatched(before: Faces, after: Faces) -> Faces:
    """Return the faces of `before` that `link` would not connect to a face of `after`, which is another frame of the video."""
    # The first tracks are those of the first frame's faces, in their order.
    tracks = link([before, after], [0, SHORT_PAUSE + 1])[: len(before.scores)]
    return before.only([number for number, one in enumerate(tracks) if len(one.rows) == 1])


def _distance(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """How far two boxes' centres are from one another, in sides of the larger; infinite if one is much larger."""
    small, large = sorted((math.sqrt(area(one)), math.sqrt(area(other))))
    if large > MAX_GROWTH * small:
        return math.inf
    return float(np.hypot(*(one[:2] + one[2:] - other[:2] - other[2:]))) / 2 / max(1e-9, large)


def _append(track: Track, row: int, faces: Faces, k: int) -> None:
    track.rows.append(row)
    track.boxes.append(faces.boxes[k])
    track.scores.append(float(faces.scores[k]))
    track.points.append(faces.points[k])


@dataclass(frozen=True, slots=True, eq=False)
class MainFace:
    """The main face over m kept rows: rows (m,) int64, boxes (m, 4), scores (m,), points (m, 5, 2) float32."""

    rows: NDArray[np.int64]
    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    points: NDArray[np.float32]


def follow(track: Track, looked_at: Sequence[int], positions: NDArray[np.int64]) -> MainFace:
    """The face of `track` over frames at `positions` (n,) in the video, of which rows `looked_at` were searched.

    Gaps between successive frames are filled. Of other frames only those are kept in which the face was seen.
    """
    seen = np.asarray([looked_at[row] for row in track.rows], dtype=np.int64)
    values = np.concatenate(
        [np.asarray(track.boxes, np.float64), np.asarray(track.points, np.float64).reshape(len(seen), -1)],
        axis=1,
    )
    scores = np.zeros(len(positions), dtype=np.float32)
    scores[seen] = track.scores
    rows, boxes, points = [], [], []
    for inside, kept in _pieces(seen, looked_at, positions):
        filled = np.stack([np.interp(kept, seen[inside], column) for column in values[inside].T], axis=1)
        rows.append(kept)
        boxes.append(np.rint(smooth(filled[:, :4]) * BOX_PARTS) / BOX_PARTS)
        points.append(filled[:, 4:].reshape(-1, 5, 2))
    kept = np.concatenate(rows)
    return MainFace(
        kept,
        np.concatenate(boxes).astype(np.float32),
        scores[kept],
        np.concatenate(points).astype(np.float32),
    )


def held_rows(track: Track, looked_at: Sequence[int], positions: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rows (m,) that `follow` keeps of the same arguments."""
    seen = np.asarray([looked_at[row] for row in track.rows], dtype=np.int64)
    return np.concatenate([kept for _, kept in _pieces(seen, looked_at, positions)])


def _pieces(
    seen: NDArray[np.int64], looked_at: Sequence[int], positions: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.int64]]]:
    """For each stretch of successive frames with a sighting: which of the rows `seen` are in it, and the rows kept."""
    run = np.concatenate([[0], np.cumsum(np.diff(positions) != 1)])
    searched = np.asarray(looked_at, dtype=np.int64)
    for number in np.unique(run[seen]):
        inside = run[seen] == number
        first, last = np.flatnonzero(run == number)[[0, -1]]
        yield inside, _kept(seen[inside], searched, first, last)


def _kept(seen: NDArray[np.int64], searched: NDArray[np.int64], first: int, last: int) -> NDArray[np.int64]:
    """The rows that the face, `seen` in some of rows `first` to `last`, which follow one another, is taken to be in.

    All from its first sighting to the last, and those beside them that were not searched.
    """
    before, after = searched[searched < seen[0]], searched[searched > seen[-1]]
    start = max(first, before[-1] + 1) if len(before) else first
    end = min(last, after[0] - 1) if len(after) else last
    return np.arange(start, end + 1, dtype=np.int64)


def smooth(boxes: NDArray[np.float64]) -> NDArray[np.float32]:
    """Three-frame moving average of (n, 4) boxes, shorter at the ends."""
    padded = np.concatenate([boxes[:1], boxes, boxes[-1:]])
    return np.asarray((padded[:-2] + padded[1:-1] + padded[2:]) / 3, dtype=np.float32)
