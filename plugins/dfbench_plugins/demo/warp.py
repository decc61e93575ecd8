"""Look up images at moved places so that every processor gives the same bytes.

`cv2.warpAffine`, and `cv2.remap` with places in float32, round otherwise from processor to processor. With places and weights
in whole numbers of 1/32 `cv2.remap` computes in whole numbers.
"""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from dfbench_plugins.demo.pixels import F32, U8

FINE = 64.0  # parts of a pixel, to which places on a coarse grid are rounded
REACH = 511.0  # pixels: no place on a coarse grid lies farther out


def spread(coarse: F32, step: int) -> F32:
    """`coarse` (h, w) or (h, w, c), of whole numbers / FINE, linearly resampled to `step` (2, 4 or 8) times its size.

    No number on the way has more than 24 digits (9 before the point, 6 of FINE, 4 for each of two weights), so nothing is
    rounded, whichever way OpenCV takes.
    """
    size = (coarse.shape[1] * step, coarse.shape[0] * step)
    return cast(F32, cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR))


def on_grid(values: F32) -> F32:
    """`values` between -REACH and REACH, rounded to whole numbers / FINE."""
    return cast(F32, np.rint(np.clip(values, -REACH, REACH) * np.float32(FINE)) / np.float32(FINE))


def look_up(image: U8, places: F32, *, border: int = cv2.BORDER_CONSTANT) -> U8:
    """`image` at `places` (h, w, 2): x and y in pixels, from the middle of the first one."""
    pixels, weights = cv2.convertMaps(places, None, cv2.CV_16SC2)
    return cast(U8, cv2.remap(image, pixels, weights, cv2.INTER_LINEAR, borderMode=border))


def move(image: U8, how: NDArray[np.float64], size: tuple[int, int], *, border: int) -> U8:
    """`image` moved by the affine map `how` (2, 3), onto a frame of `size` (width, height)."""
    (a, b, c), (d, e, f) = (tuple(float(value) for value in row) for row in how)
    scale = 1.0 / (a * e - b * d)
    back_x = (e * scale, -b * scale, (b * f - c * e) * scale)
    back_y = (-d * scale, a * scale, (c * d - a * f) * scale)
    places = np.empty((size[1], size[0], 2), dtype=np.float32)
    for axis, (by_x, by_y, start) in enumerate((back_x, back_y)):
        columns = (np.arange(size[0]) * by_x).astype(np.float32)
        rows = (np.arange(size[1]) * by_y + start).astype(np.float32)
        np.add(columns, rows[:, None], out=places[..., axis])
    return look_up(image, places, border=border)
