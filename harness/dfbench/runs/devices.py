"""Devices by name. Apart from `training`, because whoever only scores need not wait for Lightning to be imported."""

from __future__ import annotations

import torch

from dfbench.errors import UsageError


def resolve_device(device: str) -> torch.device:
    """ "auto", "cpu", "cuda", "cuda:1", "mps" to a device of this machine. Raises UsageError if it is not there."""
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
    if found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count():
        raise UsageError(f"there is no {device}: this machine has {torch.cuda.device_count()} CUDA devices")
    return found
