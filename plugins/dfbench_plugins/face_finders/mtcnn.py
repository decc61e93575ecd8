"""MTCNN of facenet-pytorch behind the FaceFinder interface, with its pitfalls taken care of.

Small faces cost most of the time. A frame is searched for faces of at least a quarter of the shorter side first, and only
if there is none, for smaller ones. Of a video, besides, one frame of each batch is searched for faces of any size, and what
was seen in a frame is looked for near that place in the frames beside it (`MtcnnOfVideo`).

Frames above MAX_SIDE pixels are searched smaller.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from dfbench import Faces
from dfbench.data import merged_faces
from dfbench_plugins.face_finders.cascade import Cascade
from dfbench_plugins.face_finders.equal_frames import NO_FACES, EqualFrames

MAX_SIDE = 800


class Mtcnn:
    """Finds faces with MTCNN; up to rounding, the outcome for a frame does not depend on the other frames."""

    def __init__(self, device: str, *, max_side: int = MAX_SIDE) -> None:
        self._cascade, self._max_side = Cascade(device), max_side

    def find(self, frames: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        """Faces of each (H, W, 3) uint8 RGB frame; of small ones, all only where there is no large one."""
        found = []
        for equal in self.by_shape(frames):
            large = equal.large()
            small = iter(equal.small([row for row, one in enumerate(large) if not len(one.scores)]))
            found += [one if len(one.scores) else next(small) for one in large]
        return found

    def find_all(self, frames: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        """As `find`, but a full search of each frame, for faces from 20 px on."""
        return [one for equal in self.by_shape(frames) for one in equal.all_sizes(range(len(equal)))]

    def of_video(self) -> MtcnnOfVideo:
        """A finder for the frames of one video in their order."""
        return MtcnnOfVideo(self)

    def by_shape(self, frames: Sequence[NDArray[np.uint8]]) -> Iterator[EqualFrames]:
        """The frames in their order, as the networks want them: of one shape together."""
        for _, equal in groupby(frames, lambda frame: frame.shape):
            yield EqualFrames(list(equal), self._cascade, self._max_side)


class MtcnnOfVideo:
    """Finds faces of any size in the frames of one video, which are given in their order, some at once.

    Large faces are looked for in all of each frame. Of the frames given at once, the last is searched for faces of any
    size. What was seen in a frame and is not among the large faces of the next is looked for there where it was, first
    forwards, then from the last frame backwards. All of a frame in which there is no face so far is searched for small ones.
    So a small face beside another one is missed where it comes and goes between two full searches, and where it moves
    farther than a track is followed.
    """

    def __init__(self, finder: Mtcnn) -> None:
        self._finder = finder
        self._shape: tuple[int, ...] = ()
        self._last = NO_FACES

    def of_video(self) -> MtcnnOfVideo:
        """As of `Mtcnn`: for another video."""
        return MtcnnOfVideo(self._finder)

    def find(self, frames: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        """As of `Mtcnn`, with the small faces beside large ones."""
        found = []
        for equal in self._finder.by_shape(frames):
            if equal.shape != self._shape:  # other places
                self._shape, self._last = equal.shape, NO_FACES
            faces = self._follow(equal)
            self._last = faces[-1]
            found += faces
        return found

    def find_all(self, frames: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        """As of `Mtcnn`."""
        return self._finder.find_all(frames)

    def _follow(self, frames: EqualFrames) -> list[Faces]:
        found, last = frames.large(), len(frames) - 1
        before = self._last
        for row in range(last):
            found[row] = frames.with_near(row, found[row], before)
            if not len(found[row].scores):
                (found[row],) = frames.small([row])
            before = found[row]
        found[last] = merged_faces(found[last], frames.all_sizes([last])[0])
        for row in reversed(range(last)):
            found[row] = frames.with_near(row, found[row], found[row + 1])
        return found
