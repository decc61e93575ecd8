"""What moved the logit: attributions of FakeSTormer's class logit to pixels and patches.

The logit is read from the temporal token, which each block lets look along time at every patch; spatial attention
reaches it only through the patches of later blocks, and in a network of one block not at all. Methods that read
spatial attention alone therefore do not apply; those below follow both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from dfbench_fakestormer.model import Attention, Block, FakeSTormerNet


def integrated_gradients(
    function: Callable[[Tensor], Tensor], x: Tensor, baseline: Tensor, *, steps: int
) -> Tensor:
    """Attributions of `function` (B, ...) -> (B,) to `x`, of its shape, along the straight line from `baseline`.

    Their sum over a row approaches function(x) - function(baseline) as `steps` (of the midpoint rule) grows. Rows
    must not influence one another. Source: Sundararajan et al., ICML 2017.
    """
    difference = x - baseline
    total = torch.zeros_like(x)
    for step in range(steps):
        point = (baseline + (step + 0.5) / steps * difference).detach().requires_grad_(True)
        total += torch.autograd.grad(function(point).sum(), point)[0]
    return total / steps * difference


def smoothed(clips: Tensor, *, sigma: float) -> Tensor:
    """Clips (B, 3, T, S, S) without detail finer than `sigma` pixels: what a frame looks like without artefacts."""
    radius = max(1, round(3 * sigma))
    offsets = torch.arange(-radius, radius + 1, dtype=clips.dtype, device=clips.device)
    kernel = torch.exp(-(offsets**2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).view(1, 1, -1)
    b, c, t, h, w = clips.shape
    rows = F.pad(clips.reshape(-1, 1, w), (radius, radius), mode="replicate")
    across = F.conv1d(rows, kernel).view(-1, h, w)
    columns = F.pad(across.transpose(1, 2).reshape(-1, 1, h), (radius, radius), mode="replicate")
    return F.conv1d(columns, kernel).view(-1, w, h).transpose(1, 2).reshape(b, c, t, h, w)


def to_patches(values: Tensor, grid: int) -> Tensor:
    """Pixel values (B, T, S, S) summed over each patch: (B, T, grid, grid)."""
    patch = values.shape[-1] // grid
    return F.avg_pool2d(values, patch) * patch**2


def token_gradients(net: FakeSTormerNet, clips: Tensor) -> Tensor:
    """Gradient times input at the patch embeddings, less their mean over the clip: (B, T, h, w)."""
    patches, slope = _slope_at_tokens(net, clips)
    centred = patches - patches.mean(dim=(1, 2), keepdim=True)
    return _on_grid((slope * centred).sum(dim=-1), net)


def token_sensitivity(net: FakeSTormerNet, clips: Tensor) -> Tensor:
    """Length of the logit's gradient at each patch embedding, at least 0: (B, T, h, w)."""
    _, slope = _slope_at_tokens(net, clips)
    return _on_grid(slope.norm(dim=-1), net)


def _slope_at_tokens(net: FakeSTormerNet, clips: Tensor) -> tuple[Tensor, Tensor]:
    """Patch embeddings (B, N, T, D) and the gradient of the logit there."""
    with torch.no_grad():
        cls, patches, temp = net.backbone.embed(clips)
    patches = patches.detach().requires_grad_(True)
    logit, _ = open_forward(net, cls, patches, temp)
    (slope,) = torch.autograd.grad(logit.sum(), patches)
    return patches.detach(), slope.detach()


def attention_rollout(net: FakeSTormerNet, clips: Tensor) -> Tensor:
    """Relevance of each patch for the logit by gradient-weighted attention, at least 0: (B, T, h, w).

    Both kinds of attention are followed from the temporal token back to the patches; a weight counts as far as raising
    it raises the logit. Source: Chefer et al., ICCV 2021, for divided space-time attention.
    """
    with torch.no_grad():
        cls, patches, temp = net.backbone.embed(clips)
    logit, attentions = open_forward(net, cls.requires_grad_(True), patches.requires_grad_(True), temp)
    flat = [one for pair in attentions for one in pair if one is not None]
    slopes = iter(torch.autograd.grad(logit.sum(), flat, allow_unused=True))
    weighted = [
        tuple(None if one is None else _weighted(one, next(slopes)) for one in pair) for pair in attentions
    ]
    b, n, t, _ = patches.shape
    relevance = patches.new_zeros(b, n, t)  # of the temporal token for each patch ...
    of_cls = patches.new_zeros(b)
    of_temp = patches.new_ones(b)
    for time, space in reversed(weighted):
        assert time is not None
        if space is not None:  # rows and columns: cls, then the patches of one frame
            rows = space.view(b, t, n + 1, n + 1)
            asked = torch.cat([(of_cls / t).view(b, 1, 1).expand(b, t, 1), relevance.transpose(1, 2)], dim=2)
            gained = (asked.unsqueeze(2) @ rows).squeeze(2)
            relevance = relevance + gained[:, :, 1:].transpose(1, 2)
            of_cls = of_cls + gained[:, :, 0].sum(dim=1)
        rows = time.view(b, n, t + 1, t + 1)
        asked = torch.cat([relevance, (of_temp / n).view(b, 1, 1).expand(b, n, 1)], dim=2)
        gained = (asked.unsqueeze(2) @ rows).squeeze(2)
        relevance = relevance + gained[:, :, :t]
        of_temp = of_temp + gained[:, :, t].sum(dim=1)
    if net.config.temporal_token == "patch0":
        relevance[:, 0, 0] += of_temp  # ... which is what the temporal token started as
    return _on_grid(relevance.detach(), net)


def temporal_evidence(net: FakeSTormerNet, clips: Tensor, *, steps: int) -> Tensor:
    """What each frame of each place tells the temporal token by temporal attention, as parts of the logit: (B, T, h, w).

    What attention answers is a sum over what it looks at, so the logit's slope along the answer is divided into parts
    without more ado. The slope is integrated (`steps` of the midpoint rule) from a token that hears no patch to one that
    hears all as they are: their sum over a clip approaches the difference between these two logits.
    """
    with torch.no_grad():
        cls, patches, temp = net.backbone.embed(clips)
    b, n, t, _ = patches.shape
    told = patches.new_zeros(b, n, t)
    for step in range(steps):
        heard = (step + 0.5) / steps
        logit, attentions = open_forward(net, cls, patches.detach().requires_grad_(True), temp, heard=heard)
        weights = [in_time for in_time, _ in attentions]
        for one, slope in zip(weights, torch.autograd.grad(logit.sum(), weights), strict=True):
            parts = (one * slope)[:, :, -1, :-1].detach().sum(dim=1)
            told += parts.view(b, n, t) / (heard * steps)
    return _on_grid(told, net)


def _weighted(attention: Tensor, slope: Tensor | None) -> Tensor:
    """(rows, heads, length, length) to (rows, length, length): the mean over heads of what raises the logit."""
    if slope is None:
        return torch.zeros_like(attention[:, 0])
    return (attention * slope).clamp_min(0).mean(dim=1).detach()


def _on_grid(values: Tensor, net: FakeSTormerNet) -> Tensor:
    """(B, N, T) to (B, T, h, w)."""
    b, _, t = values.shape
    return values.transpose(1, 2).reshape(b, t, net.config.grid, net.config.grid)


Attentions = list[tuple[Tensor, Tensor | None]]


def open_forward(
    net: FakeSTormerNet, cls: Tensor, patches: Tensor, temp: Tensor, *, heard: float = 1.0
) -> tuple[Tensor, Attentions]:
    """The logit (B,) from the tokens that enter block 0, and each block's attention weights (temporal, spatial).

    `heard` scales what temporal attention tells the temporal token of the patches.
    In evaluation mode; equal to the network's own up to rounding, which does not show its weights. Temporal weights
    are (B N, heads, T + 1, T + 1), the temporal token last; spatial ones (B T, heads, 1 + N, 1 + N), cls first, and None
    in the last block, whose logit does not read them.
    """
    if net.config.temporal_token == "patch0":
        temp = patches[:, 0, 0]
    attentions: Attentions = []
    blocks = [cast("Block", block) for block in net.backbone.blocks]
    for number, block in enumerate(blocks):
        b, n, t, d = patches.shape
        joined = torch.cat([patches, temp.view(b, 1, 1, d).expand(b, n, 1, d)], dim=2).view(b * n, t + 1, d)
        seen, in_time = _attend(block.temporal_attn, block.temporal_norm1(joined), by_last=heard)
        seen = block.temporal_fc(seen).view(b, n, t + 1, d)
        patches = patches + seen[:, :, :t]
        temp = temp + seen[:, :, t].mean(dim=1)
        in_space = None
        if number + 1 < len(blocks):
            frames = torch.cat([cls.view(b, 1, 1, d).expand(b, t, 1, d), patches.transpose(1, 2)], dim=2)
            seen, in_space = _attend(block.attn, block.norm1(frames.reshape(b * t, n + 1, d)))
            seen = seen.view(b, t, n + 1, d)
            cls = cls + seen[:, :, 0].mean(dim=1)
            patches = patches + seen[:, :, 1:].transpose(1, 2)
            cls = cls + block.mlp(block.norm2(cls))
            patches = patches + block.mlp(block.norm2(patches))
        temp = temp + block.mlp(block.norm2(temp))
        attentions.append((in_time, in_space))
    logit: Tensor = net.keypoint_head["cls"](net.backbone.norm(temp))
    return logit[:, 0], attentions


def _attend(attention: Attention, x: Tensor, *, by_last: float = 1.0) -> tuple[Tensor, Tensor]:
    """The answer (rows, length, D) and the weights (rows, heads, length, length), a row a question.

    The answer to the last token counts the others `by_last` times, its own value whole.
    """
    rows, length, width = x.shape
    qkv = attention.qkv(x).view(rows, length, 3, attention.heads, width // attention.heads)
    q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
    weights = ((q @ k.transpose(-2, -1)) * q.shape[-1] ** -0.5).softmax(dim=-1)
    counted = torch.ones(length, length, dtype=x.dtype, device=x.device)
    counted[-1, :-1] = by_last
    answer = attention.proj(((weights * counted) @ v).transpose(1, 2).reshape(rows, length, width))
    return answer, weights
