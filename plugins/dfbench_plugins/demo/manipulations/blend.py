"""How a forged face is put into a frame: masks from landmarks, colour correction, feathered or Poisson blending."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from dfbench_plugins.demo.manipulations.recipes import Kind, Recipe
from dfbench_plugins.demo.pixels import F32, U8, vector

Box = tuple[int, int, int, int]


def face_box(points: F32, size: tuple[int, int]) -> Box:
    """The part of a frame of `size` (width, height) that a forgery may touch: x0, y0, x1, y1."""
    low, high = points.min(axis=0), points.max(axis=0)
    reach = 0.16 * float(high[0] - low[0])
    x0, y0 = int(max(low[0] - reach, 0)), int(max(low[1] - reach, 0))
    x1, y1 = int(min(high[0] + reach, size[0])), int(min(high[1] + reach, size[1]))
    return x0, y0, max(x1, x0 + 2), max(y1, y0 + 2)


def face_mask(points: F32, box: Box, *, kind: Kind, feather: float) -> F32:
    """Share of forged pixels (h, w) in [0, 1] within `box`; `feather` in pixels lies inside the hull's edge."""
    region = (
        _mouth_region(points) if kind is Kind.MOUTH else _face_region(points, tight=kind is Kind.AUTOENCODER)
    )
    hull = cv2.convexHull(region - vector(box[0], box[1]))
    mask = np.zeros((box[3] - box[1], box[2] - box[0]), dtype=np.uint8)
    cv2.fillConvexPoly(mask, np.rint(hull * 16).astype(np.int32), 255, lineType=cv2.LINE_AA, shift=4)
    inset = max(1, round(feather))
    mask = cv2.erode(mask, np.ones((2 * inset + 1, 2 * inset + 1), dtype=np.uint8), borderValue=0)
    soft = cv2.GaussianBlur(mask, (0, 0), max(feather * 0.7, 0.5))
    return cast(F32, soft.astype(np.float32) / np.float32(255.0))


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


def match_colour(face: U8, target: U8, mask: F32, recipe: Recipe) -> U8:
    """`face` with its mean and spread moved towards `target`'s under `mask`, as imperfectly as `recipe` says."""
    inside = np.ascontiguousarray(mask[::2, ::2] > 0.5).astype(np.uint8)  # every other pixel says enough
    if cv2.countNonZero(inside) < 16:
        return face
    source_mean, source_std = _moments(face, inside)
    target_mean, target_std = _moments(target, inside)
    gain = 1.0 + recipe.colour * (np.clip((target_std + 1.0) / (source_std + 1.0), 0.7, 1.4) - 1.0) * 0.8
    shift = source_mean * (1.0 - gain) + recipe.colour * (target_mean - source_mean) + np.array(recipe.tint)
    return cast(U8, cv2.transform(face, np.hstack((np.diag(gain), shift[:, None]))))


def _moments(image: U8, inside: U8) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    mean, std = cv2.meanStdDev(np.ascontiguousarray(image[::2, ::2]), mask=inside)
    return mean[:, 0], std[:, 0]


def blend(target: U8, face: U8, mask: F32, recipe: Recipe) -> U8:
    """Lay `face` over `target` (h, w, 3) under `mask`, by feathering or, where the recipe says so, by gradients."""
    if recipe.poisson:
        hard = (mask > 0.4).astype(np.uint8) * 255
        hard[[0, -1], :] = 0
        hard[:, [0, -1]] = 0
        left, top, wide, tall = cv2.boundingRect(hard)
        if wide > 8 and tall > 8:
            return cast(
                U8,
                cv2.seamlessClone(face, target, hard, (left + wide // 2, top + tall // 2), cv2.NORMAL_CLONE),
            )
    return cast(U8, cv2.blendLinear(face, np.ascontiguousarray(target), mask, 1.0 - mask))
