"""MTCNN of facenet-pytorch behind the FaceFinder interface, with its pitfalls taken care of.

Frames are searched for faces of at least a quarter of the shorter side first, because small faces cost most of the time;
only frames without a find are searched again for smaller ones. MTCNN looks for faces of certain sizes, and where it sees
one depends on these a little: the sizes are those of a full search, so that the boxes are its boxes
(docs/measurements.md). Frames above MAX_SIDE pixels are searched smaller.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from facenet_pytorch import MTCNN
from numpy.typing import NDArray

from dfbench import Faces
from dfbench_plugins.face_finders.shrinking import shrunk

MAX_SIDE = 800
SMALLEST, STEP = 20, 0.709  # sizes of faces in a full search: 20 px, 20 / 0.709 px, ...
MIN_CONFIDENCE = 0.8
FACE_SHARES = (1 / 4, 1 / 16)
_NONE = Faces(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32))


class Mtcnn:
    """Finds faces with MTCNN; up to rounding, the outcome for a frame does not depend on the other frames."""

    def __init__(self, device: str, *, max_side: int = MAX_SIDE) -> None:
        self._device, self._max_side = device, max_side
        self._networks: dict[float, MTCNN] = {}

    def find(self, frames: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        """Faces of each (H, W, 3) uint8 RGB frame, largest confidence first."""
        found = [_NONE] * len(frames)
        # MTCNN wants a batch of one size; the frames of a video are one nearly always.
        for shape in sorted({frame.shape for frame in frames}):
            rows = [row for row, frame in enumerate(frames) if frame.shape == shape]
            for row, faces in zip(rows, self._find_equal([frames[row] for row in rows]), strict=True):
                found[row] = faces
        return found

    def _find_equal(self, frames: list[NDArray[np.uint8]]) -> list[Faces]:
        pairs = [shrunk(frame, self._max_side) for frame in frames]
        small, ratio = np.stack([one for one, _ in pairs]), pairs[0][1]
        size = small.shape[1:3]
        found = [_NONE] * len(frames)
        left = list(range(len(frames)))
        for share in FACE_SHARES:
            smallest = size_below(min(size) * share)
            if smallest > min(size) or not left:  # MTCNN raises on images smaller than its smallest face
                continue
            with torch.inference_mode():
                answers = self._network(smallest).detect(_planar(small[left]), landmarks=True)
            for row, boxes, scores, points in zip(left, *answers, strict=True):
                found[row] = _confident(boxes, scores, points, ratio)
            left = [row for row in left if not len(found[row].scores)]
        return found

    def _network(self, smallest: float) -> MTCNN:
        if smallest not in self._networks:
            made = MTCNN(keep_all=True, min_face_size=smallest, device=self._device).eval()
            self._networks[smallest] = made.to(memory_format=torch.channels_last)  # pools much faster so
        return self._networks[smallest]


def size_below(pixels: float) -> float:
    """The largest face size of a full search that is not above `pixels`, or its smallest."""
    steps = math.floor(math.log(max(1.0, pixels / SMALLEST)) / -math.log(STEP))
    return SMALLEST / STEP**steps


def _planar(frames: NDArray[np.uint8]) -> torch.Tensor:
    """The same (n, H, W, 3) frames with each colour in one piece: MTCNN resizes hundreds of parts, each colour alone."""
    return torch.from_numpy(np.ascontiguousarray(frames.transpose(0, 3, 1, 2))).permute(0, 2, 3, 1)


def _confident(boxes: Any, scores: Any, points: Any, ratio: NDArray[np.float32]) -> Faces:
    """What MTCNN said of one frame, None where it saw nothing, without what it doubts; times `ratio` (x, y)."""
    if boxes is None:
        return _NONE
    sure = np.asarray(scores, np.float32)
    kept = np.flatnonzero(sure >= MIN_CONFIDENCE)
    kept = kept[np.argsort(-sure[kept], kind="stable")]
    return Faces(
        boxes=np.asarray(boxes, np.float32)[kept] * np.tile(ratio, 2),
        scores=sure[kept],
        points=np.asarray(points, np.float32)[kept] * ratio,
    )
