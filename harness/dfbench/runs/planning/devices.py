"""The device that a command computes on, found out without torch being imported before it is asked for."""

from __future__ import annotations

from dfbench.errors import UsageError


def choose_device(device: str, *, count: int = 1) -> str:
    """Resolve "auto" to cuda, mps or cpu. Raises UsageError if the device, or `count` CUDA devices, are not there."""
    import torch

    from dfbench.training.devices import resolve_device

    if device == "auto":
        if torch.cuda.is_available():
            device = "cuda"
        else:
            return "mps" if count == 1 and torch.backends.mps.is_available() else "cpu"
    if device.startswith("cuda"):
        found = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if not found:
            raise UsageError(
                f"--device {device}: no CUDA device is available", hints=("use --device cpu or auto",)
            )
        if count > found:
            raise UsageError(
                f"--devices {count}: this machine has {found}", hints=(f"use --devices {found}",)
            )
        if count > 1 and device != "cuda":
            raise UsageError(
                f"--devices {count} takes the first {count} of its kind, and not {device}",
                hints=("use --device cuda, and CUDA_VISIBLE_DEVICES to choose",),
            )
    resolve_device(device)
    return device


def compute_threads() -> int:
    """Return how many threads torch computes with on the processor."""
    import torch

    return torch.get_num_threads()
