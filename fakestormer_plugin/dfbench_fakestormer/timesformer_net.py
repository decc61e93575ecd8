"""TimeSformer with divided space-time attention: `model.Block` without the temporal token, and a logit that is read from `cls`.

Tokens are those of `model`: cls (B, D) and patches (B, N, T, D). Names of parameters are those of the published checkpoints.

Source: Bertasius, Wang, Torresani, "Is Space-Time Attention All You Need for Video Understanding?", ICML 2021.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from dfbench_fakestormer.dense import dense
from dfbench_fakestormer.model import LAYER_NORM_EPS, Block, ModelConfig
from dfbench_fakestormer.stems import ConvStem, PatchEmbed


class TimeSformerNet(nn.Module):
    """Normalised clips (B, 3, T, S, S) to the logit of "fake" (B, 1). `seed` decides the initial weights."""

    def __init__(self, config: ModelConfig, *, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        width, rates = config.width, torch.linspace(0, config.drop_path, config.depth).tolist()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + config.grid**2, width))
        self.time_embed = nn.Parameter(torch.zeros(1, config.frames, width))
        embed = PatchEmbed if config.stem == "patch" else ConvStem
        self.patch_embed: nn.Module = embed(config.patch, width)
        self.blocks = nn.ModuleList(Block(config, rate) for rate in rates)
        self.norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        self.head = nn.Linear(width, 1)
        self._initialise(torch.Generator().manual_seed(seed))

    def forward(self, clips: Tensor) -> Tensor:
        """Each clip by itself."""
        return self.head(self.tokens(clips)[:, 0])  # type: ignore[no-any-return]

    def tokens(self, clips: Tensor) -> Tensor:
        """The tokens after the last norm, (B, 1 + N T, D): cls, then the frames of each place."""
        b, _, t, _, _ = clips.shape
        grid = self.patch_embed(clips.transpose(1, 2).flatten(0, 1))  # (b t) d h w
        patches = grid.flatten(2).view(b, t, grid.shape[1], -1).permute(0, 3, 1, 2)  # b n t d
        patches = patches + self.pos_embed[:, 1:].unsqueeze(2) + self.time_embed.unsqueeze(1)
        cls = (self.cls_token[:, 0] + self.pos_embed[:, 0]).expand(b, -1)
        for block in self.blocks:
            cls, patches = _through(cast("Block", block), cls, patches)
        return self.norm(torch.cat([cls[:, None], patches.flatten(1, 2)], dim=1))  # type: ignore[no-any-return]

    def _initialise(self, generator: torch.Generator) -> None:
        """As `FakeSTormerNet`, so that both begin alike: Xavier, Kaiming for convolutions, tokens of a small normal."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight, generator=generator)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for token in (self.cls_token, self.pos_embed, self.time_embed):
            nn.init.trunc_normal_(token, std=0.02, a=-0.04, b=0.04, generator=generator)
        if isinstance(self.patch_embed, ConvStem):
            first = next(iter(self.patch_embed.parameters()))
            with torch.no_grad():  # differences of pixels are smaller than pixels, hence the factor
                first.sub_(first.mean(dim=(2, 3), keepdim=True)).mul_(2)


def _through(block: Block, cls: Tensor, patches: Tensor) -> tuple[Tensor, Tensor]:
    """New (cls, patches) after a block: each place along its frames, each frame with cls, then the MLP."""
    b, n, t, d = patches.shape
    drop = block.drop_path
    seen = drop.around(lambda rows: block.temporal_attn(rows, block.temporal_norm1), patches.flatten(0, 1))
    patches = patches + dense(block.temporal_fc, seen).view(b, n, t, d)

    frame_cls = cls.view(b, 1, 1, d).expand(b, t, 1, d)
    seen = torch.cat([frame_cls, patches.transpose(1, 2)], dim=2).view(b * t, 1 + n, d)
    seen = drop.around(lambda rows: block.attn(rows, block.norm1), seen).view(b, t, 1 + n, d)
    cls = cls + seen[:, :, 0].mean(dim=1)
    patches = patches + seen[:, :, 1:].transpose(1, 2)

    tokens = torch.cat([cls[:, None], patches.reshape(b, n * t, d)], dim=1)
    tokens = drop.added(lambda rows: block.mlp(rows, block.norm2), tokens)
    return tokens[:, 0], tokens[:, 1:].reshape(b, n, t, d)
