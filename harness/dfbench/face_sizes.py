"""How many pixels of a face are kept: what the face store must hold so that no detector is shown enlarged pixels."""

from __future__ import annotations

import math

STORED_MARGIN = 0.5  # that of the crops of the face store: a detector's may be smaller
STORED_SIZE = (
    320  # pixels a side to which crops may be shrunk for the store, unless a detector sees more detail
)
SIZE_STEP = 64  # of larger ones, so that detectors of about the same size share what is stored
MOST_STORED_SIZE = 2048  # crops are stored below twice as large
LONGEST_FACE = 4 / 3  # times its width: boxes of finders are hardly ever longer
# How crops get small enough: 1 at once, to `PrepareSpec.max_size`; 2 above STORED_SIZE by halves, never below `max_size`.
SHRINKING = 2


def stored_size(size: int, margin: float, *, square: bool = True) -> int:
    """Return how many pixels a side a stored crop must keep, where it has as many, so that crops of `size` px that reach
    `margin` beyond the face can be cut from it without being enlarged; at least STORED_SIZE, at most MOST_STORED_SIZE.

    Without `square` a crop has the shape of the box (`ClipSpec`), and shows its shorter side on `size` pixels, too.
    """
    needed = size * (1 + 2 * STORED_MARGIN) / (1 + 2 * margin) * (1 if square else LONGEST_FACE)
    if needed <= STORED_SIZE:
        return STORED_SIZE
    return min(MOST_STORED_SIZE, math.ceil(needed / SIZE_STEP) * SIZE_STEP)
