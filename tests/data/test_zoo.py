"""Whatever the way to the frames, one file gives the same frames, and they are the ones that were asked for; or it is refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.data.zoo import number_in, painted
from tests.data.zoo_specimens import SPECIMENS, Specimen

from dfbench.data.decoding import video_file
from dfbench.data.decoding.packet_index import PacketIndex, index_packets
from dfbench.data.decoding.video import probe, read_frames, read_positions, read_range
from dfbench.errors import UndecodableVideoError
from dfbench.types import FrameChoice

ALL = FrameChoice("first", 999)
CHOICES = [
    *(FrameChoice("uniform", count) for count in (1, 4, 9, 23)),
    *(FrameChoice("runs", 3, 4), FrameChoice("first", 9), ALL),
]
QUICK = [specimen for specimen in SPECIMENS if specimen.is_quick]
SLOW = [specimen for specimen in SPECIMENS if not specimen.is_quick]


@pytest.fixture(autouse=True)
def _quiet_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SVT_LOG", "0")


class Seen:
    """Every frame that was given, and why no more were."""

    def __init__(self) -> None:
        self.frames: dict[int, NDArray[np.uint8]] = {}
        self.reasons: list[str] = []

    def take(self, frames: Iterator[tuple[int, NDArray[np.uint8]]]) -> list[int]:
        """The positions of the frames, which must be those that were given before."""
        positions = []
        try:
            for position, frame in frames:
                assert np.array_equal(self.frames.setdefault(position, frame), frame), position
                positions.append(position)
        except UndecodableVideoError as error:
            self.reasons.append(error.message)
        return positions


def check(path: Path, specimen: Specimen, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, remarks = Seen(), set[str]()
    everything = seen.take(read_frames(path, ALL, remark=remarks.add))
    read = [partial(read_frames, path, one, threads=threads) for one in CHOICES for threads in (1, 2, 3, 4)]
    read += [partial(read_range, path, 7, 9), partial(read_positions, path, [1, 2, 30, 999])]
    for way in read:
        seen.take(way())
    # Where frames are lost, only their times tell their places.
    for patch in (_seek, _decode_through, *([] if specimen.refused else [_count])):
        with monkeypatch.context() as patched:
            patch(patched)
            for choice in CHOICES:
                seen.take(read_frames(path, choice))
    assert specimen.remark in "; ".join(sorted(remarks))
    assert bool(specimen.remark) == bool(remarks - {_shape(specimen)})
    if specimen.shown:
        numbers = {position: number_in(frame) for position, frame in seen.frames.items()}
        assert numbers == {at: specimen.shown[at] for at in numbers}
    if specimen.refused:
        assert seen.reasons
        assert all(specimen.refused in reason and str(path) in reason for reason in seen.reasons)
    else:
        assert seen.reasons == []
        assert everything == list(range(probe(path).frames))
        assert len(everything) == len(specimen.shown or everything)


def _shape(specimen: Specimen) -> str:
    """H.263 knows no square pixels at its sizes."""
    return "its pixels are not square (12:11): players show faces wider than they were scored" * (
        "h263" in specimen.name
    )


def _seek(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(video_file, "is_worth_seeking", lambda *_: True)


def _decode_through(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(video_file, "is_worth_seeking", lambda *_: False)


def _count(patch: pytest.MonkeyPatch) -> None:
    def without_times(container: av.container.InputContainer, stream: av.VideoStream) -> PacketIndex:
        return replace(index_packets(container, stream), times=(), keys=())

    patch.setattr(video_file, "index_packets", without_times)


@pytest.mark.parametrize("specimen", QUICK, ids=lambda specimen: specimen.name)
def test_every_way_gives_the_same_frames(
    specimen: Specimen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    specimen.build(tmp_path / specimen.name)
    check(tmp_path / specimen.name, specimen, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("specimen", SLOW, ids=lambda specimen: specimen.name)
def test_every_way_gives_the_same_frames_of_many_more(
    specimen: Specimen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    specimen.build(tmp_path / specimen.name)
    check(tmp_path / specimen.name, specimen, monkeypatch)


def test_the_zoo_is_large_and_tells_frames_apart() -> None:
    assert len({specimen.name for specimen in SPECIMENS}) == len(SPECIMENS) >= 60
    assert [number_in(painted(number)) for number in range(96)] == list(range(96))
    assert number_in(painted(77, (64, 48))) == number_in(painted(77, (97, 63))) == 77
