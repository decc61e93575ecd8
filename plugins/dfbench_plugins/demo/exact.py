"""Functions that give the same bits on every processor, from operations that IEEE 754 rounds in one way.

NumPy, OpenCV and the C library choose their code by the processor that they find, and the last bit of an exponential or of a
blurred float differs between them. A video is compressed, so one flipped bit of one pixel is another file. Elementwise
+ - * / and square roots, sums of whole numbers, and rounding are the same everywhere; all here is made of these. Arrays of
float32 stay float32 (errors below 4e-7 of the result, or of 1 where that is larger), everything else is float64 with the
same polynomials.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

Floats = NDArray[np.floating[Any]]
STEPS = 4096  # of `noise` a standard deviation

_LOG2_E, _LN2_HIGH, _LN2_LOW = 1.4426950408889634, 0.693359375, -2.12194440054690583e-4
_PI_HIGH, _PI_MIDDLE, _PI_LOW = 3.140625, 9.670257568359375e-4, 6.2783295730096264e-7
_EXP = (1 / 5040, 1 / 720, 1 / 120, 1 / 24, 1 / 6, 1 / 2, 1.0, 1.0)
_SIN = (1 / 6227020800, -1 / 39916800, 1 / 362880, -1 / 5040, 1 / 120, -1 / 6, 1.0)  # in x * x
_ATANH = (2 / 9, 2 / 7, 2 / 5, 2 / 3, 2.0)  # in x * x
# Source: Abramowitz & Stegun 1964, 4.4.49; in x * x.
_ATAN = (
    0.0028662257,
    -0.0161657367,
    0.0429096138,
    -0.0752896400,
    0.1065626393,
    -0.1420889944,
    0.1999355085,
    -0.3333314528,
    1.0,
)


def exp(value: ArrayLike) -> Any:
    """Return e to the power of `value`, which is held between -87 and 88."""
    x = np.clip(_floats(value), -87.0, 88.0)
    whole = np.rint(x * _LOG2_E)
    x -= whole * _LN2_HIGH
    x -= whole * _LN2_LOW
    total = _horner(x, _EXP)
    total *= _power_of_two(whole)
    return total


def log(value: ArrayLike) -> Any:
    """Return the natural logarithm of `value`, which is held above 1e-37."""
    x = np.maximum(_floats(value), 1e-37)
    bits, places, bias = (
        (x.view(np.int32), 23, 126) if x.dtype == np.float32 else (x.view(np.int64), 52, 1022)
    )
    # Counted from the square root of a half, so that the rest lies between that and its double.
    start = np.array(0.70710678, dtype=x.dtype).view(bits.dtype)
    whole = (bits - (start - (bias << places))) >> places
    whole -= bias
    rest = (bits - (whole << places)).view(x.dtype)
    share = rest - 1.0
    rest += 1.0
    share /= rest
    total = _horner(share * share, _ATANH)
    total *= share
    count = whole.astype(x.dtype)
    total += count * _LN2_LOW
    count *= _LN2_HIGH
    total += count
    return total


def power(value: ArrayLike, exponent: float) -> Any:
    """Return `value` to the power of `exponent` > 0; what is not above 0 gives 0."""
    x = _floats(value)
    total = log(x)
    total *= exponent
    total = exp(total)
    total *= x > 0.0
    return total


def sin(value: ArrayLike) -> Any:
    """Return the sine of `value`, radians, exact to the given digits up to a thousand turns."""
    x = _floats(value)
    whole = np.rint(x * (1.0 / np.pi))
    rest = x - whole * _PI_HIGH
    rest -= whole * _PI_MIDDLE
    rest -= whole * _PI_LOW
    odd = np.abs(whole - 2.0 * np.rint(0.5 * whole))
    total = _horner(rest * rest, _SIN)
    total *= rest
    total *= 1.0 - 2.0 * odd
    return total


def cos(value: ArrayLike) -> Any:
    """Return the cosine of `value`, radians."""
    return sin(_floats(value) + 0.5 * np.pi)


@lru_cache(maxsize=64)
def turn(angle: float) -> tuple[np.float32, np.float32]:
    """Return sine and cosine of `angle`, radians."""
    return np.float32(sin(angle)), np.float32(cos(angle))


def tanh(value: ArrayLike) -> Any:
    """Return the hyperbolic tangent of `value`."""
    return 1.0 - 2.0 / (exp(2.0 * _floats(value)) + 1.0)


def arctan2(y: ArrayLike, x: ArrayLike) -> Any:
    """Return the angle of the point (x, y), radians from -pi to pi; 0 at the origin."""
    up, along = _floats(y), _floats(x)
    tall, wide = np.abs(up), np.abs(along)
    large = np.maximum(tall, wide)
    share = np.minimum(tall, wide) / np.where(large > 0.0, large, 1.0)
    angle = share * _horner(share * share, _ATAN)
    angle = np.where(tall > wide, 0.5 * np.pi - angle, angle)
    angle = np.where(along < 0.0, np.pi - angle, angle)
    return np.where(up < 0.0, -angle, angle).astype(share.dtype)


def settled(value: Any) -> Any:
    """Return a float or float64 array rounded to a millionth (2**-20).

    For draws in which the C library has a part (beta, the tails of the normal distribution): an error of their last
    bit survives the rounding with a probability of one in a billion.
    """
    rounded = np.rint(np.asarray(value, dtype=np.float64) * 2**20) / 2**20
    return float(rounded) if rounded.ndim == 0 else rounded


def noise(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.int16]:
    """Normal noise of `shape` in steps of 1 / STEPS standard deviations."""
    return _quantiles().take(rng.integers(65536, size=shape, dtype=np.uint16))


def deviation(values: Floats | NDArray[np.integer[Any]]) -> float:
    """Return the standard deviation of `values` between -2**15 and 2**15, floats to 2**-12."""
    whole = values if values.dtype.kind == "i" else np.rint(values * 4096.0)
    whole = whole.astype(np.int64).ravel()
    count, total, squares = whole.size, int(whole.sum()), int((whole * whole).sum())
    spread = float(np.sqrt((count * squares - total * total) / (count * count)))
    return spread if values.dtype.kind == "i" else spread / 4096.0


@lru_cache(maxsize=1)
def _quantiles() -> NDArray[np.int16]:
    """The middle of each of 65536 equally likely parts of the normal distribution. None lies so near to a half that an
    error of 1e-9 could round it otherwise."""
    return cast(
        NDArray[np.int16], np.rint(ndtri((np.arange(65536) + 0.5) / 65536.0) * STEPS).astype(np.int16)
    )


def _floats(value: ArrayLike) -> Floats:
    array = np.asarray(value)
    return array if array.dtype == np.float32 else array.astype(np.float64)


def _horner(x: Floats, factors: tuple[float, ...]) -> Floats:
    """The polynomial with `factors`, that of the highest power first."""
    total = np.asarray(x * factors[0])
    for factor in factors[1:-1]:
        total += factor
        total *= x
    total += factors[-1]
    return total


def _power_of_two(whole: Floats) -> Floats:
    if whole.dtype == np.float32:
        return cast(Floats, ((whole.astype(np.int32) + 127) << 23).view(np.float32))
    return cast(Floats, ((whole.astype(np.int64) + 1023) << 52).view(np.float64))
