"""The soft blending mask made from a binary hull, and the blend of two clips by it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from dfbench import SynthesisError

_RATIOS = (0.25, 0.5, 0.75, 1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Softening:
    """How a hull becomes soft: its size while it is blurred, the two Gaussian kernels (odd, in pixels) and the
    deviation of the second (that of the first follows from its kernel)."""

    width: int
    height: int
    kernel_1: tuple[int, int]
    kernel_2: tuple[int, int]
    sigma: float


def draw_softening(rng: np.random.Generator, height: int, width: int, *, scale: float = 1.0) -> Softening:
    """Draw a softening for masks of (height, width); `scale` multiplies the kernels (1: 5 to 25 pixels)."""
    tall, wide = rng.uniform(0.8, 1.25, size=2).tolist()
    kernel_1, kernel_2 = (int(k) for k in 2 * rng.integers(2, 13, size=2) + 1)
    sigma = float(rng.integers(5, 46))
    one, two = _odd(kernel_1 * scale), _odd(kernel_2 * scale)
    return Softening(
        width=max(1, int(width * wide)),
        height=max(1, int(height * tall)),
        kernel_1=(one, one),
        kernel_2=(two, two),
        sigma=sigma * scale,
    )


def draw_released_softening(rng: np.random.Generator) -> Softening:
    """Draw a softening as the code of self-blended images does: at 192 to 256 pixels a side, whatever the size of the mask."""
    width, height = rng.integers(192, 257, size=2).tolist()
    one, two = (2 * rng.integers(2, 13, size=2) + 1).tolist()
    return Softening(width, height, (one, one), (two, two), sigma=float(rng.integers(5, 46)))


def draw_ratio(rng: np.random.Generator) -> float:
    """How strongly the foreground is mixed in; full strength half of the time."""
    return float(rng.choice(_RATIOS))


def soften(mask: NDArray[np.uint8], softening: Softening) -> NDArray[np.float32]:
    """A binary (H, W) mask as a soft one: float32 in [0, 1], maximum 1.

    The first blur and the cut at its maximum shrink the mask, so that the second blur's slope lies inside of
    the hull. Raises SynthesisError if nothing is left of the mask.
    """
    resized = cv2.resize(mask.astype(np.float32), (softening.width, softening.height))
    part = _around(resized, sum(max(kernel) // 2 for kernel in (softening.kernel_1, softening.kernel_2)) + 1)
    blurred = cv2.GaussianBlur(resized[part], softening.kernel_1, 0)
    peak = float(blurred.max())
    if peak <= 0:
        raise SynthesisError(
            "the landmarks enclose no pixel of the face crop",
            hints=("use another clip", "prepare this video again"),
        )
    core = (blurred >= peak).astype(np.float32)
    soft = cv2.GaussianBlur(core, softening.kernel_2, softening.sigma)
    resized[...] = 0
    np.divide(soft, soft.max(), out=resized[part])
    result: NDArray[np.float32] = cv2.resize(resized, (mask.shape[1], mask.shape[0]))
    return result


def blend(
    source: NDArray[np.uint8], target: NDArray[np.uint8], masks: NDArray[np.float32], ratio: float
) -> NDArray[np.uint8]:
    """Clips source and target (T, H, W, 3) mixed by masks (T, H, W) in [0, 1] times `ratio`; truncated to uint8."""
    out = np.empty(target.shape, np.uint8)
    for front, back, mask, into in zip(source, target, masks, out, strict=True):
        # A share for each channel costs less than broadcasting over so short an axis.
        share = cv2.cvtColor(mask * np.float32(ratio), cv2.COLOR_GRAY2RGB)
        mixed = front.astype(np.float32)
        mixed *= share
        np.subtract(1, share, out=share)
        share *= back
        mixed += share
        np.copyto(into, mixed, casting="unsafe")  # truncates
    return out


def _around(mask: NDArray[np.float32], reach: int) -> tuple[slice, slice]:
    """The part of a mask outside of which blurs that reach so far, taken together, leave it at 0."""
    left, top, width, height = cv2.boundingRect((mask > 0).astype(np.uint8))
    return np.s_[max(0, top - reach) : top + height + reach, max(0, left - reach) : left + width + reach]


def _odd(value: float) -> int:
    """The odd whole number nearest to `value`, at least 3."""
    return max(3, 2 * round((value - 1) / 2) + 1)
