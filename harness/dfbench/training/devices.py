"""Devices by name, and the host's memory.

Apart from `training`, because whoever only scores need not wait for Lightning to be imported.
"""

from __future__ import annotations

import ctypes

import torch

from dfbench.errors import UsageError


def resolve_device(device: str) -> torch.device:
    """Return the device called "auto", "cpu", "cuda", "cuda:1" or "mps". Raises UsageError if this machine lacks it."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise UsageError(f"unknown device {device!r}", hints=("use auto, cpu, cuda or cuda:0",)) from error
    absent = (found.type == "cuda" and not torch.cuda.is_available()) or (
        found.type == "mps" and not torch.backends.mps.is_available()
    )
    if absent:
        raise UsageError(
            f"device {device!r} was asked for, but this machine has none", hints=("use --device cpu",)
        )
    if found.type == "meta":
        raise UsageError(f"device {device!r} computes nothing", hints=("use auto, cpu, cuda or cuda:0",))
    if found.type not in ("cpu", "cuda", "mps"):
        try:
            torch.empty(0, device=found)
        except (RuntimeError, NotImplementedError, AssertionError) as error:  # as torch tells what it lacks
            raise UsageError(
                f"device {device!r} cannot be used: {error}", hints=("use --device cpu",)
            ) from error
    if found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count():
        raise UsageError(f"there is no {device}: this machine has {torch.cuda.device_count()} CUDA devices")
    return found


# Of glibc's mallopt. It takes no larger threshold than 32 MiB.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGEST_BLOCK, _NEVER = 32 << 20, 2**31 - 1


def keep_freed_memory() -> None:
    """Let this process keep what tensors on the CPU leave behind, for the next ones.

    glibc hands large blocks back to the system as they are freed, and gets the same memory again, which the system
    clears page by page: 1.4 million faults to score eight clips by ViT-B. A training step has a tenth of them, and more to
    lose by it, for its peak is what limits it. No effect with another C library.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return
    mallopt(_MMAP_THRESHOLD, _LARGEST_BLOCK)
    mallopt(_TRIM_THRESHOLD, _NEVER)
