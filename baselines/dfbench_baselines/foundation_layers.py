"""The networks of the detectors on foundation models, and the losses on their features."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class FrameDetector(nn.Module):
    """An image transformer and a linear layer with one output, which sees features of length one with `unit_length`."""

    def __init__(self, backbone: nn.Module, *, unit_length: bool) -> None:
        super().__init__()
        self.backbone = backbone
        width = backbone.num_features
        assert isinstance(width, int)
        self.head = nn.Linear(width, 1)
        self._unit_length = unit_length

    def features(self, frames: Tensor) -> Tensor:
        """Return the features (B, D) of normalised frames (B, 3, S, S)."""
        features: Tensor = self.backbone(frames)
        return F.normalize(features, dim=-1) if self._unit_length else features

    def logits(self, features: Tensor) -> Tensor:
        """Return the logits (B,) of features (B, D)."""
        logits: Tensor = self.head(features)
        return logits[:, 0]

    def forward(self, frames: Tensor) -> Tensor:
        """Return the logits (B,) of normalised frames (B, 3, S, S)."""
        return self.logits(self.features(frames))


def only_norms(backbone: nn.Module) -> None:
    """Let the layer norms of a transformer be trained, and nothing else of it."""
    backbone.requires_grad_(requires_grad=False)
    for module in backbone.modules():
        if isinstance(module, nn.LayerNorm):
            module.requires_grad_(requires_grad=True)


class SplitLinear(nn.Module):
    """A linear layer of P stacked matrices (D, E), each a part that stays as it is and one of low rank that is trained.

    weight_main (P, D, E); U_residual (P, D, r), S_residual (P, r), V_residual (P, r, E); bias (P * D,), which stays too.
    The weights of matrix p are weight_main + U_residual diag(S_residual) V_residual.
    """

    weight_main: Tensor
    bias: Tensor

    def __init__(self, linear: nn.Linear, *, parts: int, rank: int) -> None:
        """Split the matrices of `linear`: the `rank` smallest singular values are trained, with their vectors."""
        super().__init__()
        matrices = linear.weight.detach().reshape(parts, -1, linear.in_features)
        main, left, values, right = split(matrices, rank=rank)
        bias = linear.bias.detach() if linear.bias is not None else matrices.new_zeros(linear.out_features)
        self.register_buffer("weight_main", main)
        self.register_buffer("bias", bias.clone())
        self.U_residual, self.S_residual, self.V_residual = map(nn.Parameter, (left, values, right))

    @property
    def weight(self) -> Tensor:
        """The weights of all matrices (P * D, E), as those of a plain linear layer."""
        residual = (self.U_residual * self.S_residual[:, None]) @ self.V_residual
        return (self.weight_main + residual).flatten(0, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        """Apply the matrices to (..., E); returns (..., P * D)."""
        return F.linear(inputs, self.weight, self.bias)


def split(matrices: Tensor, *, rank: int) -> tuple[Tensor, ...]:
    """Split matrices (P, D, E) by singular value; returns the sum of all but the `rank` smallest (P, D, E), and of these the left
    vectors (P, D, r), the values (P, r) and the right vectors (P, r, E)."""
    exact = matrices.double()  # so that both parts together are what they were, to the rounding of the sum
    left, values, right = torch.linalg.svd(exact, full_matrices=False)
    kept = values.shape[-1] - rank
    left, values, right = left[..., kept:], values[:, kept:], right[:, kept:]
    main = exact - (left * values[:, None]) @ right
    return tuple(part.to(matrices.dtype).contiguous() for part in (main, left, values, right))


def split_attention(backbone: nn.Module, *, rank: int) -> None:
    """Split the four matrices of each attention of a transformer of timm, and let nothing else of it be trained."""
    backbone.requires_grad_(requires_grad=False)
    for module in list(backbone.modules()):
        qkv, proj = getattr(module, "qkv", None), getattr(module, "proj", None)
        if isinstance(qkv, nn.Linear) and isinstance(proj, nn.Linear):
            module.qkv = SplitLinear(qkv, parts=3, rank=rank)
            module.proj = SplitLinear(proj, parts=1, rank=rank)


def alignment(features: Tensor, labels: Tensor) -> Tensor:
    """Return the mean squared distance of features (B, D) over the pairs with the same label; 0 if there are none."""
    first, second = torch.triu_indices(len(features), len(features), 1, device=features.device)
    same = labels[first] == labels[second]
    squared = (features[first[same]] - features[second[same]]).square().sum(dim=1)
    return squared.sum() / max(1, len(squared))


def uniformity(features: Tensor) -> Tensor:
    """Return the logarithm of the mean of exp(-2 d^2) over all pairs of features (B, D) at distance d; 0 if there are none."""
    if len(features) < 2:
        return features.sum() * 0
    return torch.pdist(features).square().mul(-2).exp().mean().log()
