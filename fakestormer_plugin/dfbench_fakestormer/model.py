"""The FakeSTormer network: a vision transformer with divided space-time attention and three heads.

Read it from top to bottom. A clip of T frames is cut into N patches a frame. Three kinds of tokens travel through
the blocks, each with its own shape, so that no block has to take a flat sequence apart again:

    cls      (B, D)          summarises space; takes part in spatial attention only
    patches  (B, N, T, D)    one a patch and frame
    temp     (B, D)          summarises time; takes part in temporal attention only

The fake/real logit is read from `temp`, the per-frame logits from what `cls` gathers in each frame, and the heat
map from the patches. Parameter names are those of the released checkpoints, which therefore load as they are.

Source: Nguyen et al., "Vulnerability-Aware Spatio-Temporal Learning for Generalizable Deepfake Video Detection",
ICCV 2025, and the behaviour of the code released with it (commit 896d035).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from dfbench_fakestormer.dense import dense, linear
from dfbench_fakestormer.stems import ConvStem, PatchEmbed

Stem = Literal["patch", "conv"]
TemporalToken = Literal["learned", "patch0"]
EmbedOrder = Literal["released", "mended"]

LAYER_NORM_EPS = 1e-6
BATCH_NORM_MOMENTUM = 0.05
# Such as the frames of a clip: on two threads torch's attention takes two to three times as long as products. On one it
# is the other way round when scoring, by half as much again.
FEW_TOKENS = 8
ROWS_ALIKE = 16


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The shape of the network and the two switches that change what it computes.

    `size` is the frame's side in pixels and a multiple of `patch`. `temporal_token`: "learned" starts `temp` from
    its learned parameter; "patch0" from the first patch of the clip's own first frame, which is what the released
    code computes for a batch of one. `embed_order`: "mended" gives the heat-map head every token at its true place;
    "released" the scrambled order that the released head was trained with. `temporal_hidden`: the width to which the
    temporal head narrows each frame; 0 for that of the released code, `width // frames`.
    """

    frames: int = 4
    size: int = 224
    patch: int = 16
    width: int = 768
    depth: int = 12
    heads: int = 12
    mlp_ratio: float = 4.0
    drop_path: float = 0.3
    head_dropout: float = 0.2
    stem: Stem = "patch"
    temporal_token: TemporalToken = "learned"
    embed_order: EmbedOrder = "mended"
    temporal_hidden: int = 0

    @property
    def grid(self) -> int:
        """Patches along one side of a frame."""
        return self.size // self.patch

    @property
    def narrowed(self) -> int:
        """The hidden width of the temporal head."""
        return self.temporal_hidden or max(1, self.width // self.frames)


class Output(NamedTuple):
    """What the three heads say of a batch of B clips.

    logit (B, 1): fake or real. frame_logits (B, T): fake or real, frame by frame. heatmap (B, 1, T, h, w): the
    spatial evidence, without activation.
    """

    logit: Tensor
    frame_logits: Tensor
    heatmap: Tensor


class Trace(NamedTuple):
    """The backbone's results before the heads: cls (B, D) for the logit, embed (B, D, T, h, w), s_cls (B, T, D)."""

    cls: Tensor
    embed: Tensor
    s_cls: Tensor


class DropPath(nn.Module):
    """Leaves out whole rows (first dimension) with probability `rate` while training, and scales the others up."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    @property
    def active(self) -> bool:
        """Whether any row may be dropped."""
        return self.rate > 0.0 and self.training

    def draw(self, rows: int, device: torch.device) -> Tensor:
        """Which of so many rows are kept, (k,) int64, ascending. Drawn on the CPU, the same for any device."""
        return torch.empty(rows).bernoulli_(1.0 - self.rate).nonzero()[:, 0].to(device)

    def around(self, branch: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """`branch(x)` times `scale` where rows of x are kept, 0 elsewhere; nothing is computed for those."""
        if not self.active:
            return branch(x)
        kept = self.draw(len(x), x.device)
        return _added(None, branch(x.index_select(0, kept)), kept, len(x), self.scale)

    def added(self, branch: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """x + around(branch, x)."""
        if not self.active:
            return x + branch(x)
        kept = self.draw(len(x), x.device)
        return _added(x, branch(x.index_select(0, kept)), kept, len(x), self.scale)

    @property
    def scale(self) -> float:
        """What the answers of kept rows are multiplied by, so that the mean stays."""
        return 1.0 / (1.0 - self.rate)


class Attention(nn.Module):
    """Multi-head self-attention over (rows, length, D)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, norm: nn.LayerNorm | None = None) -> Tensor:
        """Every token looks at every token of its row; `norm` is applied to the tokens first."""
        return dense(self.proj, attend(self.queries(x, norm), self.heads))

    def queries(self, x: Tensor, norm: nn.LayerNorm | None = None) -> Tensor:
        """Queries, keys and values (..., 3 D) of tokens (..., D)."""
        return dense(self.qkv, x, norm)


def attend(qkv: Tensor, heads: int) -> Tensor:
    """The answers (rows, length, D), before any projection, to queries, keys and values (rows, length, 3 D)."""
    rows, length, width = qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3
    q, k, v = qkv.view(rows, length, 3, heads, width // heads).permute(2, 0, 3, 1, 4).unbind(0)
    if length <= FEW_TOKENS and qkv.device.type == "cpu":
        answer = ((q * (width // heads) ** -0.5) @ k.transpose(-2, -1)).softmax(dim=-1) @ v
    else:
        answer = F.scaled_dot_product_attention(q, k, v)
    joined: Tensor = answer.transpose(1, 2).reshape(rows, length, width)
    return joined


class Mlp(nn.Module):
    """Two linear layers with an exact GELU between."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor, norm: nn.LayerNorm | None = None) -> Tensor:
        """Token by token; `norm` is applied first."""
        return dense(self.fc2, dense(self.fc1, x, norm), F.gelu)


def _filled_up(kept: Tensor, count: int) -> Tensor:
    """Rows `kept` (k,) of `count`, and behind them as many of the others as make it a multiple of ROWS_ALIKE.

    Tensors of ever new sizes leave gaps in memory that no later one fits: a sixth more of it after ten steps.
    """
    others = torch.ones(count, dtype=torch.bool).index_fill_(0, kept, False).nonzero()[:, 0]
    return torch.cat([kept, others[: -len(kept) % ROWS_ALIKE]])


def _added(base: Tensor | None, rows: Tensor, places: Tensor, count: int, scale: float = 1.0) -> Tensor:
    """`base`, `count` rows (None: zeros), and `scale` times `rows` at their `places`, in the type of `base`."""
    if base is None:
        base = rows.new_zeros(count, *rows.shape[1:])
    return _Added.apply(base, rows, places, scale)  # type: ignore[no-any-return]


class _Added(torch.autograd.Function):
    """index_add, which would keep all of `rows` for the backward pass to know its shape."""

    @staticmethod
    def forward(ctx: Any, base: Tensor, rows: Tensor, places: Tensor, scale: float) -> Tensor:
        ctx.save_for_backward(places)
        ctx.scale = scale
        return base.index_add(0, places, rows.to(base.dtype), alpha=scale)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (places,) = ctx.saved_tensors
        of_rows = grad.index_select(0, places)
        return grad, of_rows if ctx.scale == 1.0 else of_rows.mul_(ctx.scale), None, None


class Block(nn.Module):
    """Temporal attention, then spatial attention, then an MLP; each with a residual."""

    def __init__(self, config: ModelConfig, drop_path: float) -> None:
        super().__init__()
        width = config.width
        self.norm1 = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        self.attn = Attention(width, config.heads)
        self.temporal_norm1 = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        self.temporal_attn = Attention(width, config.heads)
        self.temporal_fc = nn.Linear(width, width)
        self.drop_path = DropPath(drop_path)
        self.norm2 = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        self.mlp = Mlp(width, int(width * config.mlp_ratio))

    def forward(self, cls: Tensor, patches: Tensor, temp: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """New (cls, patches, temp), and s_cls (B, T, D): what spatial attention gave the cls token in each frame."""
        b, n, t, d = patches.shape

        # Time: each patch position looks along its T frames and at temp, which keeps the mean of its N answers.
        if self.drop_path.active:
            patches, temp = self._kept_look_along_time(patches, temp)
        else:
            seen = torch.cat([patches, temp.view(b, 1, 1, d).expand(b, n, 1, d)], dim=2).view(b * n, t + 1, d)
            seen = dense(self.temporal_fc, self.temporal_attn(seen, self.temporal_norm1)).view(b, n, t + 1, d)
            patches = patches + seen[:, :, :t]
            temp = temp + seen[:, :, t].mean(dim=1)

        # Space: each frame's patches look at one another and at cls, which keeps the mean of its T answers.
        frame_cls = cls.view(b, 1, 1, d).expand(b, t, 1, d)
        seen = torch.cat([frame_cls, patches.transpose(1, 2)], dim=2).view(b * t, 1 + n, d)
        seen = self.drop_path.around(lambda rows: self.attn(rows, self.norm1), seen).view(b, t, 1 + n, d)
        s_cls, seen = torch.split(seen, [1, n], dim=2)
        patches = patches + seen.transpose(1, 2)
        cls = cls + s_cls.mean(dim=1)[:, 0]

        tokens = torch.cat([cls.unsqueeze(1), patches.reshape(b, n * t, d), temp.unsqueeze(1)], dim=1)
        tokens = self.drop_path.added(lambda rows: self.mlp(rows, self.norm2), tokens)
        cls, patches, temp = torch.split(tokens, [1, n * t, 1], dim=1)
        # temp is kept for the backward pass; as a view it would keep all tokens with it.
        return cls[:, 0], patches.reshape(b, n, t, d), temp[:, 0].clone(), s_cls[:, :, 0]

    def _kept_look_along_time(self, patches: Tensor, temp: Tensor) -> tuple[Tensor, Tensor]:
        """New patches and temp while rows are dropped: equal up to rounding to masking them, by less arithmetic.

        temp is the same in all rows, so it is projected once, and its answers are summed before they are projected;
        nothing but a factor stands between `temporal_attn.proj` and `temporal_fc`, so they are one matrix. The bias of
        temporal_fc is added even where a row was dropped, as in the source.
        """
        b, n, t, d = patches.shape
        attn, fc, scale = self.temporal_attn, self.temporal_fc, self.drop_path.scale
        kept = self.drop_path.draw(b * n, torch.device("cpu"))
        count, computed = len(kept), _filled_up(kept, b * n).to(patches.device)
        kept = computed[:count]
        clip = computed // n
        rows = patches.reshape(b * n, t, d)
        weight, bias = (fc.weight @ attn.proj.weight) * scale, (fc.weight @ attn.proj.bias) * scale

        qkv, asked = (
            attn.queries(one, self.temporal_norm1) for one in (rows.index_select(0, computed), temp)
        )
        answer = attend(torch.cat([qkv, asked[clip, None]], dim=1), attn.heads)
        answer, summary = torch.split(answer, [t, 1], dim=1)
        clip, summary = clip[:count], summary[:count, 0]
        total = temp.new_zeros(b, d).index_add(0, clip, summary.to(temp.dtype))
        seen = linear(answer, weight, bias)[:count]
        patches = _added(rows + fc.bias, seen, kept, b * n).view(b, n, t, d)
        share = torch.bincount(clip, minlength=b).to(temp.dtype)[:, None] / n
        return patches, temp + F.linear(total / n, weight, fc.bias) + share * bias


class Backbone(nn.Module):
    """Embedding, blocks and final norms: clips to `Trace`."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        width, positions = config.width, config.grid**2
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + positions, width))
        self.temp_token = nn.Parameter(torch.zeros(1, 1, width))
        self.time_embed = nn.Parameter(torch.zeros(1, config.frames + 1, width))
        embed = PatchEmbed if config.stem == "patch" else ConvStem
        self.patch_embed: nn.Module = embed(config.patch, width)
        rates = [config.drop_path * i / max(1, config.depth - 1) for i in range(config.depth)]
        self.blocks = nn.ModuleList(Block(config, rate) for rate in rates)
        self.norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        self.norm_s_cls = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        self.norm_t_cls = nn.LayerNorm(width, eps=LAYER_NORM_EPS)  # never used, but part of every checkpoint

    def embed(self, clips: Tensor, temporal_source: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens (cls, patches, temp) that enter block 0.

        `temporal_source` (B,) int64: temp of clip b is patch b of frame 0 of clip temporal_source[b]. Only the
        parity tests pass it, because the released code lets clips of a batch see one another in this way; None
        follows the configuration, which never looks outside the clip.
        """
        b, _, t, _, _ = clips.shape
        grid = self.patch_embed(clips.transpose(1, 2).flatten(0, 1))  # (b t) d h w
        patches = grid.flatten(2).view(b, t, grid.shape[1], -1).permute(0, 3, 1, 2)  # b n t d
        patches = patches + self.pos_embed[:, 1:].unsqueeze(2) + self.time_embed[:, :t].unsqueeze(1)
        cls = (self.cls_token[:, 0] + self.pos_embed[:, 0]).expand(b, -1)
        # As in the source, a learned token that is not used has a gradient, zero, so that weight decay moves it.
        unused = 0 * self.temp_token[:, 0]
        if temporal_source is not None:
            temp = patches[temporal_source, torch.arange(b, device=clips.device), 0] + unused
        elif self.config.temporal_token == "patch0":
            temp = patches[:, 0, 0] + unused
        else:
            temp = (self.temp_token[:, 0] + self.time_embed[:, t]).expand(b, -1)
        return cls, patches, temp

    def forward(self, clips: Tensor, temporal_source: Tensor | None = None) -> Trace:
        """Normalised clips (B, 3, T, S, S) to the three results that the heads read."""
        cls, patches, temp = self.embed(clips, temporal_source)
        s_cls = patches[:, 0]
        for block in self.blocks:
            cls, patches, temp, s_cls = block(cls, patches, temp)
        return Trace(self.norm(temp), self._volume(self.norm(patches)), self.norm_s_cls(s_cls))

    def _volume(self, patches: Tensor) -> Tensor:
        """(B, N, T, D) to (B, D, T, h, w)."""
        b, _, t, d = patches.shape
        h = self.config.grid
        if self.config.embed_order == "mended":
            return patches.view(b, h, h, t, d).permute(0, 4, 3, 1, 2)
        # The released code reads the sequence, in which t runs fastest, as if it ran slowest.
        return patches.reshape(b, t, h, h, d).permute(0, 4, 1, 2, 3)


class HeatmapHead(nn.Module):
    """(B, D, T, h, w) to (B, 1, T, h, w) by convolutions along time."""

    def __init__(self, width: int) -> None:
        super().__init__()

        def layer(inputs: int, outputs: int) -> nn.Sequential:
            return nn.Sequential(
                nn.Conv3d(inputs, outputs, (3, 1, 1), padding=(1, 0, 0)),
                nn.BatchNorm3d(outputs, momentum=BATCH_NORM_MOMENTUM),
                nn.GELU(),
            )

        self.before_proj = nn.Sequential(layer(width, width))
        self.proj = nn.Sequential(
            layer(width, width // 4), nn.Conv3d(width // 4, 1, (3, 1, 1), padding=(1, 0, 0))
        )

    def forward(self, embed: Tensor) -> Tensor:
        """No activation at the end."""
        return self.proj(self.before_proj(embed))  # type: ignore[no-any-return]


class ClassHead(nn.Module):
    """(B, D) to one logit (B, 1)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc_out = nn.Linear(width, 1)

    def forward(self, cls: Tensor) -> Tensor:
        """No activation."""
        return self.fc_out(cls)  # type: ignore[no-any-return]


class TemporalHead(nn.Module):
    """(B, T, D) to one logit a frame (B, T): each frame is narrowed alone, then all frames decide together."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        narrow = nn.Linear(config.width, config.narrowed)
        self.fc1 = nn.Sequential(narrow, nn.GELU(), nn.Dropout(config.head_dropout))
        self.fc_out = nn.Linear(config.frames * config.narrowed, config.frames)

    def forward(self, s_cls: Tensor) -> Tensor:
        """No activation."""
        return self.fc_out(self.fc1(s_cls).flatten(1))  # type: ignore[no-any-return]


class Heads(nn.ModuleDict):
    """The three heads under the names of the released checkpoints."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(
            {
                "hm": HeatmapHead(config.width),
                "cls": ClassHead(config.width),
                "temp_loc": TemporalHead(config),
            }
        )


class FakeSTormerNet(nn.Module):
    """The whole network. `seed` decides the initial weights."""

    def __init__(self, config: ModelConfig, *, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        self.backbone = Backbone(config)
        self.keypoint_head = Heads(config)
        self._initialise(torch.Generator().manual_seed(seed))

    def forward(self, clips: Tensor, *, temporal_source: Tensor | None = None) -> Output:
        """All three heads for normalised clips (B, 3, T, S, S); for `temporal_source` see `Backbone.embed`."""
        trace = self.backbone(clips, temporal_source)
        heads = self.keypoint_head
        return Output(heads["cls"](trace.cls), heads["temp_loc"](trace.s_cls), heads["hm"](trace.embed))

    def logit(self, clips: Tensor) -> Tensor:
        """The fake/real logit (B,) alone: `forward(...).logit` without the other heads. To score, see `ScoringNet`."""
        return self.keypoint_head["cls"](self.backbone(clips).cls)[:, 0]  # type: ignore[no-any-return]

    def flip_test(self, clips: Tensor) -> Output:
        """Mean of the raw outputs for the clips and their mirror images; the heat map is not mirrored back."""
        plain, mirrored = self(clips), self(clips.flip(4))
        return Output(*((a + b) / 2 for a, b in zip(plain, mirrored, strict=True)))

    def _initialise(self, generator: torch.Generator) -> None:
        """Linear layers: Xavier; convolutions: Kaiming; tokens: normal, std 0.02, cut at two; norms: one and zero.

        Xavier and not the usual std of 0.02, which is meant for a width of 768: at a width of 96 the three linear
        layers between the patches and the temporal token would hand on a hundredth of their input.
        """
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight, generator=generator)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Conv2d | nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        backbone = self.backbone
        for token in (backbone.cls_token, backbone.pos_embed, backbone.temp_token, backbone.time_embed):
            nn.init.trunc_normal_(token, std=0.02, a=-0.04, b=0.04, generator=generator)
        if isinstance(backbone.patch_embed, ConvStem):
            # Differences of pixels are smaller than pixels, hence the factor.
            first = next(iter(backbone.patch_embed.parameters()))
            with torch.no_grad():
                first.sub_(first.mean(dim=(2, 3), keepdim=True)).mul_(2)
