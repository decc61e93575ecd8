"""Running out of memory: told from other errors, and answered with fewer clips at a time."""

from __future__ import annotations

import pytest
import torch

from dfbench import ScoreError
from dfbench_fakestormer.memory import in_parts, out_of_memory

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
