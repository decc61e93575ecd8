"""EfficientNet-B4 padded as in DeepfakeBench, whose checkpoints were trained so.

Its package, efficientnet_pytorch, computes the padding of each strided convolution once, for images of 380 px, and DeepfakeBench
replaces the first one by a convolution without padding. timm pads by the size of the maps at hand: other numbers at 256 px.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

_SIZE = 380  # px, of the images for which the package pads an EfficientNet-B4
_STEM = "conv_stem"


class PaddedConv2d(nn.Conv2d):
    """The convolution `conv`, whose input is padded by (left, right, top, bottom) zeros, whatever its size."""

    def __init__(self, conv: nn.Conv2d, pads: tuple[int, int, int, int]) -> None:
        super().__init__(
            conv.in_channels,
            conv.out_channels,
            conv.kernel_size,  # type: ignore[arg-type]
            conv.stride,  # type: ignore[arg-type]
            groups=conv.groups,
            bias=conv.bias is not None,
            device="meta",  # draws nothing
        )
        self.weight, self.bias = conv.weight, conv.bias
        self.pads = pads

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, H, W) to (B, out, H', W')."""
        return super().forward(F.pad(maps, self.pads))


def pad_as_deepfakebench(net: nn.Module) -> None:
    """Replace each strided convolution of an EfficientNet of timm by one that is padded as DeepfakeBench's; weights stay."""
    size = _SIZE
    strided = [
        (name, module)
        for name, module in net.named_modules()
        if isinstance(module, nn.Conv2d) and module.stride[0] > 1
    ]
    for name, conv in strided:
        before, after = same_pads(size, kernel=conv.kernel_size[0], stride=conv.stride[0])
        size = -(-size // conv.stride[0])
        pads = (0, 0, 0, 0) if name == _STEM else (before, after, before, after)
        parent, _, child = name.rpartition(".")
        setattr(net.get_submodule(parent), child, PaddedConv2d(conv, pads))


def same_pads(size: int, *, kernel: int, stride: int) -> tuple[int, int]:
    """Return the zeros before and after a row of `size`, so that a convolution gives ceil(size / stride) of it."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2
