"""Xception (Chollet, CVPR 2017), whose layers other detectors add front ends to.

Layers, names and order of computation are those of timm's `legacy_xception`, which has them from the weights of ImageNet that
FaceForensics++ and DeepfakeBench begin with; so its files fit. Unlike timm's, this network takes any number of channels and
can be made narrower, and its parts can be called one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

FEATURES = 2048  # channels of the last maps at width 1
# Blocks by number: channels in and out, how many separable convolutions, and the stride of the max pool at the end.
_BLOCKS = (
    (64, 128, 2, 2),
    (128, 256, 2, 2),
    (256, 728, 2, 2),
    *[(728, 728, 3, 1)] * 8,
    (728, 1024, 2, 2),
)
_LAST = len(_BLOCKS)


class SeparableConv(nn.Module):
    """A 3 x 3 convolution of each channel alone, then a 1 x 1 convolution over channels."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False)
        self.pointwise = nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H, W)."""
        mixed: Tensor = self.pointwise(self.conv1(maps))
        return mixed


class Block(nn.Module):
    """Separable convolutions, each with ReLU before and batch norm behind, beside a shortcut."""

    def __init__(
        self, inputs: int, outputs: int, *, count: int, stride: int, first_relu: bool, grows_last: bool
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        widths = [inputs, *[inputs if grows_last else outputs] * (count - 1), outputs]
        for before, after in pairwise(widths):
            layers += [nn.ReLU(), SeparableConv(before, after), nn.BatchNorm2d(after)]
        if stride > 1:
            layers.append(nn.MaxPool2d(3, stride, padding=1))
        self.rep = nn.Sequential(*(layers if first_relu else layers[1:]))
        self.skip: nn.Module = nn.Identity()
        self.skipbn: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            self.skip = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.skipbn = nn.BatchNorm2d(outputs)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        summed: Tensor = self.rep(maps) + self.skipbn(self.skip(maps))
        return summed


class Xception(nn.Module):
    """Maps (B, channels, S, S) to logits (B, outputs); `width` multiplies all channels within."""

    def __init__(
        self, *, channels: int = 3, outputs: int = 2, dropout: float = 0.0, width: float = 1.0
    ) -> None:
        super().__init__()

        def wide(count: int) -> int:
            return max(4, round(count * width))

        self.conv1 = nn.Conv2d(channels, wide(32), 3, 2, bias=False)
        self.bn1 = nn.BatchNorm2d(wide(32))
        self.conv2 = nn.Conv2d(wide(32), wide(64), 3, bias=False)
        self.bn2 = nn.BatchNorm2d(wide(64))
        for number, (before, after, count, stride) in enumerate(_BLOCKS, 1):
            block = Block(
                wide(before),
                wide(after),
                count=count,
                stride=stride,
                first_relu=number > 1,
                grows_last=number == _LAST,
            )
            self.add_module(f"block{number}", block)
        self.conv3 = SeparableConv(wide(1024), wide(1536))
        self.bn3 = nn.BatchNorm2d(wide(1536))
        self.conv4 = SeparableConv(wide(1536), wide(FEATURES))
        self.bn4 = nn.BatchNorm2d(wide(FEATURES))
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(wide(FEATURES), outputs)

    def block(self, number: int) -> Callable[[Tensor], Tensor]:
        """The block of a number, from 1 to 12."""
        found: Callable[[Tensor], Tensor] = getattr(self, f"block{number}")
        return found

    def first(self, maps: Tensor) -> Tensor:
        """The first convolution, batch norm and ReLU."""
        return F.relu(self.bn1(self.conv1(maps)))

    def second(self, maps: Tensor) -> Tensor:
        """The second convolution, batch norm and ReLU."""
        return F.relu(self.bn2(self.conv2(maps)))

    def blocks(self, maps: Tensor, first: int, last: int) -> Tensor:
        """The blocks from `first` to `last`, both included."""
        for number in range(first, last + 1):
            maps = self.block(number)(maps)
        return maps

    def final(self, maps: Tensor) -> Tensor:
        """What is behind the blocks: the features (B, 2048, h, w) before the last ReLU."""
        maps = F.relu(self.bn3(self.conv3(maps)))
        features: Tensor = self.bn4(self.conv4(maps))
        return features

    def features(self, maps: Tensor) -> Tensor:
        """Maps (B, channels, S, S) to features (B, 2048, h, w) before the last ReLU."""
        return self.final(self.blocks(self.second(self.first(maps)), 1, _LAST))

    def classify(self, features: Tensor) -> Tensor:
        """Features (B, 2048, h, w) to logits (B, outputs): ReLU, mean over space, dropout, a linear layer."""
        logits: Tensor = self.fc(self.dropout(F.relu(features).mean(dim=(2, 3))))
        return logits

    def forward(self, maps: Tensor) -> Tensor:
        """(B, channels, S, S) to logits (B, outputs)."""
        return self.classify(self.features(maps))
