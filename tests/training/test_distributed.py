"""What the processes of a training share, in a process group of one: the same as without, and refused where it cannot work."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.distributed as dist
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from dfbench import RunError, UsageError, World
from dfbench.training.distributed import (
    GUARD,
    SharedBatchNorm,
    gather_values,
    launch,
    process_group,
    rank_zero_first,
    same_on_all_ranks,
    share_batch_norms,
)

ONE = World(rank=0, size=1, local=1)


@pytest.fixture(scope="module")
def group() -> Iterator[None]:
    """A process group of this process alone."""
    store = torch._C._distributed_c10d.HashStore()
    dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    dist.destroy_process_group()


KEYS = st.tuples(st.integers(0, 1), st.integers(0, 5))
PARTS = st.dictionaries(KEYS, st.lists(st.floats(-9, 9), min_size=1, max_size=3), max_size=6)


@given(part=PARTS)
@settings(max_examples=15, deadline=None)
def test_values_of_one_rank_are_all_there_is(part: dict[tuple[int, int], list[float]]) -> None:
    found = gather_values(part)
    assert found == part
    found[9, 9] = [0.0]
    assert (9, 9) not in part  # the caller's own


@given(parts=st.lists(PARTS, min_size=2, max_size=3))
@settings(max_examples=15, deadline=None)
def test_values_of_several_ranks_are_joined_in_their_order(
    parts: list[dict[tuple[int, int], list[float]]],
) -> None:
    def gathered(into: list[Any], own: object) -> None:
        assert own == parts[0]
        into[:] = parts

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dist, "is_initialized", lambda: True)
        patch.setattr(dist, "get_world_size", lambda: len(parts))
        patch.setattr(dist, "all_gather_object", gathered)
        found = gather_values(parts[0])
    assert set(found) == {key for part in parts for key in part}
    for key, values in found.items():
        assert values == [value for part in parts for value in part.get(key, [])]


@pytest.mark.parametrize(("values", "same"), [([3, 3, 3], True), ([3, 3, 4], False), ([0, 1, 0], False)])
def test_ranks_that_differ_are_noticed(
    monkeypatch: pytest.MonkeyPatch, values: list[int], same: bool
) -> None:
    assert same_on_all_ranks(values[0])  # alone
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_world_size", lambda: len(values))
    monkeypatch.setattr(dist, "all_gather_object", lambda into, _: into.__setitem__(slice(None), values))
    assert same_on_all_ranks(values[0]) is same


def batches(shape: tuple[int, ...], seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(shape, generator=generator, dtype=torch.float64) * 3 + 100
    )  # a mean that costs precision


@pytest.mark.parametrize("momentum", [0.1, None])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize(
    ("kind", "shape"),
    [(nn.BatchNorm1d, (6, 4)), (nn.BatchNorm2d, (3, 4, 5, 5)), (nn.BatchNorm3d, (2, 4, 2, 3, 3))],
)
def test_a_shared_batch_norm_of_one_process_is_that_of_torch(
    group: None, kind: type[Any], shape: tuple[int, ...], momentum: float | None, affine: bool
) -> None:
    del group
    plain = kind(shape[1], momentum=momentum, affine=affine).double()
    holder: Any = nn.Sequential(kind(shape[1], momentum=momentum, affine=affine).double())
    if affine:
        with torch.no_grad():
            for norm in (plain, holder[0]):
                norm.weight.copy_(torch.linspace(0.5, 2, shape[1]))
                norm.bias.copy_(torch.linspace(-1, 1, shape[1]))
    share_batch_norms(holder)
    assert isinstance(holder[0], SharedBatchNorm)
    for seed in range(3):
        values = [batches(shape, seed).requires_grad_() for _ in range(2)]
        out = [norm(one) for norm, one in zip((plain, holder), values, strict=True)]
        torch.testing.assert_close(out[1], out[0])
        weights = batches(shape, seed + 9) - 100
        for one in out:
            (one * weights).sum().backward()
        torch.testing.assert_close(values[1].grad, values[0].grad)
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(holder[0].state_dict()[name], value)
    for norm in (plain, holder):
        norm.eval()
    torch.testing.assert_close(holder(batches(shape)), plain(batches(shape)))


def test_a_shared_batch_norm_computes_half_precision_in_single(group: None) -> None:
    del group
    norm = nn.Sequential(nn.BatchNorm1d(4))
    share_batch_norms(norm)
    values = batches((64, 4)).to(torch.bfloat16)
    found = norm(values)
    assert found.dtype == torch.bfloat16
    wanted = nn.BatchNorm1d(4)(values.float())
    assert (found.float() - wanted).abs().max() < 0.02
    for training in (True, False):
        norm.train(training)
        with pytest.raises(ValueError, match="expected a batch of channels, got 1 dimensions"):
            norm(torch.zeros(4))


def test_norms_are_shared_wherever_they_are_and_keep_what_they_hold() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Sequential(
                nn.Linear(3, 3), nn.BatchNorm1d(3, eps=1e-3, track_running_stats=False)
            )
            self.last = nn.BatchNorm1d(3).eval()
            self.other = nn.LayerNorm(3)

    net = Net()
    weights = dict(net.named_parameters())
    share_batch_norms(net)
    shared = [name for name, module in net.named_modules() if isinstance(module, SharedBatchNorm)]
    assert shared == ["inner.1", "last"]
    assert all(parameter is weights[name] for name, parameter in net.named_parameters())
    inner: Any = net.inner[1]
    last: Any = net.last
    assert (inner.eps, inner.running_mean, inner.training, last.training) == (1e-3, None, True, False)
    share_batch_norms(net)
    assert net.inner[1] is inner  # once is enough


def test_a_world_of_one_needs_no_group_and_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dist, "init_process_group", lambda *_, **__: pytest.fail("a group was made"))
    with process_group(ONE):
        pass


def test_the_first_rank_goes_ahead_and_the_others_wait(group: None, monkeypatch: pytest.MonkeyPatch) -> None:
    del group
    order: list[str] = []
    monkeypatch.setattr(dist, "barrier", lambda **_: order.append("barrier"))
    for rank in (0, 1):
        with rank_zero_first(World(rank=rank, size=2, local=2)):
            order.append(f"rank {rank}")
    assert order == ["rank 0", "barrier", "barrier", "rank 1"]


def test_who_waits_for_a_rank_that_failed_is_not_let_in(group: None, monkeypatch: pytest.MonkeyPatch) -> None:
    del group
    monkeypatch.setattr(dist, "barrier", lambda **_: pytest.fail("the others were let in"))
    with pytest.raises(ZeroDivisionError), rank_zero_first(World(rank=0, size=2, local=2)):
        raise ZeroDivisionError


class Started:
    """Takes the place of subprocess.run, and ends as it is told."""

    def __init__(self, code: int = 0) -> None:
        self.code, self.calls = code, []  # type: ignore[var-annotated]

    def __call__(
        self, words: list[str], *, env: dict[str, str], check: bool
    ) -> subprocess.CompletedProcess[str]:
        assert not check
        self.calls.append((words, env))
        return subprocess.CompletedProcess(words, self.code)


def test_processes_are_started_by_torchrun_with_their_share_of_the_cores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delenv(GUARD, raising=False)
    run = Started()
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr("dfbench.training.distributed.own_cores", lambda: 7)
    launch(["train", "--request", "a b.json"], asked=["train"], devices=2, nodes=1)
    ((words, env),) = run.calls
    assert words[-4:] == ["dfbench", "train", "--request", "a b.json"]
    assert words[words.index("--nproc-per-node") + 1] == "2"
    assert (env["OMP_NUM_THREADS"], env[GUARD]) == ("3", str(os.getpid()))
    launch(["train"], asked=["train"], devices=20, nodes=1)
    assert run.calls[1][1]["OMP_NUM_THREADS"] == "1"


def test_a_process_that_failed_is_told_with_the_way_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(GUARD, raising=False)
    monkeypatch.setattr(subprocess, "run", Started(code=1))
    with pytest.raises(RunError, match="one of the 2 processes failed") as caught:
        launch(["train"], asked=["train"], devices=2, nodes=1)
    assert caught.value.hints == ("run the same command again: the training goes on where it was",)


def test_other_machines_are_told_the_command_that_can_be_pasted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(GUARD, raising=False)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("a process was started"))
    with pytest.raises(UsageError, match="--nodes 3: processes on other machines") as caught:
        launch(["train", "--request", "x"], asked=["train", "--data", "my data"], devices=2, nodes=3)
    slurm, torchrun = caught.value.hints
    assert "--nodes 3 --ntasks-per-node 2 dfbench train --data 'my data'" in slurm
    assert "--nproc-per-node 2" in torchrun
    assert torchrun.endswith("-m dfbench train --data 'my data'")
