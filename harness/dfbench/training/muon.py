"""The Muon optimiser for weight matrices, with AdamW for all other parameters.

Muon steps along the momentum of a weight matrix with all its singular values set to about 1. A gradient, and a step of
Adam, mostly points in a few directions; with equal singular values, rare directions are learned in fewer steps. Sources:
Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024; the length of a step is that of Liu et al.,
"Muon is Scalable for LLM Training", 2025, so that one learning rate serves matrices and the rest. `torch.optim.Muon` takes
linear layers only, not convolutions, and computes in bfloat16, which most processors emulate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

MIN_SIDE = 16  # a matrix of fewer rows or columns has too few directions to even out: heads and their like
MOMENTUM = 0.95
RMS = 0.2  # root mean square of a step of AdamW, in units of the learning rate
EPS = 1e-8
_QUINTIC = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5


class MuonAdamW(torch.optim.Optimizer):
    """Step weight matrices (convolutions among them) by Muon and other parameters by AdamW, both with decoupled decay."""

    def __init__(self, net: nn.Module, *, lr: float, betas: tuple[float, float], weight_decay: float) -> None:
        matrices, others = split_parameters(net)
        groups = [{"params": matrices, "muon": True}, {"params": others, "muon": False}]
        super().__init__(groups, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step and return what `closure` returns; parameters without a gradient stay as they are."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        with _one_thread():
            for group in self.param_groups:
                for parameter in group["params"]:
                    if parameter.grad is not None:
                        parameter.mul_(1 - group["lr"] * group["weight_decay"])
                        parameter.add_(self._direction(parameter, group), alpha=-group["lr"])
        return loss

    def _direction(self, parameter: Tensor, group: dict[str, Any]) -> Tensor:
        return self._orthogonal(parameter) if group["muon"] else self._adaptive(parameter, group["betas"])

    def _orthogonal(self, parameter: Tensor) -> Tensor:
        state, gradient = self.state[parameter], parameter.grad
        assert gradient is not None
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        momentum: Tensor = state["momentum"].lerp_(gradient, 1 - MOMENTUM)
        direction = orthogonalised(gradient.lerp(momentum, MOMENTUM).flatten(1))
        length: float = RMS * max(direction.shape) ** 0.5
        return direction.view_as(parameter) * length

    def _adaptive(self, parameter: Tensor, betas: tuple[float, float]) -> Tensor:
        state, gradient = self.state[parameter], parameter.grad
        assert gradient is not None
        if not state:
            state |= {"step": 0, "mean": torch.zeros_like(parameter), "square": torch.zeros_like(parameter)}
        state["step"] += 1
        first, second = betas
        mean: Tensor = state["mean"].lerp_(gradient, 1 - first)
        square = state["square"].lerp_(gradient.square(), 1 - second)
        root = (square / (1 - second ** state["step"])).sqrt_().add_(EPS)
        steps: int = state["step"]
        step: Tensor = mean / (1 - first**steps) / root
        return step


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute on one thread: small products on several wait for each other, 100 times as long beside a busy program."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def split_parameters(net: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Return the weights of linear and convolutional layers of MIN_SIDE or more a side, and all other parameters."""
    layers = (nn.Linear, nn.Conv2d, nn.Conv3d)
    weights = {id(module.weight) for module in net.modules() if isinstance(module, layers)}
    matrices: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for parameter in net.parameters():
        is_matrix = id(parameter) in weights and min(parameter.flatten(1).shape) >= MIN_SIDE
        (matrices if is_matrix else others).append(parameter)
    return matrices, others


def orthogonalised(matrix: Tensor) -> Tensor:
    """Return `matrix` (m, n) with its singular values moved to about 1 (0.7 to 1.2), by five Newton-Schulz steps.

    Singular values below a 500th of the matrix' norm stay below that. A matrix of zeros stays zero.
    """
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x: Tensor = wide / (wide.norm() + EPS)
    a, b, c = _QUINTIC
    for _ in range(_ITERATIONS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x if wide is matrix else x.T
