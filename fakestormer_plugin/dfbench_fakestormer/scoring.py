"""The network as it scores: the same logit as `FakeSTormerNet.logit`, by less arithmetic and fewer copies.

What is left out, and why the logit does not change:

* Between `temporal_attn.proj` and `temporal_fc` stands nothing but DropPath, so at test time they are one matrix.
* All positions share `temp`, and all frames share `cls`: their keys and queries are computed once, not N or T times.
* Answers to `temp` are averaged before they are projected, not after.
* The last block's logit needs the answer to one query alone. It is asked of the tokens as they are: q (W x) is
  (q W) x, and the bias of the keys, which is the same for all of them, leaves a softmax as it is.
* The heads for heat map and frames are not computed.

All tokens live in one buffer (B, T, 1 + N, D), in which place 0 of a frame holds `cls`. While time is looked at, which
`cls` takes no part in, place 0 holds `temp`. So every linear layer is a single product over contiguous rows.
"""

from __future__ import annotations

import warnings
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dfbench_fakestormer.dense import dense
from dfbench_fakestormer.model import Attention, Block, FakeSTormerNet, attend


class ScoringNet(nn.Module):
    """Normalised clips (B, 3, T, S, S) to logits (B,), for evaluation only: tokens are changed in place.

    Shares the weights of `net` where they are used as they are; `net` must not be trained on. The products of the
    linear layers inside the blocks are computed in `dtype`; norms, residuals and the head keep the type of `net`.
    """

    def __init__(self, net: FakeSTormerNet, *, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        backbone = net.backbone
        frames = net.config.frames
        self._patch0 = net.config.temporal_token == "patch0"
        self.patch_embed = backbone.patch_embed
        *blocks, last = (cast("Block", block) for block in backbone.blocks)
        self.blocks = nn.ModuleList(ScoringBlock(block, dtype) for block in blocks)
        self.last = LastBlock(last)
        self.norm = backbone.norm
        self.head: nn.Module = net.keypoint_head["cls"]
        with torch.no_grad():
            places, times = backbone.pos_embed, backbone.time_embed
            self.register_buffer("cls", (backbone.cls_token + places[:, :1])[0, 0])  # (D,)
            self.register_buffer("temp", (backbone.temp_token + times[:, frames:])[0, 0])  # (D,)
            self.register_buffer("places", times[0, :frames, None] + places[0, None, 1:])  # (T, N, D)
        self.eval().requires_grad_(requires_grad=False)

    def quantise(self) -> None:
        """Make the linear layers of all blocks but the last int8: weights by output channel, inputs as they come."""
        from torch.ao.quantization import per_channel_dynamic_qconfig, quantize_dynamic

        with warnings.catch_warnings():
            # torch keeps announcing the removal of its own quantisation in favour of a package of its own, torchao.
            warnings.filterwarnings("ignore", message=".*deprecated", category=DeprecationWarning)
            warnings.filterwarnings("ignore", message=".*deprecated", category=UserWarning)
            spec = {nn.Linear: per_channel_dynamic_qconfig}
            quantize_dynamic(self.blocks, spec, inplace=True)  # type: ignore[no-untyped-call]

    def forward(self, clips: Tensor) -> Tensor:
        """Each clip by itself."""
        b, _, t, _, _ = clips.shape
        places = cast("Tensor", self.places)
        grid = self.patch_embed(clips.transpose(1, 2).flatten(0, 1))  # (b t) d h w
        x = grid.new_empty(b, t, 1 + places.shape[1], places.shape[2])
        x[:, :, 0] = cast("Tensor", self.cls)
        torch.add(grid.flatten(2).transpose(1, 2).unflatten(0, (b, t)), places, out=x[:, :, 1:])
        temp = x[:, 0, 1].clone() if self._patch0 else cast("Tensor", self.temp).expand(b, -1)
        for block in self.blocks:
            temp = block(x, temp)
        return self.head(self.norm(self.last(x, temp)))[:, 0]  # type: ignore[no-any-return]


class ScoringBlock(nn.Module):
    """`model.Block` at test time."""

    def __init__(self, block: Block, dtype: torch.dtype | None) -> None:
        super().__init__()
        self._heads = block.attn.heads
        self._dtype = dtype
        self.temporal_norm, self.norm1, self.norm2 = block.temporal_norm1, block.norm1, block.norm2
        linear = {
            "temporal_qkv": block.temporal_attn.qkv,
            "temporal_out": one_after_another(block.temporal_attn.proj, block.temporal_fc),
            "qkv": block.attn.qkv,
            "proj": block.attn.proj,
            "fc1": block.mlp.fc1,
            "fc2": block.mlp.fc2,
        }
        self.linear = nn.ModuleDict({name: _in_type(one, dtype) for name, one in linear.items()})

    def forward(self, x: Tensor, temp: Tensor) -> Tensor:
        """Change x (B, T, 1 + N, D) in place and return the new temp (B, D)."""
        b, t, places, d = x.shape
        temp = temp + self._look_along_time(x, temp)
        x += self._look_around(x).view(x.shape)
        tokens = torch.cat([self.norm2(x).view(-1, d), self.norm2(temp)])
        answer = self._product("fc2", F.gelu(self._product("fc1", tokens)))
        x += answer[: b * t * places].view(x.shape)
        return temp + answer[b * t * places :]

    def _look_along_time(self, x: Tensor, temp: Tensor) -> Tensor:
        """Add what patches (N places, T frames) gather to x, and return what temp gathers, (B, D)."""
        b, t, places, d = x.shape
        n = places - 1
        seen = self.temporal_norm(x)
        seen[:, :, 0] = self.temporal_norm(temp)[:, None]
        qkv = self._product("temporal_qkv", seen).view(b, t, places, 3 * d)
        rows = torch.cat(
            [qkv[:, :, 1:].transpose(1, 2), qkv[:, :1, :1].transpose(1, 2).expand(b, n, 1, 3 * d)], dim=2
        )
        answer = attend(rows.view(b * n, t + 1, 3 * d), self._heads).view(b, n, t + 1, d)
        out = seen.new_empty(b, t, places, d, dtype=answer.dtype)
        out[:, :, 1:] = answer[:, :, :t].transpose(1, 2)
        out[:, :, 0] = answer[:, :, t].mean(dim=1, keepdim=True)
        gathered = self._product("temporal_out", out)
        x[:, :, 1:] += gathered[:, :, 1:]
        return gathered[:, 0, 0]

    def _look_around(self, x: Tensor) -> Tensor:
        """What each place of a frame gathers from that frame; cls keeps the mean of all frames."""
        b, t, places, d = x.shape
        qkv = self._product("qkv", self.norm1(x))
        gathered = self._product("proj", attend(qkv.view(b * t, places, 3 * d), self._heads)).view(x.shape)
        gathered[:, :, 0] = gathered[:, :, 0].mean(dim=1, keepdim=True)
        return gathered

    def _product(self, name: str, x: Tensor) -> Tensor:
        return dense(self.linear[name], x if self._dtype is None else x.to(self._dtype))


class LastBlock(nn.Module):
    """temp after the last block, by its own query alone."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        self._heads = block.temporal_attn.heads
        self.temporal_norm, self.norm2, self.mlp = block.temporal_norm1, block.norm2, block.mlp
        self.query, self.key, self.value = _projections(block.temporal_attn)
        self.temporal_out = one_after_another(block.temporal_attn.proj, block.temporal_fc)

    def forward(self, x: Tensor, temp: Tensor) -> Tensor:
        """x (B, T, 1 + N, D) and temp (B, D) to the new temp."""
        b, t, places, d = x.shape
        heads, size = self._heads, d // self._heads
        own = self.temporal_norm(temp)
        seen = self.temporal_norm(x)
        query = self.query(own).view(b, heads, size) * size**-0.5
        asked = torch.einsum("bhs,hsd->bdh", query, self.key.weight.view(heads, size, d))
        strength = torch.cat(
            [
                (seen.view(b, t * places, d) @ asked).view(b, t, places, heads)[:, :, 1:],
                (own[:, None] @ asked)[:, None].expand(b, 1, places - 1, heads),
            ],
            dim=1,
        )
        share = strength.softmax(dim=1) / (places - 1)  # over a place's frames and temp; the mean over places
        patches = F.pad(share[:, :t], (0, 0, 1, 0)).view(b, t * places, heads).transpose(1, 2)
        gathered = patches @ seen.view(b, t * places, d) + share[:, t].sum(dim=1)[..., None] * own[:, None]
        answer = torch.einsum("bhd,hsd->bhs", gathered, self.value.weight.view(heads, size, d)).flatten(1)
        temp = temp + self.temporal_out(answer + self.value.bias)
        return temp + self.mlp(self.norm2(temp))  # type: ignore[no-any-return]


@torch.no_grad()
def one_after_another(first: nn.Linear, second: nn.Linear) -> nn.Linear:
    """One linear layer that is `second` after `first`, multiplied out in float64."""
    w1, b1, w2, b2 = (p.double() for p in (first.weight, first.bias, second.weight, second.bias))
    return _linear((w2 @ w1).to(first.weight), (w2 @ b1 + b2).to(first.bias))


def _projections(attention: Attention) -> tuple[nn.Linear, nn.Linear, nn.Linear]:
    """The layers for query, key and value; parameters are views."""
    weights, biases = attention.qkv.weight.detach().chunk(3), attention.qkv.bias.detach().chunk(3)
    query, key, value = (_linear(weight, bias) for weight, bias in zip(weights, biases, strict=True))
    return query, key, value


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], device="meta")
    layer.weight, layer.bias = nn.Parameter(weight), nn.Parameter(bias)
    return layer


def _in_type(layer: nn.Linear, dtype: torch.dtype | None) -> nn.Linear:
    if dtype is None:
        return layer
    return _linear(layer.weight.detach().to(dtype), layer.bias.detach().to(dtype))
