"""Face masks drawn from landmarks: four kinds of hull, as unions of convex polygons.

The kinds are those of the face-swapping literature, by which self-blended images (Shiohara and Yamasaki, CVPR
2022) vary what part of a face is exchanged.
"""

from __future__ import annotations

from enum import IntEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from dfbench import SynthesisError


class HullKind(IntEnum):
    """What a hull covers; the values are the released code's."""

    DFL_FULL = 0  # jaw with mouth, nose ridge, eyes with brows
    EXTENDED = 1  # like COMPONENTS, with the brows raised by half the height of the eye region
    COMPONENTS = 2  # eight overlapping parts of the face below the brows
    FACEHULL = 3  # everything inside the outline of all points, forehead included if there are 81


_CHIN = 8
_DFL_PARTS: tuple[tuple[int, ...], ...] = (
    (*range(17), *range(48, 68)),
    (*range(27, 31), 33),
    (*range(17, 27), 0, 27, 16, 33),
)
_COMPONENTS: tuple[tuple[int, ...], ...] = (
    (*range(9), 17),  # jaw, one side
    (*range(8, 17), 26),
    (*range(17, 20), _CHIN),  # cheeks
    (*range(24, 27), _CHIN),
    (*range(19, 25), _CHIN),  # middle of the face
    (*range(17, 22), 27, *range(31, 36), _CHIN),  # eyes
    (*range(22, 27), 27, *range(31, 36), _CHIN),
    tuple(range(27, 36)),  # nose
)


def hull_mask(
    landmarks: NDArray[np.floating] | NDArray[np.integer], kind: HullKind, shape: tuple[int, int]
) -> NDArray[np.uint8]:
    """The hull as (H, W) uint8, 1 inside and 0 outside.

    landmarks: (68, 2) or (81, 2), x y in pixels, truncated to whole pixels before anything else, as in the released
    code; points outside of the frame are welcome. `shape` is (H, W). Raises SynthesisError if a landmark is not finite.
    """
    if not np.isfinite(landmarks).all():
        raise SynthesisError("a landmark is not a finite number", hints=("prepare this video again",))
    height, width = shape
    # Far-away points would overflow the fixed-point arithmetic of the polygon filler.
    reach = 8.0 * max(height, width)
    points = np.clip(landmarks, -reach, reach).astype(np.int32)
    if kind is HullKind.EXTENDED:
        points = _raise_brows(points)
    mask = np.zeros(shape, np.uint8)
    for part in _parts(kind, len(points)):
        cv2.fillConvexPoly(mask, cv2.convexHull(points[list(part)]), 1)
    return mask


def _parts(kind: HullKind, count: int) -> tuple[tuple[int, ...], ...]:
    if kind is HullKind.FACEHULL:
        return (tuple(range(count)),)
    return _DFL_PARTS if kind is HullKind.DFL_FULL else _COMPONENTS


def _raise_brows(points: NDArray[np.int32]) -> NDArray[np.int32]:
    """Move each brow point away from the point of the eye below it by half their distance, in whole pixels."""
    left_middle = (points[36] + points[0]) // 2
    right_middle = (points[45] + points[16]) // 2
    under_left = np.stack([(points[36] + left_middle) // 2, *points[36:40]])
    under_right = np.stack([*points[42:46], (points[45] + right_middle) // 2])
    raised = points.copy()
    raised[17:22] += (points[17:22] - under_left) // 2
    raised[22:27] += (points[22:27] - under_right) // 2
    return raised
