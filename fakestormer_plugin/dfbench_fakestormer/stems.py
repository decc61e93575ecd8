"""How frames become patch tokens: the linear embedding of the published network, and our convolutions for small ones."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dfbench_fakestormer.norms import InstanceBatchNorm


class PatchEmbed(nn.Module):
    """Linear embedding of non-overlapping patches: (F, 3, S, S) -> (F, D, h, w)."""

    def __init__(self, patch: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, patch, patch)

    def forward(self, images: Tensor) -> Tensor:
        """Embed F frames."""
        return self.proj(images)  # type: ignore[no-any-return] # nn.Module.__call__ is untyped


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
        # On the CPU, convolutions take half the time where channels come last, and so do our norms.
        layout = torch.channels_last if images.device.type == "cpu" else torch.contiguous_format
        return self.layers(images.contiguous(memory_format=layout))  # type: ignore[no-any-return]
