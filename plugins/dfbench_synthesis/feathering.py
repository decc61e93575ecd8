"""A soft edge inside of a mask, as wide as the mask is large."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from dfbench import SynthesisError

_WIDTH = 0.2  # of the edge, as a share of the larger side of the mask
_LEAST = 3  # pixels across, below which a mask has no inside


def feathered(mask: NDArray[np.uint8]) -> NDArray[np.float64]:
    """A mask (H, W), 0 or 1, as shares (H, W) that rise from 0 at the edge of its convex hull to 1 within it.

    The rise is linear in the distance to the hull's edge. Outside of the mask the share is 0, inside of a hollow too.
    Raises SynthesisError for a mask without an inside.
    """
    left, top, width, height = cv2.boundingRect(mask)
    if min(width, height) < _LEAST:
        raise SynthesisError("nothing is left of the part of the face to exchange", hints=("draw again",))
    rows, columns = np.nonzero(mask[top : top + height, left : left + width])
    hull = cv2.convexHull(np.stack([columns, rows], axis=1).astype(np.int32))[:, 0].astype(np.int64)
    # Inside of a convex polygon, its edge is as far away as the nearest of the lines through its sides. Squares of whole
    # numbers, of which the root is taken last, round as OpenCV's distance to a polygon does.
    squares = np.full(len(rows), np.inf)
    for (x, y), (along, down) in zip(hull, np.roll(hull, -1, axis=0) - hull, strict=True):
        across = (rows - y) * along - (columns - x) * down
        np.minimum(squares, across**2 / (along**2 + down**2), out=squares)
    distances = np.sqrt(squares)
    soft = np.zeros(mask.shape)
    soft[rows + top, columns + left] = np.clip(distances / (_WIDTH * (max(width, height) - 1)), 0, 1)
    return soft
