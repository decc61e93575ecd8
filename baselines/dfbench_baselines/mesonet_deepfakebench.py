"""MesoNet as DeepfakeBench has it: other networks than those of the authors, of about as many numbers.

Its convolutions have no bias, those of the inception layers no ReLU, and two convolutions share a batch norm; maps are flattened
by channel, row and column.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_POOLS = (2, 2, 2, 4)
_HIDDEN = 16
_LEAK = 0.1


class PlainInception(nn.Module):
    """Four branches side by side: 1x1; 1x1 and 3x3; the same with dilation 2; and with dilation 3. Nothing in between."""

    def __init__(self, inputs: int, widths: tuple[int, int, int, int]) -> None:
        super().__init__()
        first, *others = widths
        branches = [nn.Sequential(_conv(inputs, first, 1))]
        branches += [
            nn.Sequential(_conv(inputs, width, 1), _conv(width, width, 3, dilation=dilation))
            for dilation, width in enumerate(others, 1)
        ]
        self.branches = nn.ModuleList(branches)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, sum of widths, H, W)."""
        return torch.cat([branch(maps) for branch in self.branches], dim=1)


class SharingMesoNet(nn.Module):
    """Four layers with a norm and a pool after each, and a head of two dense layers: frames (B, 3, size, size) to the logit of
    "real" (B, 1).

    `norm_of` says which of the norms, of these `widths`, follows each layer.
    """

    def __init__(
        self, layers: Sequence[nn.Module], *, widths: Sequence[int], norm_of: Sequence[int], size: int
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in widths)
        self.norm_of = tuple(norm_of)
        self.hidden = nn.Linear((size // 32) ** 2 * widths[-1], _HIDDEN)
        self.output = nn.Linear(_HIDDEN, 1)
        self.dropout = nn.Dropout(0.5)

    def features(self, frames: Tensor) -> Tensor:
        """Return the maps after the last pool, flattened: (B, widths[-1] * (size / 32)²)."""
        maps = frames
        for layer, norm, pool in zip(self.layers, self.norm_of, _POOLS, strict=True):
            maps = F.max_pool2d(self.norms[norm](layer(maps)), pool)
        return maps.flatten(1)

    def forward(self, frames: Tensor) -> Tensor:
        """Return the logits of "real" (B, 1)."""
        hidden = F.leaky_relu(self.hidden(self.dropout(self.features(frames))), _LEAK)
        logits: Tensor = self.output(self.dropout(hidden))
        return logits


def sharing_meso4(size: int) -> SharingMesoNet:
    """Return DeepfakeBench's Meso4, of random weights."""
    layers = [_rectified(3, 8, 3), _rectified(8, 8, 5), _rectified(8, 16, 5), _rectified(16, 16, 5)]
    return SharingMesoNet(layers, widths=(8, 16), norm_of=(0, 0, 1, 1), size=size)


def sharing_mesoinception4(size: int) -> SharingMesoNet:
    """Return DeepfakeBench's MesoInception4, of random weights."""
    inceptions = [PlainInception(3, (1, 4, 4, 2)), PlainInception(11, (2, 4, 4, 2))]
    layers = [*inceptions, _rectified(12, 16, 5), _rectified(16, 16, 5)]
    return SharingMesoNet(layers, widths=(11, 12, 16), norm_of=(0, 1, 2, 2), size=size)


def _rectified(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(_conv(inputs, outputs, kernel), nn.ReLU())


def _conv(inputs: int, outputs: int, kernel: int, *, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, padding="same", dilation=dilation, bias=False)
