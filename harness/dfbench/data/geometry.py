"""Where a crop lies in a frame, and how pixels of the one become pixels of the other: shared by preparing and by cutting clips.

Boxes are x0, y0, x1, y1 in pixels of the frame, and continuous: pixel k covers [k, k + 1).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]


def square_around(box: NDArray[np.float32], margin: float) -> tuple[float, float, float]:
    """Return left, top and side of the square about the centre of `box` (4,) that reaches `margin` beyond its longer side.

    `margin` is a share of the longer side. The square may reach beyond the frame.
    """
    x0, y0, x1, y1 = (float(one) for one in box)
    side = max(x1 - x0, y1 - y0) * (1 + 2 * margin)
    return (x0 + x1 - side) / 2, (y0 + y1 - side) / 2, side


def crop_outline(
    box: NDArray[np.float32], margin: float, *, square: bool, frame_size: tuple[int, int]
) -> Box:
    """Return the part of a frame of `frame_size` (width, height) that the crop of a face at `box` (4,) shows: see `ClipSpec`."""
    if square:
        left, top, side = square_around(box, margin)
        return left, top, left + side, top + side
    x0, y0, x1, y1 = (float(one) for one in box)
    beyond_x, beyond_y = margin * (x1 - x0), margin * (y1 - y0)
    right, bottom = frame_size
    return (
        max(0.0, x0 - beyond_x),
        max(0.0, y0 - beyond_y),
        min(right, x1 + beyond_x),
        min(bottom, y1 + beyond_y),
    )


def crop_matrix(
    outline: Box, crop_box: NDArray[np.float32], *, shown: tuple[int, int], size: int
) -> NDArray[np.float64]:
    """Return the matrix (2, 3) from pixel centres of a clip's frame to those of the stored crop that it is cut from.

    The clip's frame shows `outline` of the video's frame on `size` x `size` pixels, the stored crop shows `crop_box` (4,) on
    `shown` (width, height) pixels.
    """
    left, top, right, bottom = outline
    x0, y0, x1, y1 = (float(one) for one in crop_box)
    width, height = shown
    across, down = width / (x1 - x0), height / (y1 - y0)
    wide, high = (right - left) / size, (bottom - top) / size
    return np.array(
        [
            [wide * across, 0.0, (left - x0 + 0.5 * wide) * across - 0.5],
            [0.0, high * down, (top - y0 + 0.5 * high) * down - 0.5],
        ]
    )
