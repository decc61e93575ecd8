"""Where frames follow one another without a gap: for tracks, which may not jump, and for clips of successive frames."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def stretches(frame_indices: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return (first row, row after the last) of each longest stretch of successive frames, in order.

    `frame_indices`: positions in the video (n,), rising.
    """
    if not len(frame_indices):
        return []
    breaks = (np.flatnonzero(np.diff(frame_indices) != 1) + 1).tolist()
    return list(zip([0, *breaks], [*breaks, len(frame_indices)], strict=True))
