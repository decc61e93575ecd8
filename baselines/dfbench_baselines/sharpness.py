"""The sharpness detector: how soft a face is, and nothing else.

Forgeries paste a face that a network made at a lower resolution, or that was warped and blended, so that it is softer than
a camera's. The direction is fixed for all data sets, and nothing is learned: a detector that is not better than this has learned
to tell soft from sharp, or less. A board where it is far from 0.5, in either direction, is one of data sets that differ in
sharpness.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dfbench import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

LEAST = 1e-3  # squared grey levels: a face of one colour


class SharpnessDetector:
    """Scores a clip by the negative logarithm of the variance of the Laplacian of its grey frames, the mean over them."""

    def __init__(self, *, weights: Path | None, device: str, seed: int) -> None:
        """Raises UsageError if weights are given: nothing was learned."""
        del seed
        if weights is not None:
            raise UsageError(
                f"the sharpness detector has no weights, but was given {weights}",
                hints=("leave out --weights for it",),
            )
        self._device = device

    def score(self, clips: Tensor) -> Tensor:
        """uint8 (B, T, H, W, 3) RGB in; float32 (B,) logits of "fake" out: the softer, the higher."""
        import torch

        logits = [
            -sum(log_sharpness(frame) for frame in clip) / len(clip)
            for clip in clips.contiguous().cpu().numpy()
        ]
        return torch.tensor(logits, dtype=torch.float32, device=self._device)


def log_sharpness(frame: NDArray[np.uint8]) -> float:
    """The natural logarithm of the variance of the Laplacian of a frame (H, W, 3) uint8 RGB in grey levels."""
    import cv2
    import numpy as np

    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return float(np.log(LEAST + cv2.Laplacian(grey, cv2.CV_32F).var()))
