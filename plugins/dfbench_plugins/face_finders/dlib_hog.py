"""dlib's frontal face detector (histograms of oriented gradients): quick, needs no network, misses turned heads.

Frames are searched at most MAX_SIDE pixels large. The five points are those of dlib's 68 landmarks.
"""

from __future__ import annotations

from collections.abc import Sequence

import dlib
import numpy as np
from numpy.typing import NDArray

from dfbench import Faces, PluginError
from dfbench.data import landmark_file
from dfbench_plugins.face_finders.shrinking import shrunk

MAX_SIDE = 800
_EYES, _NOSE, _MOUTH = (slice(36, 42), slice(42, 48)), 30, (48, 54)


class DlibHog:
    """Finds frontal faces; the outcome for a frame does not depend on the other frames.

    Raises PluginError if the file of the 68 landmarks is not installed.
    """

    def __init__(self, device: str) -> None:
        del device  # on processors only
        path = landmark_file()
        if path is None:
            raise PluginError(
                "dlib's 68 landmarks are not installed", hints=("pip install face_recognition_models",)
            )
        self._detect = dlib.get_frontal_face_detector()
        self._predict = dlib.shape_predictor(str(path))

    def find(self, frames: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        """Faces of each (H, W, 3) uint8 RGB frame, largest confidence first."""
        return [self._find(frame) for frame in frames]

    def _find(self, frame: NDArray[np.uint8]) -> Faces:
        small, ratio = shrunk(frame, MAX_SIDE)
        found: tuple[list[dlib.rectangle], list[float]] = ([], [])
        for doublings in (0, 1):
            places, strengths, _ = self._detect.run(small, doublings, 0.0)
            found = list(places), list(strengths)
            if found[0]:
                break
        order = np.argsort(-np.asarray(found[1]), kind="stable")
        boxes = [(r.left(), r.top(), r.right() + 1, r.bottom() + 1) for r in found[0]]
        points = [_five(self._predict(small, place)) for place in found[0]]
        return Faces(
            boxes=(np.asarray(boxes).reshape(-1, 4) * np.tile(ratio, 2)).astype(np.float32)[order],
            # dlib's strength has no upper bound, and is 0 where it is in doubt.
            scores=(1 / (1 + np.exp(-np.asarray(found[1])))).astype(np.float32)[order],
            points=(np.asarray(points).reshape(-1, 5, 2) * ratio).astype(np.float32)[order],
        )


def _five(shape: dlib.full_object_detection) -> NDArray[np.float64]:
    marks = np.asarray([(part.x, part.y) for part in shape.parts()], dtype=np.float64)
    return np.stack([*(marks[eye].mean(axis=0) for eye in _EYES), marks[_NOSE], *(marks[[*_MOUTH]])])
