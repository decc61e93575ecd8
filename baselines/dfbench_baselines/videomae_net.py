"""VideoMAE's network: tubelets, fixed places, plain blocks, the mean token. Parameters have the names of the authors' files.

Source: Tong, Song, Wang, Wang, "VideoMAE: Masked Autoencoders are Data-Efficient Learners for Self-Supervised Video
Pre-Training", NeurIPS 2022, section 3 and appendix; Dosovitskiy et al., ICLR 2021, for the blocks.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EPS = 1e-6


class VideoMae(nn.Module):
    """Normalised clips (B, 3, T, S, S) to the logit of "fake" (B, 1); initial weights are drawn from torch's generator.

    `tubelet`: how many frames it is long; `patch`: how many pixels it is wide.
    """

    places: Tensor

    def __init__(
        self, *, frames: int, size: int, tubelet: int, patch: int, width: int, depth: int, heads: int
    ) -> None:
        super().__init__()
        tubelets = frames // tubelet * (size // patch) ** 2
        self.patch_embed = nn.ModuleDict(
            {"proj": nn.Conv3d(3, width, (tubelet, patch, patch), (tubelet, patch, patch))}
        )
        self.register_buffer("places", sinusoids(tubelets, width), persistent=False)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.fc_norm = nn.LayerNorm(width, eps=EPS)
        self.head = nn.Linear(width, 1)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, clips: Tensor) -> Tensor:
        """Each clip by itself."""
        return self.head(self.fc_norm(self.tokens(clips).mean(dim=1)))  # type: ignore[no-any-return]

    def tokens(self, clips: Tensor) -> Tensor:
        """The tokens (B, N, D) after the last block; those of the first two frames come first, row by row."""
        x: Tensor = self.patch_embed["proj"](clips).flatten(2).mT
        x = x + self.places.to(x.dtype)
        for block in self.blocks:
            x = block(x)
        return x


class Block(nn.Module):
    """Attention, then an MLP, each of normalised tokens and with a residual."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=EPS)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=EPS)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)})

    def forward(self, x: Tensor) -> Tensor:
        """New tokens (B, N, D)."""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.norm2(x))))  # type: ignore[no-any-return]


class Attention(nn.Module):
    """Multi-head self-attention; queries and values have a bias, keys have none."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.q_bias, self.v_bias = nn.Parameter(torch.zeros(width)), nn.Parameter(torch.zeros(width))
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Every token looks at every other."""
        b, n, d = x.shape
        bias = torch.cat([self.q_bias, torch.zeros_like(self.v_bias), self.v_bias])
        q, k, v = (
            F.linear(x, self.qkv.weight, bias)
            .view(b, n, 3, self.heads, d // self.heads)
            .permute(2, 0, 3, 1, 4)
        )
        seen: Tensor = F.scaled_dot_product_attention(q, k, v)
        return self.proj(seen.transpose(1, 2).reshape(b, n, d))  # type: ignore[no-any-return]


def sinusoids(count: int, width: int) -> Tensor:
    """Fixed embeddings (1, count, width) float32 of places: sines and cosines of falling frequency, in turns."""
    place = torch.arange(count, dtype=torch.float64)[:, None]
    period = 10000.0 ** (2 * torch.arange(width // 2, dtype=torch.float64) / width)
    angles = place / period
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)[None].float()
