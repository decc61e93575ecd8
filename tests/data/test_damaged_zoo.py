"""What can be read of a damaged file is the same whatever the way to it, or the file is refused."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from tests.data.test_zoo import ALL, Seen
from tests.data.zoo import copy
from tests.data.zoo_specimens import SPECIMENS

from dfbench.data.decoding.video import read_frames
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


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_damage_is_refused_or_the_same_for_all(name: str, tmp_path: Path) -> None:
    check(name, tmp_path, 8)


def without_header(packet: bytes) -> bytes:
    """An H.264 packet of an MP4 whose first slice begins with zeros."""
    at = 0
    while packet[at + 4] & 31 not in (1, 5):
        at += 4 + int.from_bytes(packet[at : at + 4], "big")
    start, end = at + 7, min(at + 27, len(packet))
    return packet[:start] + bytes(end - start) + packet[end:]


@pytest.mark.parametrize(
    ("name", "rows"),
    [("h264_refresh.mp4", (16, 20, 39)), ("h264_b.mkv", (20, 37)), ("h264_open.mp4", (33, 37))],
)
def test_no_way_passes_over_a_header_that_cannot_be_read(
    name: str, rows: tuple[int, ...], tmp_path: Path
) -> None:
    source, path = tmp_path / name, tmp_path / f"damaged.{name}"
    BY_NAME[name].build(source)
    with av.open(str(source)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    for row in rows:
        path.write_bytes(source.read_bytes().replace(packets[row], without_header(packets[row])))
        seen = Seen()
        for choice in CHOICES:
            seen.take(read_frames(path, choice))
        assert seen.reasons


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_damage_is_refused_or_the_same_for_all_in_many_more(name: str, tmp_path: Path) -> None:
    check(name, tmp_path, 12)
