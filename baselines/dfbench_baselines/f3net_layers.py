"""Frequency-aware decomposition (Qian et al., ECCV 2020, section 3.1) and the network behind it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from dfbench_baselines.xception_net import Xception


def cosine_matrix(size: int) -> Tensor:
    """Return the orthonormal matrix (size, size), float64, whose row i is the cosine of frequency i: D x is the DCT-II of x."""
    frequency = torch.arange(size, dtype=torch.float64)[:, None]
    place = torch.arange(size, dtype=torch.float64)[None] + 0.5
    scale = torch.full((size, 1), math.sqrt(2 / size), dtype=torch.float64)
    scale[0] = math.sqrt(1 / size)
    return scale * torch.cos(place * math.pi * frequency / size)


def band_masks(size: int) -> Tensor:
    """Return which coefficients (4, size, size) are of low, middle, high and any frequency, as 0 and 1 in float32.

    A band holds the coefficients whose indices add up to what lies between its ends, both of them included.
    """
    low, middle, highest = size // 2.82, size // 2, 2 * size
    total = torch.arange(size)[:, None] + torch.arange(size)[None]
    bands = ((0, low), (low, middle), (middle, highest), (0, highest))
    return torch.stack([((first <= total) & (total <= last)).float() for first, last in bands])


class Decomposition(nn.Module):
    """Frames (B, 3, size, size) as images of four bands, (B, 12, size, size), those of a band together.

    A coefficient is multiplied by its mask plus a number between -1 and 1 that is learned.
    """

    cosines: Tensor
    masks: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("cosines", cosine_matrix(size).float(), persistent=False)
        self.register_buffer("masks", band_masks(size), persistent=False)
        self.learnable = nn.Parameter(torch.randn(4, size, size) * 0.1)

    def forward(self, frames: Tensor) -> Tensor:
        """(B, 3, size, size) to (B, 12, size, size)."""
        spectrum = self.cosines @ frames @ self.cosines.T
        weights = self.masks + 2 * torch.sigmoid(self.learnable) - 1
        bands = self.cosines.T @ (spectrum[:, None] * weights[:, None]) @ self.cosines
        return bands.flatten(1, 2)


class F3Net(nn.Module):
    """Frames (B, 3, size, size) to logits of "real" and "fake" (B, 2)."""

    def __init__(self, size: int = 256, *, width: float = 1.0, dropout: float = 0.5) -> None:
        super().__init__()
        self.decomposition = Decomposition(size)
        self.backbone = Xception(channels=12, width=width, dropout=dropout)

    def forward(self, frames: Tensor) -> Tensor:
        """(B, 3, size, size) to (B, 2)."""
        logits: Tensor = self.backbone(self.decomposition(frames))
        return logits
