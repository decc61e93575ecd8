"""From a face track to what is stored of it: its crops, landmarks and how sharp it is."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from dfbench.data.faces.landmarks import detect_landmarks
from dfbench.data.faces.search import Frame
from dfbench.data.faces.tracking import MainFace
from dfbench.data.store.crop_sizes import as_stored, stored_square
from dfbench.data.store.face_files import StoredFaces
from dfbench.types import FaceTrack, PrepareSpec

QUALITY_SIDE = 96


class Cutting:
    """Cuts a face out of its frames as they come, by a spec."""

    def __init__(self, main: MainFace, spec: PrepareSpec) -> None:
        self._main, self._spec = main, spec
        self._crops: list[NDArray[np.uint8]] = []
        self._outlines: list[tuple[int, int, int, int]] = []
        self._landmarks: list[NDArray[np.float32]] = []
        self._quality: list[float] = []
        self._positions: list[int] = []
        self._kind = "none"
        self._size = (0, 0)

    def take(self, position: int, image: NDArray[np.uint8]) -> None:
        """Cut the face out of the next frame (H, W, 3) that it is in, at `position` in the video."""
        row, spec = len(self._crops), self._spec
        box, five = self._main.boxes[row], self._main.points[row]
        # Whole pixels, so that a crop at native scale holds the very pixels of the frame.
        square = stored_square(box, spec)
        height, width = image.shape[:2]
        rows = np.clip(np.arange(square.top, square.top + square.kept), 0, height - 1)
        columns = np.clip(np.arange(square.left, square.left + square.kept), 0, width - 1)
        crop = image[np.ix_(rows, columns)]
        if spec.landmarks:
            corner = np.asarray([square.left, square.top], dtype=np.float32)
            seen = crop[: square.native, : square.native]  # by every spec, however much of the frame it keeps
            points, self._kind = detect_landmarks(seen, box - np.tile(corner, 2), five - corner)
            self._landmarks.append(points + corner)
        self._quality.append(sharpness(image, box))
        self._crops.append(np.ascontiguousarray(as_stored(crop, square, spec)))
        self._outlines.append((square.left, square.top, square.left + square.kept, square.top + square.kept))
        self._positions.append(position)
        self._size = (width, height)

    def done(self) -> StoredFaces:
        """What was cut, without what else was seen in the video."""
        count = len(self._crops)
        marks = np.stack(self._landmarks) if self._landmarks else np.zeros((count, 0, 2), np.float32)
        return StoredFaces(
            crops=self._crops,
            crop_boxes=np.asarray(self._outlines, dtype=np.float32).reshape(count, 4),
            track=FaceTrack(
                frame_indices=np.asarray(self._positions, dtype=np.int64),
                boxes=self._main.boxes,
                scores=self._main.scores,
                landmarks=marks,
                landmark_kind=self._kind,
                frame_size=self._size,
                quality=np.asarray(self._quality, dtype=np.float32),
            ),
        )


def crop_track(frames: Iterable[Frame], main: MainFace, spec: PrepareSpec) -> StoredFaces:
    """The crops of `main` out of its (position, frame) pairs, with landmarks if `spec` asks for them."""
    cutting = Cutting(main, spec)
    for (position, image), _ in zip(frames, main.rows, strict=True):
        cutting.take(position, image)
    return cutting.done()


def sharpness(image: NDArray[np.uint8], box: NDArray[np.float32]) -> float:
    """Variance of the Laplacian of the face in `box` (4,) at 96 px, in squared grey levels; 0 outside of the frame."""
    height, width = image.shape[:2]
    x0, y0, x1, y1 = (round(float(one)) for one in np.clip(box, 0, [width, height, width, height]))
    if x1 <= x0 or y1 <= y0:
        return 0.0
    grey = cv2.cvtColor(image[y0:y1, x0:x1], cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (QUALITY_SIDE, QUALITY_SIDE), interpolation=cv2.INTER_AREA)
    return float(cv2.Laplacian(small, cv2.CV_32F).var())
