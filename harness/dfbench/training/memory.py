"""What to do when memory runs out: know it for what it is, work on fewer clips at a time, and say what fits next."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor

from dfbench.errors import ScoreError

if TYPE_CHECKING:
    from dfbench.training.recipe import Recipe
    from dfbench.types import World

T = TypeVar("T")
# Torch has an error of its own for CUDA's allocator alone; what its other allocators and libraries say is plain text.
_SAYS = ("can't allocate memory", "not enough memory", "out of memory", "STATUS_ALLOC_FAILED")


def out_of_memory(error: RuntimeError) -> bool:
    """Return True if torch ran out of memory, on a device or on the host."""
    return isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in _SAYS)


def in_parts(work: Callable[[Tensor], T], clips: Tensor, device: torch.device) -> list[T]:
    """Return what `work` computes from clips (B, ...): at once, or, if memory does not suffice, in halves and their halves.

    Raises ScoreError if not even one clip fits.
    """
    try:
        return [work(clips)]
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
        if len(clips) <= 1:
            elsewhere = () if device.type == "cpu" else ("or use the processor: --device cpu",)
            raise ScoreError(
                f"one clip of {tuple(clips.shape[1:])} does not fit into the memory of {device}",
                hints=("end what else uses its memory", *elsewhere),
            ) from error
    # Outside the handler, whose traceback would keep the tensors of the failed attempt alive.
    half = len(clips) // 2
    return [*in_parts(work, clips[:half], device), *in_parts(work, clips[half:], device)]


def what_fits_next(recipe: Recipe, batch: int, world: World) -> tuple[str, ...]:
    """Return hints for a training that did not fit into memory, the nearest alternative first.

    `batch` is the number of samples per device. It may be smaller than the recipe's, whose half would then change nothing.
    """
    hints = []
    if batch > recipe.accumulate:
        parts = min(2 * recipe.accumulate, batch)
        hints.append(f"the same batch in more parts, one after the other: --set accumulate={parts}")
    if batch > 1:
        hints.append(f"the next smaller batch: --set batch={batch // 2 * world.size}")
    if recipe.precision == "32":
        hints.append("activations of half the width: --set precision=bf16")
    hints += [f"a smaller network: --recipe {name}" for name in recipe.smaller()]
    return tuple(hints) or ("end what else uses the device",)
