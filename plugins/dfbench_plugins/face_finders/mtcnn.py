"""MTCNN of facenet-pytorch behind the FaceFinder interface, with its pitfalls taken care of.

Frames are searched for faces of at least a quarter of the shorter side first, because small faces cost most of the time;
only frames without a find are searched again for smaller ones. MTCNN looks for faces of certain sizes, and where it sees
one depends on these a little: the sizes are those of a full search, and reach below that of the face that was found, so
that the boxes are its boxes (docs/measurements.md). Where all faces of a video were small, its next frames are searched
for faces of that size at once. What is small beside a large face is left to `find_small`. Frames above MAX_SIDE pixels
are searched smaller.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dfbench import Faces
from dfbench_plugins.face_finders.cascade import Cascade, Found, summed
from dfbench_plugins.face_finders.shrinking import shrunk

MAX_SIDE = 800
SMALLEST, STEP = 20, 0.709  # sizes of faces in a full search: 20 px, 20 / 0.709 px, ...
MIN_CONFIDENCE = 0.8
FACE_SHARES = (1 / 4, 1 / 16)
CLOSE = 1.0  # of the smallest size that was searched: a smaller face is searched again,
BELOW = 0.75  # from so much of its size on
_NONE = Faces(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32))
Shape = tuple[int, ...]


class Mtcnn:
    """Finds faces with MTCNN; up to rounding, the outcome for a frame does not depend on the other frames."""

    def __init__(self, device: str, *, max_side: int = MAX_SIDE) -> None:
        self._cascade, self._max_side = Cascade(device), max_side

    def find(self, frames: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        """Faces of each (H, W, 3) uint8 RGB frame, largest confidence first."""
        return self.search(frames, {})

    def find_small(self, frames: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        """As `find`, but a full search of each frame, for faces from 20 px on."""
        found = [_NONE] * len(frames)
        for rows, pyramids in self._by_shape(frames):
            if pyramids.side >= SMALLEST:
                for row, faces in zip(rows, pyramids.faces(range(len(rows)), SMALLEST), strict=True):
                    found[row] = faces
        return found

    def of_video(self) -> MtcnnOfVideo:
        """A finder for the frames of one video in their order."""
        return MtcnnOfVideo(self)

    def search(self, frames: Sequence[NDArray[np.uint8]], starts: dict[Shape, float]) -> list[Faces]:
        """As `find`; `starts` holds, by shape of frames, the size from which to search first, and is brought up to date."""
        found = [_NONE] * len(frames)
        for rows, pyramids in self._by_shape(frames):
            shape = frames[rows[0]].shape
            faces = pyramids.search(starts.get(shape))
            for row, one in zip(rows, faces, strict=True):
                found[row] = one
            if (start := pyramids.next_start(faces)) is not None:
                starts[shape] = start
            elif any(len(one.scores) for one in faces):
                starts.pop(shape, None)
        return found

    def _by_shape(self, frames: Sequence[NDArray[np.uint8]]) -> list[tuple[list[int], _Equal]]:
        # The networks want a batch of one size; the frames of a video are one nearly always.
        together = []
        for shape in sorted({frame.shape for frame in frames}):
            rows = [row for row, frame in enumerate(frames) if frame.shape == shape]
            together.append((rows, _Equal([frames[row] for row in rows], self._cascade, self._max_side)))
        return together


class MtcnnOfVideo:
    """Finds faces in the frames of one video; where the last ones held small faces alone, it looks for these at once."""

    def __init__(self, finder: Mtcnn) -> None:
        self._finder = finder
        self._starts: dict[Shape, float] = {}

    def of_video(self) -> MtcnnOfVideo:
        """As of `Mtcnn`: for another video."""
        return MtcnnOfVideo(self._finder)

    def find(self, frames: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        """As of `Mtcnn`."""
        return self._finder.search(frames, self._starts)

    def find_small(self, frames: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        """As of `Mtcnn`."""
        return self._finder.find_small(frames)


class _Equal:
    """Frames of one shape, to be searched any number of times. Sizes are in pixels of the shrunk frames."""

    def __init__(self, frames: list[NDArray[np.uint8]], cascade: Cascade, max_side: int) -> None:
        pairs = [shrunk(frame, max_side) for frame in frames]
        self._sums, self._ratio = [summed(one) for one, _ in pairs], pairs[0][1]
        self._cascade = cascade
        self.side = min(pairs[0][0].shape[:2])
        self._large = size_below(self.side * FACE_SHARES[0])

    def search(self, start: float | None) -> list[Faces]:
        """Faces of each frame, large ones first, or those from size `start` on."""
        found = [_NONE] * len(self._sums)
        sizes = [size_below(self.side * share) for share in FACE_SHARES]
        for smallest in dict.fromkeys([*([] if start is None else [start]), *sizes]):
            left = [row for row, one in enumerate(found) if not len(one.scores)]
            if smallest > self.side or not left:  # there is no size left to search
                continue
            self._put(found, left, smallest)
            again: dict[float, list[int]] = {}
            for row in left:
                if len(found[row].scores):
                    again.setdefault(self._fitting(found[row], smallest), []).append(row)
            for fitting, rows in again.items():
                if fitting != smallest:
                    self._put(found, rows, fitting)
        return found

    def next_start(self, found: Sequence[Faces]) -> float | None:
        """From what size on to search the next frames first; None if that is where large faces begin."""
        sizes = [self._size(one) for one in found if len(one.scores)]
        if not sizes or max(sizes) >= CLOSE * self._large:
            return None
        return size_below(BELOW * min(sizes))

    def faces(self, rows: Sequence[int], smallest: float) -> list[Faces]:
        """The faces of some frames from size `smallest` on."""
        sums = [self._sums[row] for row in rows]
        return [_confident(one, self._ratio) for one in self._cascade.find(sums, smallest)]

    def _put(self, found: list[Faces], rows: list[int], smallest: float) -> None:
        for row, faces in zip(rows, self.faces(rows, smallest), strict=True):
            if len(faces.scores):
                found[row] = faces

    def _fitting(self, faces: Faces, smallest: float) -> float:
        """From what size on a frame with these faces is to be searched: boxes of large faces are those of their search."""
        size = self._size(faces)
        if size >= CLOSE * self._large:
            return max(smallest, self._large)
        return smallest if size >= CLOSE * smallest else size_below(BELOW * size)

    def _size(self, faces: Faces) -> float:
        """The side of the largest face: the square root of its area."""
        width, height = ((faces.boxes[:, 2:] - faces.boxes[:, :2]) / self._ratio).T
        return math.sqrt(max(1.0, float((width * height).max())))


def size_below(pixels: float) -> float:
    """The largest face size of a full search that is not above `pixels`, or its smallest."""
    steps = math.floor(math.log(max(1.0, pixels / SMALLEST)) / -math.log(STEP))
    return SMALLEST / STEP**steps


def _confident(found: Found, ratio: NDArray[np.float32]) -> Faces:
    """What MTCNN said of one frame, without what it doubts; times `ratio` (x, y)."""
    boxes, scores, points = found
    kept = np.flatnonzero(scores >= MIN_CONFIDENCE)
    kept = kept[np.argsort(-scores[kept], kind="stable")]
    return Faces(boxes=boxes[kept] * np.tile(ratio, 2), scores=scores[kept], points=points[kept] * ratio)
