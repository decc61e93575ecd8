"""How a forged face is put into a frame: masks from landmarks, colour correction, feathered or Poisson blending."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import fft

from dfbench_plugins.demo import exact
from dfbench_plugins.demo.manipulations.recipes import Kind, Recipe
from dfbench_plugins.demo.pixels import F32, U8, vector, with_levels

Box = tuple[int, int, int, int]
FORGED = 102  # above this, of 255, a pixel counts as forged


def face_box(points: F32, size: tuple[int, int]) -> Box:
    """The part of a frame of `size` (width, height) that a forgery may touch: x0, y0, x1, y1."""
    low, high = points.min(axis=0), points.max(axis=0)
    reach = 0.16 * float(high[0] - low[0])
    x0, y0 = int(max(low[0] - reach, 0)), int(max(low[1] - reach, 0))
    x1, y1 = int(min(high[0] + reach, size[0])), int(min(high[1] + reach, size[1]))
    return x0, y0, max(x1, x0 + 2), max(y1, y0 + 2)


def face_mask(points: F32, box: Box, *, kind: Kind, feather: float) -> U8:
    """Share of forged pixels (h, w), of 255, within `box`; `feather` in pixels lies inside the hull's edge."""
    region = (
        _mouth_region(points) if kind is Kind.MOUTH else _face_region(points, tight=kind is Kind.AUTOENCODER)
    )
    hull = cv2.convexHull(region - vector(box[0], box[1]))
    mask = np.zeros((box[3] - box[1], box[2] - box[0]), dtype=np.uint8)
    cv2.fillConvexPoly(mask, np.rint(hull * 16).astype(np.int32), 255, lineType=cv2.LINE_AA, shift=4)
    inset = max(1, round(feather))
    mask = cv2.erode(mask, np.ones((2 * inset + 1, 2 * inset + 1), dtype=np.uint8), borderValue=0)
    return cast(U8, cv2.GaussianBlur(mask, (0, 0), max(feather * 0.7, 0.5)))


def _face_region(points: F32, *, tight: bool) -> F32:
    middle = points[27:68].mean(axis=0)
    jaw = middle + (points[1:16] - middle) * np.float32(0.86 if tight else 0.96)
    lift = (points[27] - points[8]) * np.float32(0.10 if tight else 0.05)
    return np.concatenate((jaw, points[17:27] + lift))


def _mouth_region(points: F32) -> F32:
    middle = points[48:60].mean(axis=0)
    lips = middle + (points[48:60] - middle) * vector(1.75, 2.1)
    jaw = middle + (points[4:13] - middle) * np.float32(0.82)
    return np.concatenate((lips, jaw, points[31:36]))


def match_colour(face: U8, target: U8, mask: U8, recipe: Recipe) -> U8:
    """`face` with its mean and spread moved towards `target`'s under `mask`, as imperfectly as `recipe` says."""
    inside = mask[::2, ::2] > 127  # every other pixel says enough
    if np.count_nonzero(inside) < 16:
        return face
    source_mean, source_std = _moments(face, inside)
    target_mean, target_std = _moments(target, inside)
    gain = 1.0 + recipe.colour * (np.clip((target_std + 1.0) / (source_std + 1.0), 0.7, 1.4) - 1.0) * 0.8
    shift = source_mean * (1.0 - gain) + recipe.colour * (target_mean - source_mean) + np.array(recipe.tint)
    return with_levels(face, np.arange(256.0)[:, None] * gain + shift)


def _moments(image: U8, inside: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    values = image[::2, ::2][inside].astype(np.int64)
    total, squares = values.sum(axis=0), (values * values).sum(axis=0)
    return total / len(values), np.sqrt(len(values) * squares - total * total) / len(values)


def blend(target: U8, face: U8, mask: U8, recipe: Recipe) -> U8:
    """Lay `face` over `target` (h, w, 3) under `mask`, by feathering or, where the recipe says so, by gradients."""
    if recipe.poisson:
        hard = (mask > FORGED).astype(np.uint8)
        hard[[0, -1], :] = 0
        hard[:, [0, -1]] = 0
        left, top, wide, tall = cv2.boundingRect(hard)
        if wide > 8 and tall > 8:
            part = np.s_[top : top + tall, left : left + wide]
            cloned = target.copy()
            cloned[part] = _with_gradients(target[part], face[part], hard[part])
            return cloned
    # Whole numbers of 256ths: their products with bytes, and the sums of these, are exact.
    share = (mask.astype(np.float32) + (mask >> 7)) * np.float32(1.0 / 256.0)
    return cast(U8, cv2.blendLinear(face, np.ascontiguousarray(target), share, 1.0 - share))


def _with_gradients(target: U8, face: U8, hard: U8) -> U8:
    """`target` (h, w, 3) with `face`'s gradients where `hard` is 1, three pixels from its edge, and its own border.

    The difference from `target` solves Poisson's equation, by sines. Source: Perez et al. 2003, equation 10. SciPy's float32
    transform has one path for all processors, OpenCV's seamlessClone has not.
    """
    inside = cv2.erode(hard, np.ones((7, 7), dtype=np.uint8)).astype(np.float32)[..., None]
    other = face.astype(np.float32) - target
    across = (other[:, 1:] - other[:, :-1]) * inside[:, :-1]
    down = (other[1:] - other[:-1]) * inside[:-1]
    sources = across[1:-1, 1:] - across[1:-1, :-1] + down[1:, 1:-1] - down[:-1, 1:-1]
    rows, columns = (
        (2.0 * exact.sin(np.arange(1, n + 1) * (0.5 * np.pi / (n + 1)))) ** 2 for n in sources.shape[:2]
    )
    waves = fft.dstn(sources, type=1, axes=(0, 1), norm="ortho")
    waves /= -(rows[:, None] + columns).astype(np.float32)[..., None]
    mended = target.copy()
    moved = fft.dstn(waves, type=1, axes=(0, 1), norm="ortho") + target[1:-1, 1:-1]
    mended[1:-1, 1:-1] = np.clip(np.rint(moved), 0.0, 255.0).astype(np.uint8)
    return mended
