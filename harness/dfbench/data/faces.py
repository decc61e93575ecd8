"""From faces in single frames to the track of the main face.

Detections are linked from frame to frame by overlap. The main face is the track with the largest sum of
confidence x area; ties go to the earliest. Gaps are filled by linear interpolation, and boxes are smoothed with a
three-frame average of centre and side, because a jittering crop would look like motion to a video model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dfbench.errors import NoFaceError
from dfbench.types import Faces

MIN_OVERLAP = 0.25
MAX_GAP = 4


@dataclass(slots=True)
class Track:
    """One face through time: rows among the looked-at frames, its boxes (4,), scores and five points (5, 2)."""

    rows: list[int] = field(default_factory=list)
    boxes: list[NDArray[np.float32]] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    points: list[NDArray[np.float32]] = field(default_factory=list)

    @property
    def weight(self) -> float:
        """Sum of confidence x area."""
        return float(sum(s * _area(b) for s, b in zip(self.scores, self.boxes, strict=True)))


def _area(box: NDArray[np.float32]) -> float:
    return float(max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1]))


def overlap(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Intersection over union of two boxes."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = float(max(0.0, width) * max(0.0, height))
    return shared / max(1e-9, _area(one) + _area(other) - shared)


def link(found: Sequence[Faces]) -> list[Track]:
    """Tracks over frames, in order of appearance."""
    tracks: list[Track] = []
    for row, faces in enumerate(found):
        free = list(range(len(faces.boxes)))
        for track in tracks:
            if not free or row - track.rows[-1] > MAX_GAP:
                continue
            best = max(free, key=lambda k: overlap(track.boxes[-1], faces.boxes[k]))
            if overlap(track.boxes[-1], faces.boxes[best]) >= MIN_OVERLAP:
                _append(track, row, faces, best)
                free.remove(best)
        for k in free:
            _append(started := Track(), row, faces, k)
            tracks.append(started)
    return tracks


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


def by_weight(tracks: Sequence[Track]) -> list[Track]:
    """The heaviest first; of equal ones, the earliest."""
    return sorted(tracks, key=lambda one: -one.weight)


def main_face(found: Sequence[Faces], looked_at: Sequence[int], rows: int) -> MainFace:
    """The main face over `rows` frames of which those at `looked_at` were searched, with results `found`.

    Raises NoFaceError if there is no face at all.
    """
    tracks = by_weight(link(found))
    if not tracks:
        raise NoFaceError(f"no face in any of {len(found)} frames looked at")
    return follow(tracks[0], looked_at, rows)


def follow(track: Track, looked_at: Sequence[int], rows: int) -> MainFace:
    """The face of `track`, gaps filled, over `rows` frames of which those at `looked_at` were searched."""
    seen = np.asarray([looked_at[row] for row in track.rows], dtype=np.int64)
    step = max(1, int(np.median(np.diff(looked_at)))) if len(looked_at) > 1 else 1
    # Beyond the first and last sighting only the frames that were skipped on purpose are filled in.
    low, high = max(0, int(seen[0]) - step + 1), min(rows - 1, int(seen[-1]) + step - 1)
    kept = np.asarray([r for r in range(low, high + 1) if _gap(seen, r) <= MAX_GAP * step], dtype=np.int64)
    boxes = np.stack(
        [np.interp(kept, seen, column) for column in np.asarray(track.boxes, np.float64).T], axis=1
    )
    flat = np.asarray(track.points, np.float64).reshape(len(seen), -1)
    points = np.stack([np.interp(kept, seen, column) for column in flat.T], axis=1).reshape(-1, 5, 2)
    scores = np.where(np.isin(kept, seen), np.interp(kept, seen, track.scores), 0.0)
    return MainFace(kept, smooth(boxes), scores.astype(np.float32), points.astype(np.float32))


def _gap(seen: NDArray[np.int64], row: int) -> int:
    return int(np.abs(seen - row).min())


def smooth(boxes: NDArray[np.float64]) -> NDArray[np.float32]:
    """Three-frame moving average of (n, 4) boxes, shorter at the ends."""
    padded = np.concatenate([boxes[:1], boxes, boxes[-1:]])
    return np.asarray((padded[:-2] + padded[1:-1] + padded[2:]) / 3, dtype=np.float32)
