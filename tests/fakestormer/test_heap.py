"""The heap of glibc is asked to give back what a large network left, and trains to the same weights."""

from __future__ import annotations

import pytest
import torch

from dfbench_fakestormer import heap
from dfbench_fakestormer.model import FakeSTormerNet, ModelConfig

SMALL = ModelConfig(frames=2, size=16, patch=8, width=24, depth=3, heads=2, drop_path=0.3)


class TestGaps:
    """When a training step gives back what it has freed."""

    @pytest.fixture
    def given_back(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        """One entry each time."""
        times: list[int] = []
        monkeypatch.setattr(heap, "_give_back", lambda: times.append(1))
        return times

    @staticmethod
    def step(net: FakeSTormerNet) -> None:
        sum(one.sum() for one in net(torch.rand(2, 3, 2, 16, 16))).backward()

    def test_of_a_large_network_twice_a_step(
        self, given_back: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(heap, "LARGE", 0)
        net = FakeSTormerNet(SMALL).train()
        heap.close_gaps(net)
        self.step(net)
        assert len(given_back) == 2
        with torch.inference_mode():
            net(torch.rand(2, 3, 2, 16, 16))
        assert len(given_back) == 2

    def test_of_a_small_one_never(self, given_back: list[int]) -> None:
        net = FakeSTormerNet(SMALL).train()
        heap.close_gaps(net)
        self.step(net)
        assert not given_back

    def test_gradients_are_the_same(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(heap, "LARGE", 0)
        found = []
        for prepare in (lambda _: None, heap.close_gaps):
            net = FakeSTormerNet(SMALL, seed=1).train()
            prepare(net)
            torch.manual_seed(0)
            self.step(net)
            found.append([one.grad for one in net.parameters()])
        assert all(one is other is None or torch.equal(one, other) for one, other in zip(*found, strict=True))
