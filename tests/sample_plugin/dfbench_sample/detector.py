"""A detector and a face finder that need no weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dfbench import Faces


class BrightnessDetector:
    """The darker a clip, the more fake."""

    def __init__(self, *, weights: Path | None, device: str, seed: int) -> None:
        del weights, seed
        self._device = device

    def score(self, clips: Tensor) -> Tensor:
        """uint8 (B, T, H, W, 3) RGB in; float32 (B,) logits out."""
        return 1 - clips.to(self._device).float().mean(dim=(1, 2, 3, 4)) / 127.5


class WholeFrameFinder:
    """Calls every frame a face."""

    def __init__(self, device: str) -> None:
        del device

    def find(self, frames: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        """One box a frame, as large as the frame."""
        return [
            Faces(
                boxes=np.array([[0, 0, frame.shape[1], frame.shape[0]]], dtype=np.float32),
                scores=np.ones(1, dtype=np.float32),
                points=np.full((1, 5, 2), np.nan, dtype=np.float32),
            )
            for frame in frames
        ]
