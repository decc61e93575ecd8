"""The three-term loss of FakeSTormer: heat map, class and per-frame labels, with absolute weights.

Source: the paper's section 3.4 and `CombinedMSELoss` of the released code (restated in our own terms, checked
against stored values and gradients).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from dfbench_fakestormer.model import Output


@dataclass(frozen=True, slots=True)
class LossWeights:
    """Absolute multipliers of the terms; `temperature` divides the class logit while training only."""

    heatmap: float = 100.0
    classes: float = 0.8
    temporal: float = 0.2
    temperature: float = 2.0


class Targets(NamedTuple):
    """What the three heads should say of B clips.

    label (B, 1) float, 0 real and 1 fake. frame_labels (B, T) float in [0, 1], soft. heatmap (B, 1, T, h, w)
    float. keep (B, 1, T, h, w): 1 where the heat map counts, 0 where the cell was painted over; None = everywhere.
    """

    label: Tensor
    frame_labels: Tensor
    heatmap: Tensor
    keep: Tensor | None = None


class Losses(NamedTuple):
    """The weighted terms, scalars; `total` is their sum."""

    heatmap: Tensor
    classes: Tensor
    temporal: Tensor

    @property
    def total(self) -> Tensor:
        """What is minimised."""
        return self.heatmap + self.classes + self.temporal


def combined_loss(output: Output, targets: Targets, weights: LossWeights) -> Losses:
    """The three weighted terms.

    The heat-map mean divides by all cells, the masked ones included: masking more means a smaller term, as in
    the source.
    """
    output = Output(*(_at_least_float32(one) for one in output))
    difference = output.heatmap - targets.heatmap.to(output.heatmap.dtype)
    if targets.keep is not None:
        difference = difference * targets.keep.to(difference.dtype)
    classes = F.binary_cross_entropy_with_logits(
        output.logit / weights.temperature, targets.label.to(output.logit.dtype)
    )
    # The soft labels may be float64; the wider of the two types holds.
    wider = torch.promote_types(output.frame_logits.dtype, targets.frame_labels.dtype)
    temporal = F.binary_cross_entropy_with_logits(
        output.frame_logits.to(wider), targets.frame_labels.to(wider)
    )
    return Losses(
        heatmap=weights.heatmap * 0.5 * difference.square().mean(),
        classes=weights.classes * classes,
        temporal=weights.temporal * temporal,
    )


def _at_least_float32(values: Tensor) -> Tensor:
    """Half precision widened: means of squares over a whole batch leave its range and its resolution."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values
