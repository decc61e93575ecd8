"""The layers of MesoNet, in the order in which the published Keras code makes them.

That order is what names in its files count (`conv2d_5`, `conv2d_6`, ...), so `keras_files` pairs the layers of a kind with
those here by order: a layer must be registered where Keras would make it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_EPSILON, _MOMENTUM = 1e-3, 0.01  # of batch norm: Keras' defaults; its momentum of 0.99 is torch's 0.01
_HIDDEN = 16
_LEAK = 0.1


class Pooled(nn.Module):
    """A layer of convolutions, batch norm, and a max pool; ReLU before the norm, where the layer does not end with it."""

    def __init__(self, conv: nn.Module, *, channels: int, pool: int) -> None:
        super().__init__()
        self.conv = conv
        self.bn = nn.BatchNorm2d(channels, eps=_EPSILON, momentum=_MOMENTUM)
        self.pool = nn.MaxPool2d(pool)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, H, W) to (B, channels, H / pool, W / pool)."""
        pooled: Tensor = self.pool(self.bn(F.relu(self.conv(maps))))
        return pooled


class Inception(nn.Module):
    """Four branches side by side: 1x1; 1x1 and 3x3; the same with dilation 2; and with dilation 3. ReLU after each."""

    def __init__(self, inputs: int, widths: tuple[int, int, int, int]) -> None:
        super().__init__()
        first, *others = widths
        branches = [nn.Sequential(_conv(inputs, first, 1))]
        branches += [
            nn.Sequential(_conv(inputs, width, 1), nn.ReLU(), _conv(width, width, 3, dilation=dilation))
            for dilation, width in enumerate(others, 1)
        ]
        self.branches = nn.ModuleList(branches)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, sum of widths, H, W)."""
        return torch.cat([F.relu(branch(maps)) for branch in self.branches], dim=1)


class MesoNet(nn.Module):
    """Four pooled blocks and a head of two dense layers: frames (B, 3, size, size) to the logit of "real" (B, 1)."""

    def __init__(self, blocks: list[Pooled], *, channels: int, size: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*blocks)
        self.hidden = nn.Linear((size // 32) ** 2 * channels, _HIDDEN)
        self.output = nn.Linear(_HIDDEN, 1)
        self.dropout = nn.Dropout(0.5)
        for layer in self.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.xavier_uniform_(layer.weight)
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)

    def embedding(self, frames: Tensor) -> Tensor:
        """The 16 numbers (B, 16) before the last layer; maps are flattened by row, column and channel."""
        flat = self.blocks(frames).permute(0, 2, 3, 1).flatten(1)
        return F.leaky_relu(self.hidden(self.dropout(flat)), _LEAK)

    def forward(self, frames: Tensor) -> Tensor:
        """Logits of "real" (B, 1)."""
        logits: Tensor = self.output(self.dropout(self.embedding(frames)))
        return logits


class Meso4(MesoNet):
    """Four convolutions; 28,073 numbers at 256 px, running statistics included."""

    def __init__(self, size: int = 256) -> None:
        blocks = [
            Pooled(_conv(3, 8, 3), channels=8, pool=2),
            Pooled(_conv(8, 8, 5), channels=8, pool=2),
            Pooled(_conv(8, 16, 5), channels=16, pool=2),
            Pooled(_conv(16, 16, 5), channels=16, pool=4),
        ]
        super().__init__(blocks, channels=16, size=size)


class MesoInception4(MesoNet):
    """Two inception layers and two convolutions; 28,725 numbers at 256 px, running statistics included."""

    def __init__(self, size: int = 256) -> None:
        blocks = [
            Pooled(Inception(3, (1, 4, 4, 2)), channels=11, pool=2),
            Pooled(Inception(11, (2, 4, 4, 2)), channels=12, pool=2),
            Pooled(_conv(12, 16, 5), channels=16, pool=2),
            Pooled(_conv(16, 16, 5), channels=16, pool=4),
        ]
        super().__init__(blocks, channels=16, size=size)


def _conv(inputs: int, outputs: int, kernel: int, *, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, padding="same", dilation=dilation)
