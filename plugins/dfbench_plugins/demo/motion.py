"""How a person moves in a shot: head pose, gaze, blinking and talking, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dfbench_plugins.demo import exact
from dfbench_plugins.demo.exact import settled
from dfbench_plugins.demo.pixels import F32


@dataclass(frozen=True, slots=True)
class Pose:
    """Angles in radians (yaw right, pitch down, roll clockwise); `shift` in face units; `scale` near 1."""

    yaw: float
    pitch: float
    roll: float
    shift: tuple[float, float]
    scale: float


@dataclass(frozen=True, slots=True)
class Expression:
    """`blink` 0 open to 1 shut; `gaze` in units of the eye's half width; `opening` of the mouth in face
    units; `smile` and `brow` (raised) from -1 to 1."""

    blink: float
    gaze: tuple[float, float]
    opening: float
    smile: float
    brow: float


@dataclass(frozen=True, slots=True)
class Performance:
    """Pose and expression for each frame."""

    poses: tuple[Pose, ...]
    expressions: tuple[Expression, ...]


def perform(frames: int, *, fps: float, rng: np.random.Generator, yaw_range: float = 0.30) -> Performance:
    """A performance of `frames` frames: slow drifts of the head, saccades, blinks, and speech in syllables."""
    seconds = np.arange(frames) / fps
    yaw = rng.uniform(-0.7, 0.7) * yaw_range + 0.45 * yaw_range * _drift(seconds, 0.45, rng)
    pitch = settled(rng.normal(0.0, 0.05)) + 0.05 * _drift(seconds, 0.6, rng)
    roll = settled(rng.normal(0.0, 0.04)) + 0.03 * _drift(seconds, 0.4, rng)
    shift_x, shift_y = 0.09 * _drift(seconds, 0.35, rng), 0.05 * _drift(seconds, 0.5, rng)
    scale = 1.0 + 0.015 * _drift(seconds, 0.3, rng)
    blink = _blinks(seconds, rng)
    gaze_x, gaze_y = (0.16 * np.round(2.0 * _drift(seconds, 0.9, rng)) / 2.0 for _ in range(2))
    speaking = rng.random() < 0.8
    rhythm = np.abs(_drift(seconds, rng.uniform(2.2, 3.6), rng)) * np.clip(
        0.7 + _drift(seconds, 0.7, rng), 0.0, 1.0
    )
    opening = np.clip(rhythm * (0.15 if speaking else 0.02), 0.0, 0.22)
    smile = np.clip(settled(rng.normal(0.35, 0.3)) + 0.25 * _drift(seconds, 0.5, rng), -0.2, 1.0)
    brow = np.clip(settled(rng.normal(0.0, 0.2)) + 0.3 * _drift(seconds, 0.6, rng), -0.8, 1.0)
    poses = tuple(
        Pose(
            float(yaw[i]),
            float(pitch[i]),
            float(roll[i]),
            (float(shift_x[i]), float(shift_y[i])),
            float(scale[i]),
        )
        for i in range(frames)
    )
    expressions = tuple(
        Expression(
            float(blink[i]),
            (float(gaze_x[i]), 0.4 * float(gaze_y[i])),
            float(opening[i]),
            float(smile[i]),
            float(brow[i]),
        )
        for i in range(frames)
    )
    return Performance(poses, expressions)


def _drift(
    seconds: np.ndarray[tuple[int, ...], np.dtype[np.float64]], rate: float, rng: np.random.Generator
) -> F32:
    """A sum of three sines around `rate` Hz, of about unit size."""
    total = np.zeros(len(seconds))
    for share in (1.0, 0.6, 0.35):
        total += share * exact.sin(2 * np.pi * (rate * rng.uniform(0.6, 1.7) * seconds + rng.random()))
    return (total / 1.2).astype(np.float32)


def _blinks(seconds: np.ndarray[tuple[int, ...], np.dtype[np.float64]], rng: np.random.Generator) -> F32:
    shut = np.zeros(len(seconds))
    at = rng.uniform(0.1, 1.6)
    while at < seconds[-1] + 0.2:
        near = ((seconds - at) / 0.075) ** 2
        shut = np.maximum(shut, exact.exp(-near * near))
        at += rng.uniform(1.0, 3.0)
    return shut.astype(np.float32)
