"""How a forged face is put into a frame: masks from landmarks, colour correction, feathered or Poisson blending."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np

from dfbench_plugins.demo.manipulations.recipes import Kind, Recipe
from dfbench_plugins.demo.pixels import F32, U8, vector

Box = tuple[int, int, int, int]


def face_box(points: F32, size: tuple[int, int]) -> Box:
    """The part of a frame of `size` (width, height) that a forgery may touch: x0, y0, x1, y1."""
    low, high = points.min(axis=0), points.max(axis=0)
    reach = 0.35 * float(high[0] - low[0])
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


def match_colour(face: F32, target: F32, mask: F32, recipe: Recipe) -> F32:
    """`face` with its mean and spread moved towards `target`'s under `mask`, as imperfectly as `recipe` says."""
    inside = np.ascontiguousarray(mask[::2, ::2] > 0.5).astype(np.uint8)  # every other pixel says enough
    if cv2.countNonZero(inside) < 16:
        return face
    source_mean, source_std = _moments(face, inside)
    target_mean, target_std = _moments(target, inside)
    gain = 1.0 + recipe.colour * (np.clip((target_std + 1.0) / (source_std + 1.0), 0.7, 1.4) - 1.0) * 0.8
    shift = recipe.colour * (target_mean - source_mean)
    centred = (face - source_mean) * gain + source_mean + shift
    return cast(F32, (centred + np.array(recipe.tint, dtype=np.float32)).astype(np.float32))


def _moments(image: F32, inside: U8) -> tuple[F32, F32]:
    mean, std = cv2.meanStdDev(np.ascontiguousarray(image[::2, ::2]), mask=inside)
    return cast(F32, mean[:, 0].astype(np.float32)), cast(F32, std[:, 0].astype(np.float32))


def blend(target: U8, face: F32, mask: F32, recipe: Recipe) -> U8:
    """Lay `face` over `target` (h, w, 3) under `mask`, by feathering or, where the recipe says so, by gradients."""
    laid = np.clip(face, 0, 255)
    if recipe.poisson:
        hard = (mask > 0.4).astype(np.uint8) * 255
        hard[[0, -1], :] = 0
        hard[:, [0, -1]] = 0
        rows, columns = np.nonzero(hard)
        if len(rows) > 64:
            centre = (
                (int(columns.min()) + int(columns.max()) + 1) // 2,
                (int(rows.min()) + int(rows.max()) + 1) // 2,
            )
            return cast(U8, cv2.seamlessClone(laid.astype(np.uint8), target, hard, centre, cv2.NORMAL_CLONE))
    base = target.astype(np.float32)
    return cast(U8, np.clip(base + (laid - base) * mask[..., None] + 0.5, 0, 255).astype(np.uint8))
