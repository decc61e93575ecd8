"""What to do when memory runs out: know it for what it is, and work on fewer clips at a time. And how to need less."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from dfbench import ScoreError
from dfbench_fakestormer.model import FakeSTormerNet

T = TypeVar("T")
LARGE = 256 * 2**20  # bytes of weights: a step takes seconds, and gaps are of megabytes
# Torch has an error of its own for CUDA's allocator alone; what its other allocators and libraries say is plain text.
_SAYS = ("can't allocate memory", "not enough memory", "out of memory", "STATUS_ALLOC_FAILED")


def out_of_memory(error: RuntimeError) -> bool:
    """Whether torch ran out of memory, a device's or the machine's."""
    return isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in _SAYS)


def close_gaps(net: FakeSTormerNet) -> None:
    """Have each training step of a large network on the CPU give back, twice, the memory that it has freed.

    What a step keeps for the backward pass lies between what it frees at once, and glibc keeps the gaps: a tenth of the
    peak after ten steps. Without them a step takes 2 to 6 % longer. They are given back where most is held: before the
    last block, and on the way back behind the last two. No effect with another C library.
    """
    blocks = net.backbone.blocks
    if sum(one.nbytes for one in net.parameters()) < LARGE or len(blocks) < 2:
        return

    blocks[-1].register_forward_pre_hook(_give_back_before)
    blocks[-2].register_forward_pre_hook(_give_back_on_the_way_back)


def _give_back_before(_: nn.Module, inputs: tuple[Any, ...]) -> None:
    if _is_trained_here(inputs[1]):
        _give_back()


def _give_back_on_the_way_back(_: nn.Module, inputs: tuple[Any, ...]) -> None:
    if _is_trained_here(inputs[1]):
        inputs[1].register_hook(lambda _: _give_back())


def _is_trained_here(patches: Tensor) -> bool:
    return patches.requires_grad and patches.device.type == "cpu"


def _give_back() -> None:
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError, TypeError):
        return


def in_parts(work: Callable[[Tensor], T], clips: Tensor, device: torch.device) -> list[T]:
    """What `work` makes of the clips (B, ...): of all at once, or where memory does not suffice, of halves and theirs.

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
