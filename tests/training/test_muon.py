"""Muon beside AdamW: what the orthogonal step is, which weights get it, and that the rest is torch's AdamW."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from dfbench.training.muon import MOMENTUM, RMS, MuonAdamW, orthogonalised, split_parameters

OPTIONS: dict[str, Any] = {"lr": 0.01, "betas": (0.9, 0.99), "weight_decay": 0.1}


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**31), st.floats(1e-6, 1e6))
def test_singular_vectors_stay_and_singular_values_come_near_one(
    rows: int, columns: int, seed: int, scale: float
) -> None:
    # Singular values within a factor of 50: five iterations lift a value by at most 3.4445 ** 5, about 485 times.
    draw = torch.Generator().manual_seed(seed)
    rank = min(rows, columns)
    left = torch.linalg.qr(torch.randn(rows, rank, generator=draw)).Q
    right = torch.linalg.qr(torch.randn(columns, rank, generator=draw)).Q
    values = torch.linspace(1, 0.02, rank)
    found = orthogonalised(left @ torch.diag(values * scale) @ right.T)
    middle = left.T @ found @ right
    assert found.shape == (rows, columns)
    torch.testing.assert_close(left @ torch.diag(middle.diagonal()) @ right.T, found, atol=2e-3, rtol=0)
    assert middle.diagonal().min() > 0.6
    assert middle.diagonal().max() < 1.25


def test_a_gradient_of_zeros_gives_no_step() -> None:
    assert not orthogonalised(torch.zeros(20, 30)).any()


class Small(nn.Module):
    """Layers on both sides of the rule."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, 20, 20))
        self.flat = nn.Conv2d(3, 16, 3)  # 16 x 27
        self.volume = nn.Conv3d(2, 16, (1, 3, 3))  # 16 x 18
        self.norm = nn.BatchNorm2d(32)
        self.wide = nn.Linear(40, 24)
        self.head = nn.Linear(40, 2)


def test_matrices_are_weights_of_layers_of_sixteen_a_side_and_more() -> None:
    net = Small()
    matrices, others = split_parameters(net)
    assert {id(one) for one in matrices} == {
        id(one) for one in (net.flat.weight, net.volume.weight, net.wide.weight)
    }
    assert {id(one) for one in matrices} | {id(one) for one in others} == {
        id(one) for one in net.parameters()
    }
    assert len(matrices) + len(others) == len(list(net.parameters()))


def with_gradients(net: nn.Module, seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    for parameter in net.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=draw)


def test_all_other_parameters_take_the_steps_of_adamw() -> None:
    ours, theirs = Small(), Small()
    theirs.load_state_dict(ours.state_dict())
    one, other = MuonAdamW(ours, **OPTIONS), torch.optim.AdamW(theirs.parameters(), **OPTIONS)
    for seed in range(5):
        for net, optimizer in ((ours, one), (theirs, other)):
            with_gradients(net, seed)
            optimizer.step()
    matrices = {id(parameter) for parameter in split_parameters(ours)[0]}
    for (name, mine), expected in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        if id(mine) in matrices:
            assert not torch.allclose(mine, expected, atol=1e-4), name
        else:
            torch.testing.assert_close(mine, expected, msg=name)


def test_a_linear_weight_takes_the_steps_of_torchs_muon() -> None:
    # torch iterates in bfloat16, of 8 bits: a singular value of its step is off by a few hundredths.
    ours, theirs = Small(), Small()
    theirs.load_state_dict(ours.state_dict())
    one = MuonAdamW(ours, **OPTIONS)
    options = {"lr": OPTIONS["lr"], "weight_decay": OPTIONS["weight_decay"], "momentum": MOMENTUM}
    other = torch.optim.Muon([theirs.wide.weight], **options, adjust_lr_fn="match_rms_adamw")
    start = ours.wide.weight.detach().clone()
    for seed in range(4):
        for net, optimizer in ((ours, one), (theirs, other)):
            with_gradients(net, seed)
            optimizer.step()
    moved, expected = (net.wide.weight.detach() - start for net in (ours, theirs))
    assert float((moved - expected).norm() / expected.norm()) < 0.03


def test_a_step_is_as_long_as_one_of_adamw_whatever_the_shape() -> None:
    # The scale of "Muon is Scalable for LLM Training": the root mean square of a step is 0.2 of the learning rate.
    for layer in (nn.Linear(96, 288), nn.Linear(288, 96), nn.Conv2d(64, 96, 3)):
        before = layer.weight.detach().clone()
        optimizer = MuonAdamW(layer, lr=1.0, betas=(0.9, 0.99), weight_decay=0.0)
        with_gradients(layer, 0)
        optimizer.step()
        moved = (layer.weight.detach() - before).square().mean().sqrt()
        assert float(moved) == pytest.approx(RMS, rel=0.25)


def test_parameters_without_a_gradient_stay() -> None:
    net = Small()
    with_gradients(net, 0)
    net.wide.weight.grad = net.norm.weight.grad = None
    before = {name: value.clone() for name, value in net.state_dict().items()}
    MuonAdamW(net, **OPTIONS).step()
    after = net.state_dict()
    still = {name for name in before if torch.equal(before[name], after[name])}
    assert {"wide.weight", "norm.weight"} <= still
    assert "head.weight" not in still
    assert "flat.weight" not in still


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_the_number_of_threads_is_given_back(one_thread: None) -> None:
    del one_thread
    torch.set_num_threads(2)
    net = Small()
    with_gradients(net, 0)
    MuonAdamW(net, **OPTIONS).step()
    assert torch.get_num_threads() == 2


def test_a_stored_state_goes_on_where_it_was() -> None:
    whole, cut = Small(), Small()
    cut.load_state_dict(whole.state_dict())
    uninterrupted, before = MuonAdamW(whole, **OPTIONS), MuonAdamW(cut, **OPTIONS)
    for seed in range(2):
        for net, optimizer in ((whole, uninterrupted), (cut, before)):
            with_gradients(net, seed)
            optimizer.step()
    after = MuonAdamW(cut, **OPTIONS)
    after.load_state_dict(before.state_dict())
    for net, optimizer in ((whole, uninterrupted), (cut, after)):
        with_gradients(net, 2)
        optimizer.step()
    for mine, expected in zip(cut.parameters(), whole.parameters(), strict=True):
        assert torch.equal(mine, expected)
