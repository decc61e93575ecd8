"""MTCNN of facenet-pytorch behind the FaceFinder interface, with its pitfalls taken care of.

Frames are searched at most MAX_SIDE pixels large, and for faces of at least an eighth of the shorter side first:
small faces cost most of the time. Only frames without a find are searched again for smaller ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from facenet_pytorch import MTCNN
from numpy.typing import NDArray

from dfbench import Faces

MAX_SIDE = 400
MIN_CONFIDENCE = 0.8
FACE_SHARES = (1 / 6, 1 / 16)


class Mtcnn:
    """Finds faces with MTCNN; the outcome for a frame does not depend on the other frames."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._networks: dict[int, MTCNN] = {}

    def find(self, frames: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        """Faces of each (H, W, 3) uint8 RGB frame, largest confidence first."""
        return [self._find_one(frame) for frame in frames]

    def _find_one(self, frame: NDArray[np.uint8]) -> Faces:
        height, width = frame.shape[:2]
        scale = min(1.0, MAX_SIDE / max(height, width))
        if scale < 1:
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            small = np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        else:
            small = frame
        ratio = np.asarray([width / small.shape[1], height / small.shape[0]], dtype=np.float32)
        for share in FACE_SHARES:
            # MTCNN raises on images smaller than its smallest face.
            smallest = max(20, int(min(small.shape[:2]) * share))
            if smallest > min(small.shape[:2]):
                continue
            with torch.inference_mode():
                boxes, scores, points = self._network(smallest).detect(small, landmarks=True)
            if boxes is None:
                continue
            kept = np.flatnonzero(np.asarray(scores, np.float64) >= MIN_CONFIDENCE)
            if len(kept):
                kept = kept[np.argsort(-np.asarray(scores, np.float64)[kept], kind="stable")]
                return Faces(
                    boxes=np.asarray(boxes, np.float32)[kept] * np.tile(ratio, 2),
                    scores=np.asarray(scores, np.float32)[kept],
                    points=np.asarray(points, np.float32)[kept] * ratio,
                )
        return Faces(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32))

    def _network(self, smallest: int) -> MTCNN:
        if smallest not in self._networks:
            self._networks[smallest] = MTCNN(
                keep_all=True, min_face_size=smallest, device=self._device
            ).eval()
        return self._networks[smallest]
