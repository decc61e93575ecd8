"""Noise residuals and two streams that look at each other (Luo et al., CVPR 2021), in DeepfakeBench's version.

The filters are those of steganalysis (Fridrich and Kodovsky's rich models): what a pixel is more than its neighbours tell. One
Xception sees the frame, the other its residuals; they exchange features at two depths, and are fused at the end.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dfbench_baselines.xception_net import Xception

_CLAMP = 3.0
_KEYS = 8  # a key has so many times fewer channels than the features
_SQUEEZED = 16


def residual_filters() -> Tensor:
    """Return three filters (3, 5, 5), float64: two of second order in all directions (KB, KV), and one along a row."""
    square = [[0, 0, 0, 0, 0], [0, -1, 2, -1, 0], [0, 2, -4, 2, 0], [0, -1, 2, -1, 0], [0, 0, 0, 0, 0]]
    wide = [[-1, 2, -2, 2, -1], [2, -6, 8, -6, 2], [-2, 8, -12, 8, -2], [2, -6, 8, -6, 2], [-1, 2, -2, 2, -1]]
    row = [[0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 1, -2, 1, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]]
    weights = torch.tensor([square, wide, row], dtype=torch.float64)
    return weights / torch.tensor([4.0, 12.0, 2.0], dtype=torch.float64)[:, None, None]


class Residuals(nn.Module):
    """Frames (B, 3, S, S) to residuals (B, 3, S, S): each filter over the sum of the channels, cut off at 3."""

    filters: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer(
            "filters", residual_filters()[:, None].expand(-1, 3, -1, -1).float(), persistent=False
        )

    def forward(self, frames: Tensor) -> Tensor:
        """(B, 3, S, S) to (B, 3, S, S)."""
        return F.conv2d(frames, self.filters, padding=2).clamp(-_CLAMP, _CLAMP)


class SeparateResiduals(nn.Module):
    """Residuals of each channel of maps alone, mixed by a 1 x 1 convolution.

    Of three filters a channel, the public code repeats each filter as a whole, and not the three: nearly all channels get the
    same filter three times, the first third KB, the next KV, and the last the one along a row. So does this.
    """

    filters: Tensor

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        filters = residual_filters().repeat_interleave(inputs, dim=0)[:, None].float()
        self.register_buffer("filters", filters, persistent=False)
        self.mixing = nn.Sequential(
            nn.Conv2d(3 * inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
        )

    def forward(self, maps: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H, W)."""
        residuals = F.conv2d(maps, self.filters, padding=2, groups=maps.shape[1]).clamp(-_CLAMP, _CLAMP)
        mixed: Tensor = self.mixing(residuals)
        return mixed


class NoiseAttention(nn.Module):
    """How much each place of the second maps counts, (B, 1, h, w) in 0 to 1, by the residuals of residuals: the public code
    takes them twice."""

    def __init__(self, first: int, second: int) -> None:
        super().__init__()
        self.residuals = Residuals()
        self.layers = nn.Sequential(
            *(nn.Conv2d(3, first, 3, 2, bias=False), nn.BatchNorm2d(first), nn.ReLU()),
            *(nn.Conv2d(first, second, 3, bias=False), nn.BatchNorm2d(second), nn.ReLU()),
        )
        self.weighing = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, residuals: Tensor) -> Tensor:
        """(B, 3, S, S) to (B, 1, h, w)."""
        maps = self.layers(self.residuals(residuals))
        both = torch.cat([maps.mean(dim=1, keepdim=True), maps.amax(dim=1, keepdim=True)], dim=1)
        return torch.sigmoid(self.weighing(both))


class CrossAttention(nn.Module):
    """Two streams of maps (B, C, h, w), each of which takes from the other where their keys agree; `places` is h * w."""

    def __init__(self, channels: int, places: int) -> None:
        super().__init__()
        keys = max(1, channels // _KEYS)
        self.key_conv1, self.key_conv2 = nn.Conv2d(channels, keys, 1), nn.Conv2d(channels, keys, 1)
        self.key_conv_share = nn.Conv2d(keys, keys, 1)
        self.linear1, self.linear2 = nn.Linear(places, places), nn.Linear(places, places)
        self.value_conv1, self.value_conv2 = (
            nn.Conv2d(channels, channels, 1),
            nn.Conv2d(channels, channels, 1),
        )
        self.gamma1, self.gamma2 = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))

    def forward(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Both streams as they are at first, and with what they take of each other once `gamma` is learned."""
        keys = self.key_conv_share(self.key_conv1(first)).flatten(2)
        others = self.key_conv_share(self.key_conv2(second)).flatten(2)
        agreement = keys.transpose(1, 2) @ others  # (B, places of the first, places of the second)
        to_first = self.linear1(agreement).softmax(dim=-1)
        to_second = self.linear2(agreement.transpose(1, 2)).softmax(dim=-1)
        taken = self.value_conv2(second).flatten(2) @ to_first.transpose(1, 2)
        given = self.value_conv1(first).flatten(2) @ to_second.transpose(1, 2)
        return (
            self.gamma1 * taken.view_as(first) + first,
            self.gamma2 * given.view_as(second) + second,
        )


class Fusion(nn.Module):
    """The features of both streams as those of one, each channel weighed by its mean and its maximum over space."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mixing = nn.Sequential(
            nn.Conv2d(2 * channels, channels, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU()
        )
        squeezed = max(1, channels // _SQUEEZED)
        self.weighing = nn.Sequential(
            nn.Conv2d(channels, squeezed, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(squeezed, channels, 1, bias=False),
        )

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Two of (B, C, h, w) to (B, C, h, w)."""
        mixed = self.mixing(torch.cat([first, second], dim=1))
        weights = self.weighing(mixed.mean(dim=(2, 3), keepdim=True)) + self.weighing(
            mixed.amax(dim=(2, 3), keepdim=True)
        )
        fused: Tensor = mixed * torch.sigmoid(weights)
        return fused


class SRM(nn.Module):
    """Frames (B, 3, size, size) to logits of "real" and "fake" (B, 2)."""

    def __init__(self, size: int = 256, *, width: float = 1.0, dropout: float = 0.0) -> None:
        super().__init__()
        self.rgb = Xception(width=width, dropout=dropout)
        self.noise = Xception(width=width, dropout=dropout)
        first, second = self.rgb.conv1.out_channels, self.rgb.conv2.out_channels
        self.residuals = Residuals()
        self.residuals1 = SeparateResiduals(first, first)
        self.residuals2 = SeparateResiduals(second, second)
        self.attention = NoiseAttention(first, second)
        self.attended = nn.Sequential(nn.BatchNorm2d(second), nn.ReLU())
        channels, places = self.rgb.get_parameter("block4.rep.1.pointwise.weight").shape[0], places_of(size)
        self.cross1, self.cross2 = CrossAttention(channels, places), CrossAttention(channels, places)
        self.fusion = Fusion(self.rgb.fc.in_features)

    def features(self, frames: Tensor) -> Tensor:
        """Frames (B, 3, size, size) to fused features (B, 2048, h, w)."""
        residuals = self.residuals(frames)
        rgb = self.rgb.first(frames)
        noise = F.relu(self.noise.first(residuals) + self.residuals1(rgb))
        rgb = self.rgb.second(rgb)
        noise = F.relu(self.noise.second(noise) + self.residuals2(rgb))
        rgb = self.attended(rgb * self.attention(residuals) + rgb)
        rgb, noise = self.cross1(self.rgb.blocks(rgb, 1, 3), self.noise.blocks(noise, 1, 3))
        rgb, noise = self.cross2(self.rgb.blocks(rgb, 4, 7), self.noise.blocks(noise, 4, 7))
        rgb, noise = self.rgb.blocks(rgb, 8, 12), self.noise.blocks(noise, 8, 12)
        fused: Tensor = self.fusion(self.rgb.final(rgb), self.noise.final(noise))
        return fused

    def forward(self, frames: Tensor) -> Tensor:
        """(B, 3, size, size) to (B, 2)."""
        return self.rgb.classify(self.features(frames))


def places_of(size: int) -> int:
    """How many places the maps behind Xception's third block have for frames of this size: 256 for 256 px."""
    side = (size - 3) // 2 + 1 - 2
    for _ in range(3):
        side = (side + 1) // 2
    return side**2


def margin_softmax(logits: Tensor, labels: Tensor, *, scale: float = 30.0, margin: float = 0.45) -> Tensor:
    """Return the cross-entropy of logits (B, 2) whose right one is lowered by `margin`, all of them times `scale`.

    The public code does so with the logits as they are, and not with cosines, for which such a margin was made.
    """
    lowered = logits - margin * F.one_hot(labels, logits.shape[1]).to(logits.dtype)
    return F.cross_entropy(scale * lowered, labels)
