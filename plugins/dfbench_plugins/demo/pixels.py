"""Array types and the few shapes that everything here is painted with: soft steps, bumps, smooth noise, blurs.

OpenCV's whole-number paths give the same bytes on every processor, its float paths do not. So images are blurred as uint8 or
uint16, and what is done in float is done by `exact` or element by element.
"""

from __future__ import annotations

from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from dfbench_plugins.demo import exact

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]


def vector(*values: float) -> F32:
    """A float32 array of `values`: a colour or a point."""
    return np.array(values, dtype=np.float32)


def smoothstep(low: float, high: float, value: NDArray[np.floating[Any]]) -> F32:
    """0 below `low`, 1 above `high`, a cubic between; `low` may exceed `high` to fall instead of rise."""
    share = np.clip((value - low) / (high - low), 0.0, 1.0)
    return cast(F32, (share * share * (3.0 - 2.0 * share)).astype(np.float32))


def bump(x: F32, y: F32, *, at: tuple[float, float], size: tuple[float, float]) -> F32:
    """A Gaussian hill of height 1 at `at`, falling to 1/e at `size`."""
    return hill(((x - at[0]) / size[0]) ** 2 + ((y - at[1]) / size[1]) ** 2)


def hill(distance: NDArray[np.floating[Any]]) -> F32:
    """About e to the power of -`distance`: 1 at 0, falling, 0 from 32 on; by a thirty-second power, since this is quick."""
    share = np.maximum(1.0 - distance.astype(np.float32) * np.float32(1.0 / 32.0), np.float32(0.0))
    for _ in range(5):
        share *= share
    return cast(F32, share)


def smooth_noise(shape: tuple[int, int], *, scale: float, rng: np.random.Generator) -> F32:
    """Noise of unit variance, about `scale` pixels from hill to hill; shape is (height, width)."""
    small = (int(shape[0] / scale) + 3, int(shape[1] / scale) + 3)
    grown = enlarge(exact.noise(small, rng).astype(np.float32), shape)
    return cast(F32, grown / np.float32(max(exact.deviation(np.rint(grown).astype(np.int32)), 1.0)))


def strokes(shape: tuple[int, ...], *, across: float, along: float, rng: np.random.Generator) -> F32:
    """Noise of unit variance that was then blurred by a Gaussian of sigma `across` (x) and `along` (y) pixels."""
    raised = (exact.noise(shape, rng).astype(np.int32) + 32768).astype(np.uint16)
    smooth = cv2.GaussianBlur(raised, (0, 0), sigmaX=across, sigmaY=along, borderType=cv2.BORDER_REFLECT)
    return cast(F32, (smooth.astype(np.float32) - np.float32(32768.0)) / np.float32(exact.STEPS))


def enlarge(image: F32, shape: tuple[int, int]) -> F32:
    """`image` (h, w) resampled to `shape` by cubic convolution. Source: Keys 1981, with a = -0.75."""
    for length in (shape[1], shape[0]):
        image = _enlarge_rows(np.ascontiguousarray(image.T), length)
    return image


def _enlarge_rows(image: F32, length: int) -> F32:
    place = (np.arange(length) + 0.5) * (image.shape[0] / length) - 0.5
    first = np.floor(place).astype(np.int64)
    total = np.zeros((length, image.shape[1]), dtype=np.float32)
    for near in (-1, 0, 1, 2):
        off = np.abs(place - first - near)
        inner = (1.25 * off - 2.25) * off * off + 1.0
        outer = ((-0.75 * off + 3.75) * off - 6.0) * off + 3.0
        weight = np.where(off <= 1.0, inner, outer).astype(np.float32)
        total += image[np.clip(first + near, 0, image.shape[0] - 1)] * weight[:, None]
    return total


def mix(base: F32, other: F32 | tuple[float, ...], share: F32) -> F32:
    """`base` (h, w, 3) with `other` laid over it where `share` (h, w) is 1."""
    colour = np.asarray(other, dtype=np.float32)
    return cast(F32, base + (colour - base) * share[..., None])


def to_bytes(image: F32) -> U8:
    """Round and clip to uint8."""
    return cast(U8, np.clip(image + 0.5, 0.0, 255.0).astype(np.uint8))


def blur(image: U8, sigma: float) -> U8:
    """Gaussian blur; no-op below a sigma of 0.15 pixels."""
    if sigma < 0.15:
        return image
    return cast(U8, cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REFLECT))


def blur_finely(image: F32, sigma: float, *, top: float = 1.0) -> F32:
    """Gaussian blur of what lies between 0 and `top`, in steps of `top` / 65535."""
    steps = np.rint(np.clip(image, 0.0, top) * np.float32(65535.0 / top))
    smooth = cv2.GaussianBlur(steps.astype(np.uint16), (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    return cast(F32, smooth.astype(np.float32) * np.float32(top / 65535.0))


def with_levels(image: U8, levels: NDArray[np.float64]) -> U8:
    """`image` (h, w, 3) with each value replaced by that of `levels` (256, 3), rounded, channel by channel."""
    table = np.clip(np.rint(levels), 0.0, 255.0).astype(np.uint8)
    return cast(U8, cv2.LUT(image, table[:, None, :]))


def paste(canvas: U8, layer: U8, left: int, top: int) -> None:
    """Lay `layer` (h, w, 4), colours multiplied by alpha already, over `canvas` (H, W, 3) in place, cut at its borders."""
    height, width = canvas.shape[:2]
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + layer.shape[1], width), min(top + layer.shape[0], height)
    if x0 >= x1 or y0 >= y1:
        return
    part = layer[y0 - top : y1 - top, x0 - left : x1 - left]
    under = canvas[y0:y1, x0:x1]
    clear = cv2.merge([255 - part[..., 3]] * 3)
    # A product of two bytes over 255 is never near a half, so every way to compute it rounds alike.
    canvas[y0:y1, x0:x1] = cv2.add(part[..., :3], cv2.multiply(under, clear, scale=1.0 / 255.0))
