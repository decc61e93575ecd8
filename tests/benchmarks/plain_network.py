"""The forward pass as it is usually written: the yardstick of the network benchmarks.

One flat sequence [cls, patches with time running fastest, temp], taken apart and put together in each block; attention
as two products with a softmax between; all heads. Ours, from the description of the released network.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dfbench_fakestormer.model import Attention, Block, DropPath, FakeSTormerNet, Output


def plain_forward(net: FakeSTormerNet, clips: Tensor) -> Output:
    """All three heads of `net` (mended, learned temporal token) for clips (B, 3, T, S, S)."""
    backbone, heads = net.backbone, net.keypoint_head
    b, _, t, _, _ = clips.shape
    grid = backbone.patch_embed(clips.transpose(1, 2).reshape(b * t, 3, *clips.shape[3:]))
    frames = grid.flatten(2).transpose(1, 2)
    _, n, d = frames.shape
    frames = torch.cat([backbone.cls_token.expand(b * t, 1, d), frames], dim=1) + backbone.pos_embed
    cls = frames[::t, :1]
    patches = frames[:, 1:].reshape(b, t, n, d).permute(0, 2, 1, 3).reshape(b * n, t, d)
    patches = (patches + backbone.time_embed[:, :t]).reshape(b, n * t, d)
    temp = (backbone.temp_token + backbone.time_embed[:, t:]).expand(b, 1, d)
    x = torch.cat([cls, patches, temp], dim=1)
    s_cls = cls
    for block in backbone.blocks:
        assert isinstance(block, Block)
        cls, patches, temp = x[:, :1], x[:, 1:-1], x[:, -1:]
        rows = torch.cat([patches.reshape(b * n, t, d), temp.repeat(1, n, 1).reshape(b * n, 1, d)], dim=1)
        rows = _attend(block.temporal_attn, block.temporal_norm1(rows))
        rows = block.temporal_fc(_drop(block.drop_path, rows))
        patches = patches + rows[:, :-1].reshape(b, n * t, d)
        temp = temp + rows[:, -1].reshape(b, n, d).mean(dim=1, keepdim=True)

        rows = patches.reshape(b, n, t, d).permute(0, 2, 1, 3).reshape(b * t, n, d)
        rows = torch.cat([cls.repeat(1, t, 1).reshape(b * t, 1, d), rows], dim=1)
        rows = _drop(block.drop_path, _attend(block.attn, block.norm1(rows)))
        s_cls = rows[:, 0].reshape(b, t, d)
        seen = rows[:, 1:].reshape(b, t, n, d).permute(0, 2, 1, 3).reshape(b, n * t, d)
        gained = torch.cat([s_cls.mean(dim=1, keepdim=True), seen, torch.zeros_like(temp)], dim=1)
        x = torch.cat([cls, patches, temp], dim=1) + gained
        x = x + _drop(block.drop_path, block.mlp.fc2(torch.nn.functional.gelu(block.mlp.fc1(block.norm2(x)))))
    x = backbone.norm(x)
    side = backbone.config.grid
    volume = x[:, 1:-1].reshape(b, side, side, t, d).permute(0, 4, 3, 1, 2).contiguous()
    return Output(heads["cls"](x[:, -1]), heads["temp_loc"](backbone.norm_s_cls(s_cls)), heads["hm"](volume))


def _attend(attention: Attention, x: Tensor) -> Tensor:
    rows, length, d = x.shape
    parts = attention.qkv(x).reshape(rows, length, 3, attention.heads, d // attention.heads)
    q, k, v = parts.permute(2, 0, 3, 1, 4).unbind(0)
    weights = ((q @ k.transpose(-2, -1)) * (d // attention.heads) ** -0.5).softmax(dim=-1)
    answer: Tensor = attention.proj((weights @ v).transpose(1, 2).reshape(rows, length, d))
    return answer


def _drop(drop_path: DropPath, x: Tensor) -> Tensor:
    if drop_path.rate == 0.0 or not drop_path.training:
        return x
    keep = 1 - drop_path.rate
    return x * (torch.empty(x.shape[0], 1, 1).bernoulli_(keep).to(x) / keep)
