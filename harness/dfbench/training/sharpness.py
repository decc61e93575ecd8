"""Sharpness-aware minimisation: the gradient is taken where the loss is locally worst.

Not an optimiser but a step aside and back around one: `step_aside` after the first backward pass, a second forward
and backward pass, `step_back`, and then the optimiser's own step. Nothing outlives the step, so a checkpoint holds
the optimiser's moments and the schedule as usual (the released wrapper loses both when it resumes).

Source: Foret et al., "Sharpness-Aware Minimization for Efficiently Improving Generalization", ICLR 2021, eq. 2.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class SharpnessAware:
    """The step aside of radius `rho`, measured over all parameters that have a gradient."""

    def __init__(self, parameters: Iterable[nn.Parameter], *, rho: float) -> None:
        self._parameters = list(parameters)
        self._rho = rho
        self._aside: list[tuple[nn.Parameter, Tensor]] = []

    @torch.no_grad()
    def finite(self) -> bool:
        """Whether no gradient has overflowed."""
        flags = [p.grad.isfinite().all() for p in self._parameters if p.grad is not None]
        return bool(torch.stack(flags).all())

    @torch.no_grad()
    def step_aside(self) -> Tensor:
        """Move along the gradient by `rho` and clear the gradients. Returns the global gradient norm."""
        moved = [p for p in self._parameters if p.grad is not None]
        gradients = [p.grad for p in moved if p.grad is not None]
        norm: Tensor = torch.stack([g.norm() for g in gradients]).norm()
        scale = self._rho / (norm + 1e-12)
        for parameter, gradient in zip(moved, gradients, strict=True):
            shift = gradient * scale.to(gradient)
            parameter.add_(shift)
            self._aside.append((parameter, shift))
            parameter.grad = None
        return norm

    @torch.no_grad()
    def step_back(self) -> None:
        """Return to where `step_aside` began; the gradients taken aside stay for the optimiser."""
        for parameter, shift in self._aside:
            parameter.sub_(shift)
        self._aside.clear()


@contextmanager
def frozen_running_stats(module: nn.Module) -> Iterator[None]:
    """Inside, batch norms use the batch's statistics as in training but do not add them to the running ones.

    The second forward pass sees the same batch at moved weights; counting it would count every batch twice.
    """
    norms = [m for m in module.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
