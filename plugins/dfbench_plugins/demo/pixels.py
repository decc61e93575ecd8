"""Array types and the few shapes that everything here is painted with: soft steps, bumps, smooth noise."""

from __future__ import annotations

from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

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
    return cast(F32, np.exp(-(((x - at[0]) / size[0]) ** 2) - ((y - at[1]) / size[1]) ** 2, dtype=np.float32))


def smooth_noise(shape: tuple[int, int], *, scale: float, rng: np.random.Generator) -> F32:
    """Noise of unit variance, about `scale` pixels from hill to hill; shape is (height, width)."""
    if scale <= 1.0:
        return rng.standard_normal(shape, dtype=np.float32)
    small = (int(shape[0] / scale) + 3, int(shape[1] / scale) + 3)
    noise = rng.standard_normal(small, dtype=np.float32)
    grown = cv2.resize(noise, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return cast(F32, (grown / max(float(grown.std()), 1e-6)).astype(np.float32))


def mix(base: F32, other: F32 | tuple[float, ...], share: F32) -> F32:
    """`base` (h, w, 3) with `other` laid over it where `share` (h, w) is 1."""
    colour = np.asarray(other, dtype=np.float32)
    return cast(F32, base + (colour - base) * share[..., None])


def to_bytes(image: F32) -> U8:
    """Round and clip to uint8."""
    return cast(U8, np.clip(image + 0.5, 0.0, 255.0).astype(np.uint8))


def blur(image: Any, sigma: float) -> Any:
    """Gaussian blur that keeps the type; no-op below a sigma of 0.15 pixels."""
    return image if sigma < 0.15 else cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)


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
    canvas[y0:y1, x0:x1] = cv2.add(part[..., :3], cv2.multiply(under, clear, scale=1.0 / 255.0))
