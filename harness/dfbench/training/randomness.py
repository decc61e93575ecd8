"""Draws that depend on a seed and a place alone, and leave the process's own generators as they were."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


@contextmanager
def drawing_from(*place: int, device: torch.device | None = None) -> Iterator[None]:
    """Seed torch's generators by `place` (a seed; or seed, step and rank) within the context, and restore them afterwards.

    `device`: also seed the generator of this CUDA device.
    """
    import torch  # here, so that the recipes of a method are read without it

    devices = [device] if device is not None and device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(int(np.random.SeedSequence(place).generate_state(1, np.uint64)[0] >> 1))
        yield
