"""What is wrong with tensors of scores, one by one or against one another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dfbench.hooks.conformance.checking import TOLERANCE
from dfbench.interfaces import Detector

if TYPE_CHECKING:
    from torch import Tensor


def score(detector: Detector, clips: Tensor) -> Tensor:
    """Return the scores of a copy of `clips`: a detector that writes into its input must not spoil the other checks."""
    return detector.score(clips.clone())


def wrong_form(scores: Any, count: int) -> str:
    """Say why `scores` are no floating tensor (count,), "" if they are."""
    import torch

    if not isinstance(scores, torch.Tensor):
        return f"score() returned {type(scores).__name__}, not a tensor"
    if tuple(scores.shape) != (count,):
        return f"the shape is {tuple(scores.shape)}, not ({count},)"
    return "" if scores.is_floating_point() else f"the dtype is {scores.dtype}, which is not floating"


def difference(first: Tensor, second: Tensor) -> str:
    """Say by how much two tensors of scores differ if that is more than TOLERANCE, or that their shapes do; "" if neither."""
    if first.shape != second.shape:
        return f"the shapes differ: {tuple(first.shape)} and {tuple(second.shape)}"
    distance = float((first.detach().double() - second.detach().double()).abs().max())
    return "" if distance <= TOLERANCE else f"scores differ by up to {distance:.3g} (allowed: {TOLERANCE:g})"
