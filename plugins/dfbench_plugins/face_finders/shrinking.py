"""Frames as small as a finder wants them: faces are large, and time goes with the number of pixels."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def shrunk(frame: NDArray[np.uint8], max_side: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """`frame` (H, W, 3) with no side above `max_side` pixels, and what its places (x, y) are to be multiplied by."""
    height, width = frame.shape[:2]
    scale = min(1.0, max_side / max(height, width))
    if scale == 1:
        return np.ascontiguousarray(frame), np.ones(2, np.float32)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)
    return small, np.asarray([width / size[0], height / size[1]], dtype=np.float32)
