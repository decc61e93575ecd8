"""Augmentation as data: a recipe says `augmentation = "flip=0.5,light=0.3,jpeg=0.2,blur=0.1,small=0.1"`.

Each number is the probability of a step. A step draws once and alters all frames of a clip in the same way; of a pair, the
real clip and its fake.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import cv2
import numpy as np

from dfbench.errors import UsageError
from dfbench.training.recipe import pairs_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

Step = Callable[["NDArray[np.uint8]"], "NDArray[np.uint8]"]


def _flip(rng: np.random.Generator) -> Step:
    """Mirror left and right."""
    del rng
    return lambda frame: np.asarray(cv2.flip(frame, 1), np.uint8)


def _light(rng: np.random.Generator) -> Step:
    """Change contrast by up to a fifth and brightness by up to 20 of 255."""
    contrast, brightness = rng.uniform(0.8, 1.2), rng.uniform(-20, 20)
    table = np.clip(np.rint((np.arange(256) - 128) * contrast + 128 + brightness), 0, 255).astype(np.uint8)
    return lambda frame: np.asarray(cv2.LUT(frame, table), np.uint8)


def _jpeg(rng: np.random.Generator) -> Step:
    """Compress as JPEG of quality 40 to 95."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(40, 96))]

    def compressed(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        _, content = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), quality)
        decoded = cv2.imdecode(content, cv2.IMREAD_COLOR)
        assert decoded is not None  # encoded a line before
        return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)

    return compressed


def _blur(rng: np.random.Generator) -> Step:
    """Blur by a Gaussian of 0.3 to 1.5 px."""
    sigma = rng.uniform(0.3, 1.5)
    return lambda frame: np.asarray(cv2.GaussianBlur(frame, (0, 0), sigma), np.uint8)


def _small(rng: np.random.Generator) -> Step:
    """Shrink to a half up to nine tenths, and enlarge to the size that it was."""
    scale = rng.uniform(0.5, 0.9)

    def coarser(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        side = max(1, round(frame.shape[0] * scale))
        small = cv2.resize(frame, (side, side), interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.resize(small, frame.shape[:2], interpolation=cv2.INTER_LINEAR), np.uint8)

    return coarser


STEPS: Mapping[str, Callable[[np.random.Generator], Step]] = {
    "flip": _flip,
    "light": _light,
    "small": _small,
    "blur": _blur,
    "jpeg": _jpeg,
}


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Augments clips: applies the steps, in the order of `STEPS`, each with its probability."""

    probabilities: Mapping[str, float]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse the `augmentation` of a recipe. Raises UsageError for an unknown step or a value that is not a probability."""
        found: dict[str, float] = {}
        for name, value in pairs_of(text).items():
            if name not in STEPS:
                raise UsageError(
                    f"augmentation has no step {name!r}", hints=(f"the steps are: {', '.join(STEPS)}",)
                )
            try:
                found[name] = float(value)
            except ValueError:
                found[name] = -1
            if not 0 <= found[name] <= 1:
                raise UsageError(f"augmentation {name}={value} is no probability", hints=("take 0 to 1",))
        return cls({name: found[name] for name in STEPS if name in found})

    def __call__(self, frames: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        """Return frames (n, S, S, 3) uint8 RGB, all augmented in the same way."""
        steps = [STEPS[name](rng) for name, share in self.probabilities.items() if rng.random() < share]
        if not steps:
            return frames
        altered = np.empty_like(frames)
        for frame, into in zip(frames, altered, strict=True):
            for step in steps:
                frame = step(frame)  # noqa: PLW2901 - what is altered further
            into[...] = frame
        return altered
