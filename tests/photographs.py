"""Four photographs of one face (public domain), as tests and benchmarks take them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

COUNT = 4
_STORED = Path(__file__).parent / "golden" / "clip_pipeline.npz"


def encoded(number: int = 0) -> bytes:
    """One of the four, a PNG of 317 px."""
    with np.load(_STORED) as golden:
        return bytes(golden[f"frames/png{number}"].tobytes())


def photograph(number: int = 0) -> Image.Image:
    """One of the four, 317 px, in RGB."""
    return Image.open(io.BytesIO(encoded(number))).convert("RGB")


def photographs() -> list[NDArray[np.uint8]]:
    """All four, (317, 317, 3) uint8 RGB each."""
    return [np.asarray(photograph(number)) for number in range(COUNT)]
