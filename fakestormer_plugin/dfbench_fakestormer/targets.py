"""What FakeSTormer's three branches learn from a pseudo-fake: where it is vulnerable, how that changes, how fake
each frame is.

Vulnerability is 4 m (1 - m) of the blending mask m: highest where foreground and background are mixed half and
half, 0 where there is only one of them (FakeSTormer, ICCV 2025, section 3). All maps here are sampled on the grid
of the model's patches, uint8, 0 to 255.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from dfbench_synthesis.geometric import warp_to

HeatmapKind = Literal["m_std_normalized", "gaussian", "vulnerability"]
Derivative = Literal["mended", "absolute", "released"]
Cells = Literal["area", "point"]

_GAUSSIAN_SIGMA = 0.5  # cells and frames


class Chooser(Protocol):
    """A generator that can choose: `numpy.random.Generator`, or the legacy one when released draws are replayed."""

    def choice(self, a: int, size: int, replace: bool) -> NDArray[np.int64]:
        """`size` of the numbers below `a`."""


def vulnerability(masks: NDArray[np.float32]) -> NDArray[np.uint8]:
    """4 m (1 - m) times 255, truncated, of blending masks in [0, 1] of any shape."""
    strength = 4 * masks
    strength *= 1 - masks
    strength *= 255
    return strength.astype(np.uint8)


def vulnerability_grid(masks: NDArray[np.float32], size: int, *, cells: Cells = "area") -> NDArray[np.uint8]:
    """The vulnerability of blending masks (T, H, W) on a grid of (T, size, size) cells, one a patch of the model.

    "point" takes one bilinear sample a cell, corner on corner, as the released code does. The band where faces are
    blended is often thinner than a cell, and then slips between the samples. "area" takes the mean over each cell,
    times the one factor that makes the clip's most vulnerable cell 255 (soft labels are relative to that; the
    normalised heat maps do not depend on it).
    """
    strength = vulnerability(masks)
    if cells == "point":
        return warp_to(strength, size)
    means = np.stack(
        [cv2.resize(one, (size, size), interpolation=cv2.INTER_AREA) for one in strength.astype(np.float32)]
    )
    peak = float(means.max())
    return np.rint(means * (255 / peak)).astype(np.uint8) if peak > 0 else np.zeros(means.shape, np.uint8)


def temporal_heatmaps(
    maps: NDArray[np.uint8], *, kind: HeatmapKind = "m_std_normalized", derivative: Derivative = "mended"
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The spatio-temporal target of a fake clip and of its real partner, each (T, h, w) float64.

    maps: (T, h, w) uint8 vulnerability of the fake. The derivative has T - 1 maps; a map of zeros stands in front.

    * "m_std_normalized": the derivative less its mean, over its standard deviation; zeros if nothing changes. The
      real clip, which has no derivative, gets a zero map normalised in the same way: one constant.
    * "gaussian": a Gaussian of deviation 0.5 around each largest derivative; zeros for the real clip.
    * "vulnerability": no derivative at all but the maps themselves, normalised as in "m_std_normalized". It says where
      a clip is forged even if nothing moves.

    `derivative` "mended" is the signed difference m[t+1] - m[t], "absolute" its size. "released" is what the
    authors' code computes: the difference of uint8 maps wraps around, so that a decrease by 1 counts as 255.
    """
    change = maps if kind == "vulnerability" else _difference(maps, derivative)
    fake = np.zeros(maps.shape, np.float64)
    real = np.zeros(maps.shape, np.float64)
    deviation = float(change.std()) if change.size else 0.0
    if kind == "gaussian":
        if change.any():
            fake[1:] = change
            fake = _peaks(fake, float(change.max()))
    elif deviation > 0:
        mean = float(change.mean())
        fake[len(maps) - len(change) :] = change
        fake = (fake - mean) / deviation
        real -= mean / deviation
    return fake, real


def _difference(maps: NDArray[np.uint8], derivative: Derivative) -> NDArray[np.generic]:
    if derivative == "released":
        return np.diff(maps, axis=0)
    signed = np.diff(maps.astype(np.int16), axis=0)
    return np.abs(signed) if derivative == "absolute" else signed


def _peaks(change: NDArray[np.float64], highest: float) -> NDArray[np.float64]:
    """The largest of the Gaussians that stand on all cells (of frames after the first) of the highest value."""
    steps, rows, columns = change.shape
    at = np.argwhere(change[1:] == highest) + np.array([1, 0, 0])
    # A 3-D Gaussian is a product of three, one an axis; there are few peaks, so all of them at once.
    along = [
        np.exp(-((np.arange(length)[None] - at[:, axis : axis + 1]) ** 2) / (2 * _GAUSSIAN_SIGMA**2))
        for axis, length in enumerate((steps, rows, columns))
    ]
    peaks = np.zeros(change.shape)
    for one_step, one_row, one_column in zip(*along, strict=True):
        np.maximum(peaks, one_step[:, None, None] * one_row[:, None] * one_column, out=peaks)
    return peaks


@dataclass(frozen=True, slots=True, eq=False)
class MaskOut:
    """Which cells are hidden from the model and how fake each frame still is.

    keep (h, w) uint8, 1 where visible, the same for all frames; labels (T,) float64 in [1/255, 1].
    """

    keep: NDArray[np.uint8]
    labels: NDArray[np.float64]


def mask_out(
    maps: NDArray[np.uint8], *, intensity: float, rng: Chooser, share: float = 0.01, strict: bool = False
) -> MaskOut:
    """Hide the most vulnerable cells, so that what is left is `intensity` fake, and say so in soft labels.

    maps: (T, h, w) uint8 vulnerability; `intensity` in (0, 1]. All cells of frame 0 above the largest value
    under 255 * intensity are hidden, besides at least one cell and, together, at least `share` of all cells,
    chosen at random. The soft label of frame 0 is `intensity` (or its maximum, where that is lower), that of the
    others the highest vulnerability still visible, over 255.

    `strict` raises ValueError where no cell is left to choose from, as the released code does; otherwise the random
    cells are then left out.
    """
    first = maps[0]
    wanted = math.ceil(share * first.size)
    intensity = min(intensity, max(1, int(first.max())) / 255)
    below = first[first < 255 * intensity]
    bound = max(1, int(below.max())) if below.size else 1
    flat = first.reshape(-1)
    hidden = flat > bound
    count = int(hidden.sum())
    if count:
        candidates = np.flatnonzero(flat < bound)
        extra = max(1, math.ceil(share * first.size - count))
    else:
        candidates = np.arange(first.size)
        extra = wanted
    if strict and not len(candidates):
        raise ValueError("no cell is left to hide")
    extra = min(extra, len(candidates))
    if extra:
        hidden[candidates[rng.choice(len(candidates), size=extra, replace=False)]] = True
    keep = (~hidden).astype(np.uint8).reshape(first.shape)
    visible = np.maximum(1, (maps * keep).reshape(len(maps), -1).max(axis=1)).astype(np.float64)
    return MaskOut(keep=keep, labels=np.concatenate([[intensity], visible[1:] / 255]))


def hide_patches(frames: NDArray[np.uint8], keep: NDArray[np.uint8]) -> None:
    """Paint the hidden cells of frames (T, S, S, 3) black, in place; keep is (h, w), S a multiple of h and w."""
    patch = frames.shape[1] // keep.shape[0], frames.shape[2] // keep.shape[1]
    for row, column in np.argwhere(keep == 0).tolist():
        frames[:, row * patch[0] : (row + 1) * patch[0], column * patch[1] : (column + 1) * patch[1]] = 0
