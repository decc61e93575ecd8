"""Linear layers and what is computed right before them: the same numbers by every route, and little kept."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dfbench_fakestormer.dense import dense, linear

INPUTS, OUTPUTS, ROWS = 512, 544, 260
Before = nn.LayerNorm | Callable[[Tensor], Tensor] | None


def seeded(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def layer() -> nn.Linear:
    one = nn.Linear(INPUTS, OUTPUTS)
    with torch.no_grad():
        one.weight.copy_(seeded(OUTPUTS, INPUTS) / INPUTS**0.5)
        one.bias.copy_(seeded(OUTPUTS))
    return one


def norm() -> nn.LayerNorm:
    one = nn.LayerNorm(INPUTS)
    with torch.no_grad():
        one.weight.copy_(1 + seeded(INPUTS) / 4)
        one.bias.copy_(seeded(INPUTS))
    return one


BEFORE: dict[str, Callable[[], Before]] = {"nothing": lambda: None, "gelu": lambda: F.gelu, "norm": norm}


@pytest.fixture
def convolutions(monkeypatch: pytest.MonkeyPatch) -> list[torch.dtype]:
    """Types of the products that went through oneDNN, as they happen."""
    seen: list[torch.dtype] = []
    conv2d = F.conv2d

    def counted(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        seen.append(x.dtype)
        return conv2d(x, weight, bias)

    monkeypatch.setattr(F, "conv2d", counted)
    return seen


@pytest.mark.parametrize("before", BEFORE)
def test_both_routes_give_the_same_numbers(before: str, convolutions: list[torch.dtype]) -> None:
    results = []
    for dtype in (torch.float32, torch.float64):
        linear, first = layer().to(dtype), BEFORE[before]()
        if isinstance(first, nn.Module):
            first.to(dtype)
        x = seeded(4, ROWS // 4, INPUTS).to(dtype).requires_grad_()
        answer = dense(linear, x, first)
        parameters = [*linear.parameters(), *(first.parameters() if isinstance(first, nn.Module) else ())]
        gradients = torch.autograd.grad((answer * answer.detach().cos()).sum(), [x, *parameters])
        results.append([answer.detach(), *gradients])
    assert convolutions == [torch.float32]
    assert results[0][0].shape == (4, ROWS // 4, OUTPUTS)
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one.double(), other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("before", BEFORE)
def test_what_is_frozen_gets_no_gradient(before: str) -> None:
    one, first, x = layer(), BEFORE[before](), seeded(ROWS, INPUTS)
    moving: dict[str, Tensor] = {"x": x, "weight": one.weight, "bias": one.bias}
    if isinstance(first, nn.LayerNorm):
        moving |= {"gain": first.weight, "shift": first.bias}
    for tensor in moving.values():
        tensor.requires_grad_(True)
    whole = torch.autograd.grad(dense(one, x, first).square().sum(), list(moving.values()))
    for name, expected in zip(moving, whole, strict=True):
        for tensor in moving.values():
            tensor.requires_grad_(False)
        moving[name].requires_grad_(True)
        (alone,) = torch.autograd.grad(dense(one, x, first).square().sum(), [moving[name]])
        torch.testing.assert_close(alone, expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("before", BEFORE)
def test_what_enters_the_layer_is_not_kept(before: str, dtype: torch.dtype) -> None:
    linear, first = layer().to(dtype), BEFORE[before]()
    if isinstance(first, nn.Module):
        first.to(dtype)
    x = seeded(ROWS, INPUTS).to(dtype).requires_grad_()
    known = {one.data_ptr() for one in (x, *linear.parameters())}
    if isinstance(first, nn.Module):
        known |= {one.data_ptr() for one in first.parameters()}
    kept: list[int] = []

    def note(tensor: Tensor) -> Tensor:
        kept.append(tensor.data_ptr())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        answer = dense(linear, x, first)
    assert set(kept) <= known
    assert answer.requires_grad


def test_small_layers_and_few_rows_stay_with_torch(convolutions: list[torch.dtype]) -> None:
    few, small = seeded(8, INPUTS), nn.Linear(24, 24)
    torch.testing.assert_close(dense(layer(), few), layer()(few))
    torch.testing.assert_close(linear(few, layer().weight, layer().bias), layer()(few))
    torch.testing.assert_close(dense(small, seeded(ROWS, 24), F.gelu), small(F.gelu(seeded(ROWS, 24))))
    assert not convolutions


def test_autocast_keeps_its_type(convolutions: list[torch.dtype]) -> None:
    x = seeded(ROWS, INPUTS).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        answer = dense(layer(), x, F.gelu)
    assert answer.dtype == torch.bfloat16
    assert not convolutions
