"""Running out of memory: told from other errors, and answered with fewer clips at a time."""

from __future__ import annotations

import pytest
import torch
from tests.training.lines import line_recipe

from dfbench import ScoreError, World
from dfbench.training.memory import in_parts, out_of_memory, what_fits_next

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


def test_a_training_that_does_not_fit_is_told_the_nearest_way_out_first() -> None:
    recipe = line_recipe(batch=16)
    parts, smaller, half = what_fits_next(recipe, 16, World())
    assert parts.endswith("--set accumulate=2")
    assert smaller.endswith("--set batch=8")
    assert half.endswith("--set precision=bf16")
    assert what_fits_next(recipe, 8, World(0, 2, 2))[1].endswith("--set batch=8")  # four on each device
    in_parts = line_recipe(batch=16, accumulate=12, precision="bf16")
    assert what_fits_next(in_parts, 16, World())[0].endswith("--set accumulate=16")
    alone = line_recipe(batch=1, precision="bf16")
    assert what_fits_next(alone, 1, World()) == ("end what else uses the device",)
