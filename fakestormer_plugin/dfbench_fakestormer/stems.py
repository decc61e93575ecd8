"""How frames become patch tokens: the linear embedding of the published network, and our convolutions for small ones."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class PatchEmbed(nn.Module):
    """Linear embedding of non-overlapping patches: (F, 3, S, S) -> (F, D, h, w)."""

    def __init__(self, patch: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, patch, patch)

    def forward(self, images: Tensor) -> Tensor:
        """Embed F frames."""
        return self.proj(images)  # type: ignore[no-any-return] # nn.Module.__call__ is untyped


class InstanceBatchNorm(nn.Module):
    """Half of the channels normalised over their own frame, half over the batch: (F, C, h, w) -> the same.

    How sharp or grainy a whole frame is says more about its camera than about a forgery. The first half sees a face
    only beside the rest of its frame; the second keeps the absolute level. Source: IBN-Net (Pan et al., ECCV 2018).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self._alone = channels // 2
        self.instance = nn.GroupNorm(self._alone, self._alone)
        self.batch = nn.BatchNorm2d(channels - self._alone)

    def forward(self, images: Tensor) -> Tensor:
        """Normalise F frames."""
        alone, together = images[:, : self._alone], images[:, self._alone :]
        return torch.cat([self.instance(alone), self.batch(together)], dim=1)


class ConvStem(nn.Module):
    """3x3 convolutions down to one token a patch: (F, 3, S, S) -> (F, D, h, w).

    Small networks that are trained from scratch learn blending artefacts from this, where a linear embedding stays
    at chance. Each halving after the first is followed by a convolution that keeps the size: the border of a blend
    shows in how neighbourhoods differ, and one layer a scale is too few to see that. The first kernels start with a
    sum of zero (`FakeSTormerNet._initialise`), so that they see edges and noise before they see skin and light.
    """

    def __init__(self, patch: int, width: int) -> None:
        super().__init__()
        halvings = patch.bit_length() - 1
        widths = [3, *(16 << i for i in range(halvings - 1)), width]
        layers: list[nn.Module] = []
        for i in range(halvings - 1):
            layers += self._convolution(widths[i], widths[i + 1], stride=2)
            if i > 0:
                layers += self._convolution(widths[i + 1], widths[i + 1], stride=1)
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-2], width, 3, 2, 1))

    @staticmethod
    def _convolution(inputs: int, outputs: int, *, stride: int) -> list[nn.Module]:
        return [nn.Conv2d(inputs, outputs, 3, stride, 1), InstanceBatchNorm(outputs), nn.ReLU(inplace=True)]

    def forward(self, images: Tensor) -> Tensor:
        """Embed F frames."""
        # Frames cut from clips come channels last, in which group norm is slow on the CPU.
        return self.layers(images.contiguous())  # type: ignore[no-any-return]
