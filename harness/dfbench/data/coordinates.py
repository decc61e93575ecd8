"""Where a place in a face crop lies in the frame, and back.

Coordinates are continuous: pixel k covers [k, k + 1), so that a box (x0, y0, x1, y1) is the outline of its pixels and
cell j of w cells across it covers [x0 + j (x1 - x0) / w, x0 + (j + 1) (x1 - x0) / w).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from dfbench.data.geometry import crop_outline

Points = NDArray[np.float64]


def crop_boxes(
    boxes: NDArray[np.float32], margin: float, *, square: bool, frame_size: tuple[int, int]
) -> NDArray[np.float64]:
    """What `cut_crops` shows of faces at `boxes` (n, 4), in frame pixels: (n, 4) float64."""
    outlines = [crop_outline(box, margin, square=square, frame_size=frame_size) for box in boxes]
    return np.array(outlines, dtype=np.float64).reshape(-1, 4)


def to_frame(points: Points, box: Points, shape: tuple[int, int]) -> Points:
    """Points (..., 2), x then y, on a map of `shape` (h, w) over `box` (4,), in frame pixels."""
    scale = (box[2:] - box[:2]) / np.array(shape[::-1], dtype=np.float64)
    return np.asarray(box[:2] + points * scale, dtype=np.float64)


def peak(values: NDArray[np.float32], box: Points) -> tuple[float, float]:
    """Centre, in frame pixels (x, y), of the highest cell of a map (h, w) over `box`."""
    row, column = np.unravel_index(int(np.argmax(values)), values.shape)
    x, y = to_frame(np.array([column + 0.5, row + 0.5]), box, (values.shape[0], values.shape[1]))
    return float(x), float(y)


def cut_region(image: NDArray[np.uint8], box: Points, size: int) -> NDArray[np.float32]:
    """What a one-channel image (H, W) shows in `box`, on `size` x `size` cells, each the mean over it: float32.

    Outside of the image is 0.
    """
    sides = box[2:] - box[:2]
    fine = max(1, int(np.ceil(float(sides.max()) / size)))  # samples a cell and axis, about one a pixel
    wide, high = (sides / (size * fine)).tolist()
    matrix = np.array(
        [[wide, 0.0, box[0] + 0.5 * wide - 0.5], [0.0, high, box[1] + 0.5 * high - 0.5]], dtype=np.float64
    )
    side = (size * fine, size * fine)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    cut = cv2.warpAffine(image.astype(np.float32), matrix, side, flags=flags, borderMode=cv2.BORDER_CONSTANT)
    return np.asarray(cv2.resize(cut, (size, size), interpolation=cv2.INTER_AREA), dtype=np.float32)
