"""The phase of a spectrum as an image (Liu et al., CVPR 2021, section 3.2), and the network that sees it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dfbench_baselines.xception_net import Xception


def phase_image(frames: Tensor) -> Tensor:
    """Return the images (B, 1, S, S) whose spectra have the phases of those of gray frames, and 1 everywhere as magnitude.

    frames (B, 3, S, S); gray is the mean of the channels. The mean square of an image is 1 / S^2. Where a coefficient of the
    spectrum is near 0, its phase is decided by rounding.
    """
    spectrum = torch.fft.fft2(frames.mean(dim=1, keepdim=True))
    angle = torch.angle(spectrum)
    image: Tensor = torch.fft.ifft2(torch.polar(torch.ones_like(angle), angle)).real
    return image


class SPSL(nn.Module):
    """Frames (B, 3, S, S) to logits of "real" and "fake" (B, 2)."""

    def __init__(self, *, width: float = 1.0, dropout: float = 0.0) -> None:
        super().__init__()
        self.backbone = Xception(channels=4, width=width, dropout=dropout)

    def forward(self, frames: Tensor) -> Tensor:
        """(B, 3, S, S) to (B, 2)."""
        logits: Tensor = self.backbone(torch.cat([frames, phase_image(frames)], dim=1))
        return logits
