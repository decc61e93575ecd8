"""Photometric steps of the augmentation: each a frozen record of its drawn parameters, applied to whole clips.

A pipeline is a tuple of steps. Steps that act on each channel value alone are lookup tables; neighbours among
them are fused, so a pipeline reads every pixel as seldom as possible. uint8 in, uint8 out, truncating (not
rounding), which is what the released pipeline (albumentations 1.1.0) does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
_LEVELS = 256


@dataclass(frozen=True, slots=True)
class RGBShift:
    """Add a constant to each channel."""

    red: float
    green: float
    blue: float

    def table(self) -> Image:
        """(256, 3) uint8."""
        levels = np.arange(_LEVELS, dtype=np.float32)[:, None]
        return _truncate(levels + np.asarray([self.red, self.green, self.blue], np.float32))


@dataclass(frozen=True, slots=True)
class BrightnessContrast:
    """v -> v * gain + offset * 255."""

    gain: float
    offset: float

    def table(self) -> Image:
        """(256, 3) uint8."""
        levels = np.arange(_LEVELS, dtype=np.float32) * np.float32(self.gain) + np.float32(self.offset * 255)
        return np.repeat(_truncate(levels)[:, None], 3, axis=1)


@dataclass(frozen=True, slots=True)
class HueSaturationValue:
    """Shift hue (0-179, cyclic), saturation and value (0-255) in OpenCV's 8-bit HSV space."""

    hue: float
    saturation: float
    value: float

    def table(self) -> Image:
        """(256, 3) uint8, to be looked up in HSV."""
        levels = np.arange(_LEVELS, dtype=np.float64)
        hue = np.mod(levels + self.hue, 180).astype(np.uint8)
        return np.stack([hue, _truncate(levels + self.saturation), _truncate(levels + self.value)], axis=1)

    def apply(self, frames: Image) -> Image:
        """frames (T, H, W, 3) uint8 RGB."""
        tall = frames.reshape(-1, *frames.shape[2:])
        hsv = cv2.LUT(cv2.cvtColor(tall, cv2.COLOR_RGB2HSV), self.table()[None])
        return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), np.uint8).reshape(frames.shape)


@dataclass(frozen=True, slots=True)
class Sharpen:
    """Mix a frame with its high-pass filtered self: strength 0 changes nothing, lightness 1 keeps brightness."""

    strength: float
    lightness: float

    def kernel(self) -> NDArray[np.float32]:
        """(3, 3) float32."""
        kernel = np.full((3, 3), -self.strength, np.float32)
        kernel[1, 1] = 1 - self.strength + self.strength * (8 + self.lightness)
        return kernel

    def apply(self, frames: Image) -> Image:
        """frames (T, H, W, 3) uint8 RGB."""
        kernel = self.kernel()
        out = np.empty_like(frames)
        for frame, target in zip(frames, out, strict=True):
            cv2.filter2D(frame, -1, kernel, dst=target)
        return out


@dataclass(frozen=True, slots=True)
class DownScale:
    """Lose detail: down by `ratio` taking the nearest pixel, up again bilinearly."""

    ratio: int

    def down(self, frames: Image) -> Image:
        """The first half: a choice of pixels."""
        size = [max(1, side // self.ratio) for side in frames.shape[1:3]]
        out = np.empty((len(frames), *size, 3), np.uint8)
        for frame, target in zip(frames, out, strict=True):
            cv2.resize(frame, (size[1], size[0]), dst=target, interpolation=cv2.INTER_NEAREST)
        return out

    @staticmethod
    def up(frames: Image, height: int, width: int) -> Image:
        """The second half."""
        out = np.empty((len(frames), height, width, 3), np.uint8)
        for frame, target in zip(frames, out, strict=True):
            cv2.resize(frame, (width, height), dst=target)
        return out


@dataclass(frozen=True, slots=True)
class Jpeg:
    """Compress and decompress. `swapped` hands the encoder RGB as if it were BGR, as the released code does."""

    quality: int
    swapped: bool = False

    def apply(self, frames: Image) -> Image:
        """frames (T, H, W, 3) uint8 RGB."""
        options = (cv2.IMWRITE_JPEG_QUALITY, self.quality)
        flag = cv2.IMREAD_COLOR if self.swapped else cv2.IMREAD_COLOR_RGB
        out = np.empty_like(frames)
        for frame, target in zip(frames, out, strict=True):
            bgr = frame if self.swapped else cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
            target[:] = cv2.imdecode(cv2.imencode(".jpg", bgr, options)[1], flag)
        return out


Step = RGBShift | BrightnessContrast | HueSaturationValue | Sharpen | DownScale | Jpeg


def apply_steps(frames: Image, steps: Sequence[Step]) -> Image:
    """The clip (T, H, W, 3) uint8 RGB after all steps in order; the input itself when there are none."""
    pending: Image | None = None
    for step in steps:
        if isinstance(step, RGBShift | BrightnessContrast):
            pending = step.table() if pending is None else _chain(pending, step.table())
        elif isinstance(step, DownScale):
            # Pixels that it throws away are not worth a look in the table.
            frames = step.up(_look_up(step.down(frames), pending), *frames.shape[1:3])
            pending = None
        else:
            frames = step.apply(_look_up(frames, pending))
            pending = None
    return _look_up(frames, pending)


def draw_blend_steps(rng: np.random.Generator) -> tuple[Step, ...]:
    """Steps that make the foreground of a self-blend differ from its background (SBI's source transform)."""
    steps: list[Step] = []
    if rng.random() < 0.3:
        steps.append(_draw_shift(rng))
    steps.append(_draw_hsv(rng))
    steps.append(_draw_contrast(rng, 0.1))
    if rng.random() < 0.5:
        steps.append(DownScale(int(rng.choice((2, 4)))))
    else:
        steps.append(Sharpen(strength=rng.uniform(0.2, 0.5), lightness=rng.uniform(0.5, 1.0)))
    return tuple(steps)


def draw_final_steps(rng: np.random.Generator, *, swapped_jpeg: bool = False) -> tuple[Step, ...]:
    """Steps that both the real and the fake clip of a training sample go through."""
    steps: list[Step] = []
    if rng.random() < 0.3:
        steps.append(_draw_shift(rng))
    if rng.random() < 0.3:
        steps.append(_draw_hsv(rng))
    if rng.random() < 0.3:
        steps.append(_draw_contrast(rng, 0.3))
    if rng.random() < 0.5:
        steps.append(Jpeg(quality=int(rng.integers(40, 101)), swapped=swapped_jpeg))
    return tuple(steps)


def _draw_shift(rng: np.random.Generator) -> RGBShift:
    return RGBShift(*rng.uniform(-20, 20, size=3).tolist())


def _draw_hsv(rng: np.random.Generator) -> HueSaturationValue:
    # These limits, on 8-bit values, change little: negative shifts lower a channel by one. They are SBI's.
    return HueSaturationValue(*rng.uniform(-0.3, 0.3, size=3).tolist())


def _draw_contrast(rng: np.random.Generator, limit: float) -> BrightnessContrast:
    return BrightnessContrast(gain=1 + rng.uniform(-limit, limit), offset=rng.uniform(-limit, limit))


def _chain(first: Image, second: Image) -> Image:
    return np.asarray(np.take_along_axis(second, first.astype(np.intp), axis=0), np.uint8)


def _look_up(frames: Image, table: Image | None) -> Image:
    if table is None:
        return frames
    tall = np.ascontiguousarray(frames).reshape(-1, *frames.shape[2:])
    # One table for all channels is half the work.
    one = bool((table == table[:, :1]).all())
    looked_up: Image = cv2.LUT(tall, np.ascontiguousarray(table[:, 0]) if one else table[None])
    return looked_up.reshape(frames.shape)


def _truncate(values: NDArray[np.floating]) -> Image:
    clipped: Image = np.clip(values, 0, 255).astype(np.uint8)
    return clipped
