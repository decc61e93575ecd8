"""Frames of one shape, searched by MTCNN for faces of some sizes, in all of a frame or near a place.

MTCNN looks for faces of certain sizes, and where it sees one depends on these a little: the sizes are those of a full
search, and reach below that of the face that was found, so that the boxes are its boxes (docs/measurements.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from dfbench import Faces
from dfbench.data import merged_faces, not_overlapping, unmatched
from dfbench_plugins.face_finders.cascade import Cascade, Found, Part
from dfbench_plugins.face_finders.shrinking import shrunk, summed

SMALLEST, STEP = 20, 0.709  # sizes of faces in a full search: 20 px, 20 / 0.709 px, ...
MIN_CONFIDENCE = 0.8
FACE_SHARES = (1 / 4, 1 / 16)
BELOW = 0.75  # of a face's size, from where on the search begins that its box is taken from
NEAR = (1.0, 2.0)  # sides of a face beyond it, where it is looked for next: first, and if it is not there
CROWD = 0.5  # of a frame: where such places take more, all of it is searched
Place = tuple[int, float, Part | None]  # a frame, the size to begin with, and where in it (None: anywhere)
NO_FACES = Faces(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32))


class EqualFrames:
    """Frames of one shape, to be searched any number of times. Sizes are in pixels of the shrunk frames."""

    def __init__(self, frames: list[NDArray[np.uint8]], cascade: Cascade, max_side: int) -> None:
        pairs = [shrunk(frame, max_side) for frame in frames]
        self._sums, self._ratio = [summed(one) for one, _ in pairs], pairs[0][1]
        self._cascade = cascade
        self.shape = frames[0].shape
        self._height, self._width = pairs[0][0].shape[:2]
        self._side = min(self._height, self._width)
        self._large = size_below(self._side * FACE_SHARES[0])

    def __len__(self) -> int:
        return len(self._sums)

    def large(self) -> list[Faces]:
        """Large faces of each frame."""
        return self._search(range(len(self)), self._large, self._large)

    def small(self, rows: Sequence[int]) -> list[Faces]:
        """The faces of frames without a large one."""
        smallest = size_below(self._side * FACE_SHARES[1])
        return self._search(rows, smallest, smallest / BELOW)

    def all_sizes(self, rows: Sequence[int]) -> list[Faces]:
        """What a full search of some frames finds."""
        return self._find(rows, SMALLEST)

    def with_near(self, row: int, found: Faces, others: Faces) -> Faces:
        """`found` of one frame, and what of the `others`, of a frame beside it, is seen near where it was there."""
        for sides in NEAR:
            for faces in self._near(self._places(row, unmatched(others, found), sides)):
                found = merged_faces(found, faces)
        return found

    def _search(self, rows: Sequence[int], smallest: float, settled: float) -> list[Faces]:
        """Faces of some frames from size `smallest` on, and smaller ones that show.

        Boxes of faces below size `settled` are those of a search nearby that begins further below.
        """
        seen = self._find(rows, smallest)
        shown = [faces.only(self._sides(faces) < settled) for faces in seen]
        found = [faces.only(self._sides(faces) >= settled) for faces in seen]
        places = [
            self._places(row, not_overlapping(one, known=faces), NEAR[0])
            for row, one, faces in zip(rows, shown, found, strict=True)
        ]
        near = iter(self._near([one for several in places for one in several]))
        for at, several in enumerate(places):
            for faces in islice(near, len(several)):
                found[at] = merged_faces(found[at], faces)
            found[at] = merged_faces(found[at], shown[at])
        return found

    def _places(self, row: int, faces: Faces, beyond: float) -> list[Place]:
        """Where to look for faces of about that size in a frame, up to so many sides beyond where they were."""
        boxes = faces.boxes / np.tile(self._ratio, 2)
        starts = [_start_below(_side(box)) for box in boxes]
        parts = [self._around(box, beyond) for box in boxes]
        if sum((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in parts) > CROWD * self._height * self._width:
            return [(row, min(starts), None)]
        return [(row, start, part) for start, part in zip(starts, parts, strict=True)]

    def _near(self, places: Sequence[Place]) -> list[Faces]:
        """What is in each of these places, with the boxes of a full search."""
        found = [NO_FACES] * len(places)
        alike: dict[tuple[float, bool], list[int]] = {}
        for number, (_, start, part) in enumerate(places):
            alike.setdefault((start, part is None), []).append(number)
        for (start, _), numbers in alike.items():
            parts = [part for one in numbers if (part := places[one][2]) is not None]
            seen = self._find([places[one][0] for one in numbers], start, parts or None)
            for number, faces in zip(numbers, seen, strict=True):
                found[number] = faces
        smaller: dict[int, Place] = {}
        for number, (row, start, part) in enumerate(places):
            smallest = min(self._sides(found[number]), default=start)
            if smallest < start and start > SMALLEST:
                smaller[number] = (row, _start_below(smallest), part)
        # A search that begins below may not reach up to what was found from here on.
        for number, faces in zip(smaller, self._near(list(smaller.values())) if smaller else (), strict=True):
            settled = found[number].only(self._sides(found[number]) >= places[number][1])
            found[number] = merged_faces(settled, faces)
        return found

    def _find(self, rows: Sequence[int], smallest: float, parts: Sequence[Part] | None = None) -> list[Faces]:
        if smallest > self._side or not rows:  # there is no size to search
            return [NO_FACES] * len(rows)
        sums = [self._sums[row] for row in rows]
        return [_confident(one, self._ratio) for one in self._cascade.find(sums, smallest, parts)]

    def _around(self, box: NDArray[np.float32], beyond: float) -> Part:
        wider = beyond * max(box[2] - box[0], box[3] - box[1])
        x0, y0, x1, y1 = (float(one) for one in box + wider * np.array([-1, -1, 1, 1]))
        return max(0.0, x0), max(0.0, y0), min(self._width, x1), min(self._height, y1)

    def _sides(self, faces: Faces) -> NDArray[np.float64]:
        """The size of each face."""
        return np.asarray([_side(box) for box in faces.boxes / np.tile(self._ratio, 2)], np.float64)


def size_below(pixels: float) -> float:
    """The largest face size of a full search that is not above `pixels`, or its smallest."""
    steps = math.floor(math.log(max(1.0, pixels / SMALLEST)) / -math.log(STEP))
    return SMALLEST / STEP**steps


def _start_below(size: float) -> float:
    """From what size on a full search is to be begun for a face of that size."""
    return size_below(BELOW * size)


def _side(box: NDArray[np.float32]) -> float:
    """The size of a face: the square root of its area."""
    return math.sqrt(max(1.0, float((box[2] - box[0]) * (box[3] - box[1]))))


def _confident(found: Found, ratio: NDArray[np.float32]) -> Faces:
    """What MTCNN said of one frame, without what it doubts; times `ratio` (x, y)."""
    boxes, scores, points = found
    kept = np.flatnonzero(scores >= MIN_CONFIDENCE)
    kept = kept[np.argsort(-scores[kept], kind="stable")]
    return Faces(boxes=boxes[kept] * np.tile(ratio, 2), scores=scores[kept], points=points[kept] * ratio)
