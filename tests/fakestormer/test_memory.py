"""Running out of memory: told from other errors, and answered with fewer clips at a time."""

from __future__ import annotations

import pytest
import torch

from dfbench import ScoreError
from dfbench.training.memory import in_parts, out_of_memory
from dfbench_fakestormer import heap
from dfbench_fakestormer.model import FakeSTormerNet, ModelConfig

SMALL = ModelConfig(frames=2, size=16, patch=8, width=24, depth=3, heads=2, drop_path=0.3)
TOO_MUCH = 2**50


def processors_own() -> RuntimeError:
    """What torch raises where the machine has no more memory, which is no error of its own kind."""
    with pytest.raises(RuntimeError) as caught:
        torch.empty(TOO_MUCH)
    return caught.value


def test_the_processor_runs_out_of_memory_too() -> None:
    assert type(processors_own()) is RuntimeError
    assert out_of_memory(processors_own())
    assert out_of_memory(torch.OutOfMemoryError("of CUDA's allocator"))
    assert out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"))
    assert out_of_memory(RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"))
    assert not out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)"))


@pytest.mark.parametrize("fits", [1, 3])
def test_clips_are_halved_until_they_fit(fits: int) -> None:
    def work(clips: torch.Tensor) -> list[int]:
        if len(clips) > fits:
            torch.empty(TOO_MUCH)
        return clips.tolist()

    parts = in_parts(work, torch.arange(7), torch.device("cpu"))
    assert [one for part in parts for one in part] == list(range(7))
    assert max(map(len, parts)) <= fits


@pytest.mark.parametrize(("device", "hints"), [("cuda:1", 2), ("cpu", 1)])
def test_one_clip_that_does_not_fit_is_an_error_with_the_ways_out(device: str, hints: int) -> None:
    with pytest.raises(
        ScoreError, match=rf"one clip of \(2,\) does not fit into the memory of {device}"
    ) as caught:
        in_parts(lambda _: torch.empty(TOO_MUCH), torch.zeros(4, 2), torch.device(device))
    assert len(caught.value.hints) == hints  # whoever is on the processor has no other one to go to
    assert any("--device cpu" in hint for hint in caught.value.hints) == (device != "cpu")


def test_other_errors_pass() -> None:
    def work(clips: torch.Tensor) -> None:
        raise RuntimeError("something else")

    with pytest.raises(RuntimeError, match="something else"):
        in_parts(work, torch.zeros(4), torch.device("cpu"))


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
