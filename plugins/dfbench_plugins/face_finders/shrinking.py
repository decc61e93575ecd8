"""Frames, and parts of them, as small as a finder wants them: time goes with the number of pixels.

What is wanted in many sizes is summed up once: the mean colour of any part can be read off the sums. They are whole numbers,
so that it is the very value that adding up its pixels gives.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Bins = tuple[NDArray[np.int64], NDArray[np.int64]]


def shrunk(frame: NDArray[np.uint8], max_side: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """`frame` (H, W, 3) with no side above `max_side` pixels, and what its places (x, y) are to be multiplied by."""
    height, width = frame.shape[:2]
    scale = min(1.0, max_side / max(height, width))
    if scale == 1:
        return np.ascontiguousarray(frame), np.ones(2, np.float32)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)
    return small, np.asarray([width / size[0], height / size[1]], dtype=np.float32)


def summed(frame: NDArray[np.uint8]) -> NDArray[np.int32]:
    """(H + 1, W + 1, 3): the sum of all pixels above and to the left of each place of an (H, W, 3) frame."""
    return np.asarray(cv2.integral(frame), np.int32)


def means_of(sums: NDArray[np.int32], lines: Bins, columns: Bins) -> NDArray[np.float32]:
    """The mean colours (h, w, 3) float32 of h x w bins of a frame given by `summed`, as torch's mode "area" has them."""
    (top, bottom), (left, right) = lines, columns
    first, end = int(left[0]), int(right[-1]) + 1
    across: Any = sums[bottom, first:end] - sums[top, first:end]
    means = (across.take(right - first, axis=1) - across.take(left - first, axis=1)).astype(np.float32)
    means /= (bottom - top).astype(np.float32)[:, None, None]
    means /= (right - left).astype(np.float32)[:, None]
    return np.asarray(means, np.float32)


def bins(start: int, stop: int, count: int, first: int = 0, end: int | None = None) -> Bins:
    """Where `count` bins between two places begin and end, from the `first` to before `end`.

    They overlap where they do not fit.
    """
    steps = np.arange(first, (count if end is None else end) + 1, dtype=np.int64) * (stop - start)
    return start + steps[:-1] // count, start - -steps[1:] // count
