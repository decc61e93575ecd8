"""What can be read of a damaged file is the same whatever the way to it, or the file is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.data.test_zoo import ALL, Seen
from tests.data.zoo import copy
from tests.data.zoo_specimens import SPECIMENS

from dfbench.data.video import read_frames
from dfbench.types import FrameChoice

BY_NAME = {specimen.name: specimen for specimen in SPECIMENS}
CHOICES = [ALL, FrameChoice("uniform", 23), FrameChoice("uniform", 9), FrameChoice("runs", 3, 4)]
QUICK = ["h264_references.mp4", "h264_open.mp4", "hevc.mp4"]
SLOW = [
    "h264_b.mkv",
    "h264_refresh.mp4",
    "h264_slices.mp4",
    "h264_fields.ts",
    "mpeg4.mp4",
    "mpeg2.ts",
    "hevc.ts",
]


def damaged(source: Path, target: Path, rng: np.random.Generator) -> Path:
    """A copy of `source` in which a block is other bytes, or from which packets are gone."""
    content = bytearray(source.read_bytes())
    start, count = int(rng.uniform(0.1, 0.95) * len(content)), int(rng.choice([4, 40, 300]))
    what = rng.integers(3)
    if what == 0:
        gone = rng.choice(range(1, 48), size=int(rng.integers(1, 6)), replace=False)
        return copy(source, target, without=set(gone.tolist()))
    block = bytes(count) if what == 1 else rng.bytes(count)
    content[start : start + count] = block
    target.write_bytes(content)
    return target


def check(name: str, folder: Path, times: int) -> None:
    source = folder / name
    BY_NAME[name].build(source)
    rng, refused = np.random.default_rng(len(name)), 0
    for _ in range(times):
        path = damaged(source, folder / f"damaged.{name}", rng)
        seen = Seen()
        for choice in CHOICES:
            for threads in (1, 2, 3):
                seen.take(read_frames(path, choice, threads=threads))
        refused += bool(seen.reasons)
    assert refused


@pytest.mark.parametrize("name", QUICK)
def test_damage_is_refused_or_the_same_for_all(name: str, tmp_path: Path) -> None:
    check(name, tmp_path, 8)


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_damage_is_refused_or_the_same_for_all_in_many_more(name: str, tmp_path: Path) -> None:
    check(name, tmp_path, 10)
