"""The stored numbers of the public research code, and the rules by which weights and images that it was fed are drawn.

`tests/golden/baselines` holds what detectors of others computed on a CPU, with random weights: a rule draws each tensor from its
name, so that no weights need to be stored. Both rules are checked by `test_golden_rules.py`.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

GOLDEN = Path(__file__).parents[1] / "golden" / "baselines"
_SEED = "a"


def stored(name: str) -> Mapping[str, NDArray[Any]]:
    """The arrays of a file of golden numbers, by name."""
    with np.load(GOLDEN / name) as file:
        return dict(file)


def generator(name: str) -> np.random.Generator:
    """The generator that a rule draws from."""
    return np.random.default_rng(zlib.crc32(f"{_SEED}/{name}".encode()))


def images(name: str, *, count: int, size: int) -> NDArray[np.uint8]:
    """Images (count, size, size, 3) uint8 RGB by the rule of images: 8 x 8 tiles of one colour, with noise."""
    rng = generator(name)
    base = rng.integers(0, 256, (count, 8, 8, 3))
    noise = rng.integers(-20, 21, (count, size, size, 3))
    tile = np.arange(size) * 8 // size
    return np.asarray(np.clip(base[:, tile][:, :, tile] + noise, 0, 255), np.uint8)


def network_input(pixels: NDArray[np.uint8], *, mean: float = 0.5, std: float = 0.5) -> Tensor:
    """Images (B, S, S, 3) as the public code feeds them: (B, 3, S, S), normalised in float32 and then cast to float64."""
    scaled = pixels.astype(np.float32) / np.float32(255)
    normalised = (scaled - np.float32(mean)) / np.float32(std)
    return torch.from_numpy(normalised.astype(np.float64)).permute(0, 3, 1, 2).contiguous()


def drawn(name: str, shape: tuple[int, ...], *, gain: float = 1.0) -> NDArray[np.float32] | NDArray[np.int64]:
    """The tensor called `name` ("xception/backbone.conv1.weight") by the rule of weights."""
    last = name.rpartition(".")[2]
    if last == "num_batches_tracked":
        return np.zeros(shape, np.int64)
    draw = generator(name).standard_normal(shape)
    if last == "running_var":
        value = np.exp(0.2 * draw)
    elif last == "running_mean":
        value = 0.1 * draw
    elif len(shape) <= 1:
        value = 1 + 0.1 * draw if last == "weight" else 0.1 * draw
    else:
        value = draw * gain / np.sqrt(np.prod(shape[1:]))
    return np.asarray(value, np.float32)
