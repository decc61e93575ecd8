"""Damaged video files: the frames of a decoder that makes up what is missing are not taken for frames of the video."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.data.test_decoding import KINDS, Kind, write

from dfbench.data.video import read_frames, read_range
from dfbench.errors import UndecodableVideoError
from dfbench.types import FrameChoice

UNIFORM = FrameChoice("uniform", 5)
BY_NAME = {kind.name: kind for kind in KINDS}


def zeroed(path: Path, share: float, count: int) -> Path:
    content = bytearray(path.read_bytes())
    start = int(len(content) * share)
    content[start : start + count] = bytes(count)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_nothing_is_damaged_in_whole_files(kind: Kind, tmp_path: Path) -> None:
    path = write(tmp_path, kind)
    assert len(list(read_frames(path, UNIFORM))) == 5
    assert len(list(read_range(path, 20, 9))) == 9


@pytest.mark.parametrize("name", ["open_gop.mp4", "interlaced.mp4", "odd.mp4", "mpeg4.avi"])
def test_a_zeroed_block_that_the_decoder_conceals_is_told(name: str, tmp_path: Path) -> None:
    path = zeroed(write(tmp_path, BY_NAME[name]), 0.5, 512)
    for choice in (FrameChoice("uniform", 48), FrameChoice("runs", 3, 16)):
        with pytest.raises(UndecodableVideoError, match=r"frame \d+ is damaged") as caught:
            list(read_frames(path, choice))
        assert str(path) in caught.value.message


def test_what_lies_before_the_damage_can_be_read(tmp_path: Path) -> None:
    whole = dict(read_frames(write(tmp_path, BY_NAME["odd.mp4"]), FrameChoice("first", 6)))
    path = zeroed(write(tmp_path, BY_NAME["odd.mp4"]), 0.5, 512)
    again = dict(read_frames(path, FrameChoice("first", 6)))
    assert all((again[position] == frame).all() for position, frame in whole.items())
    with pytest.raises(UndecodableVideoError, match=r"frame \d+ is damaged"):
        list(read_range(path, 0, 48))


@pytest.mark.parametrize("name", ["one_key.mp4", "b_frames.mp4", "mpeg4.mp4"])
def test_a_zeroed_block_that_stops_the_decoder_is_told(name: str, tmp_path: Path) -> None:
    path = zeroed(write(tmp_path, BY_NAME[name]), 0.5, 512)
    with pytest.raises(UndecodableVideoError, match="wanted frames can be decoded"):
        list(read_frames(path, FrameChoice("uniform", 48)))
