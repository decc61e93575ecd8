"""Instance and batch norm at once are the two of torch, in value, gradient and running statistics."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from dfbench.training.sharpness import frozen_running_stats
from dfbench_fakestormer.norms import InstanceBatchNorm

CHANNELS = 6
LAYOUTS = (torch.contiguous_format, torch.channels_last)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture
def norm() -> InstanceBatchNorm:
    """Trained a little, so that nothing in it is 0 or 1."""
    made = InstanceBatchNorm(CHANNELS).double()
    with torch.no_grad():
        for number, parameter in enumerate(made.parameters()):
            parameter.copy_(random(*parameter.shape, seed=number))
        assert made.batch.running_mean is not None
        assert made.batch.running_var is not None
        made.batch.running_mean.copy_(random(CHANNELS // 2, seed=8))
        made.batch.running_var.copy_(random(CHANNELS // 2, seed=9).square() + 0.1)
    return made


def by_torch(norm: InstanceBatchNorm, frames: Tensor) -> Tensor:
    half = CHANNELS // 2
    return torch.cat([norm.instance(frames[:, :half]), norm.batch(frames[:, half:])], dim=1)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_it_is_the_two_norms_of_torch(
    norm: InstanceBatchNorm, training: bool, layout: torch.memory_format
) -> None:
    norm.train(training)
    other = copy.deepcopy(norm)
    frames = random(4, CHANNELS, 5, 7).contiguous(memory_format=layout).requires_grad_()
    weights = random(4, CHANNELS, 5, 7, seed=1)
    found, expected = norm(frames), by_torch(other, frames)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    gradients = [
        torch.autograd.grad((out * weights).sum(), [frames, *one.parameters()])
        for one, out in ((norm, found), (other, expected))
    ]
    torch.testing.assert_close(*gradients, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(dict(norm.named_buffers()), dict(other.named_buffers()))


@pytest.mark.parametrize("training", [True, False])
def test_its_gradient_is_that_of_its_values(norm: InstanceBatchNorm, training: bool) -> None:
    norm.train(training)
    assert torch.autograd.gradcheck(norm, (random(3, CHANNELS, 2, 3).requires_grad_(),))


def test_a_second_pass_does_not_count(norm: InstanceBatchNorm) -> None:
    norm.train()
    before = copy.deepcopy(dict(norm.named_buffers()))
    with frozen_running_stats(norm):
        first = norm(random(3, CHANNELS, 4, 4))
    assert dict(norm.named_buffers()).keys() == before.keys()
    assert all(torch.equal(one, before[name]) for name, one in norm.named_buffers())
    torch.testing.assert_close(first, norm(random(3, CHANNELS, 4, 4)))
    assert norm.batch.num_batches_tracked == 1


def test_half_precision_is_normalised_in_float32(norm: InstanceBatchNorm) -> None:
    norm.float().train()
    frames = (50 + random(2, CHANNELS, 32, 32)).bfloat16()
    out = norm(frames)
    assert out.dtype is torch.bfloat16
    expected = F.instance_norm(frames[:, : CHANNELS // 2].float())
    weight, bias = norm.instance.weight[:, None, None], norm.instance.bias[:, None, None]
    torch.testing.assert_close(
        out[:, : CHANNELS // 2].float(), expected * weight + bias, atol=0.02, rtol=0.01
    )


def test_what_comes_after_may_change_it_in_place(norm: InstanceBatchNorm) -> None:
    frames = random(2, CHANNELS, 4, 4).requires_grad_()
    torch.relu_(norm(frames)).sum().backward()  # type: ignore[no-untyped-call]
    assert frames.grad is not None
    assert frames.grad.norm() > 0
