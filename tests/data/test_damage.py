"""Damaged video files: the frames of a decoder that makes up what is missing are not taken for frames of the video."""

from __future__ import annotations

from pathlib import Path

import av
import pytest
from tests.data.damage_shares import shares
from tests.data.test_decoding import KINDS, Kind, write

from dfbench.data.decoding.video import read_frames, read_range
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


def conceals(path: Path) -> bool:
    """Whether the decoder gives all frames, parts of which it made up."""
    try:
        with av.open(str(path)) as container:
            return True in [bool(frame.is_corrupt) for frame in container.decode(video=0)]
    except av.error.FFmpegError:
        return False


@pytest.mark.parametrize("name", ["open_gop.mp4", "interlaced.mp4", "odd.mp4", "mpeg4.avi"])
def test_a_zeroed_block_that_the_decoder_conceals_is_told(name: str, tmp_path: Path) -> None:
    source = write(tmp_path, BY_NAME[name])
    whole = source.read_bytes()
    found = []
    for place in range(30, 80, 5):
        source.write_bytes(whole)
        if conceals(zeroed(source, place / 100, 512)):
            with pytest.raises(UndecodableVideoError) as caught:
                list(read_frames(source, FrameChoice("uniform", 48)))
            assert str(source) in caught.value.message
            found.append("is damaged" in caught.value.message)
    assert any(found)  # where the block lies decides what becomes of it


def told(path: Path, threads: int) -> tuple[list[int], str]:
    """The positions that can be read, and why no more can."""
    positions = []
    try:
        for position, _ in read_frames(path, FrameChoice("uniform", 24), threads=threads):
            positions.append(position)
    except UndecodableVideoError as error:
        return positions, error.message
    return positions, ""


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_as_much_is_told_however_many_threads_decode(kind: Kind, tmp_path: Path) -> None:
    path = write(tmp_path, kind)
    whole = path.read_bytes()
    for place in range(20, 95, 6):
        path.write_bytes(whole)
        zeroed(path, place / 100, 40 if place % 4 else 512)
        assert told(path, 1) == told(path, 4), place


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mpeg2.mpg", "pictures.avi"])
def test_codecs_that_pass_over_damage_are_told_not_to(name: str, tmp_path: Path) -> None:
    assert shares(write(tmp_path, BY_NAME[name]), 48).given < 15  # 36 and 31 of 50 if they may


def test_what_lies_before_the_damage_can_be_read(tmp_path: Path) -> None:
    path = write(tmp_path, BY_NAME["odd.mp4"])
    whole = dict(read_frames(path, FrameChoice("first", 6)))
    again = dict(read_frames(zeroed(path, 0.5, 512), FrameChoice("first", 6)))
    assert all((again[position] == frame).all() for position, frame in whole.items())
    with pytest.raises(UndecodableVideoError, match="frame"):
        list(read_range(path, 0, 48))


def test_a_codec_that_nobody_knows(tmp_path: Path) -> None:
    path = write(tmp_path, BY_NAME["lossless.mkv"])
    path.write_bytes(path.read_bytes().replace(b"V_FFV1", b"V_NONE"))
    with pytest.raises(UndecodableVideoError, match=r"lossless\.mkv: nobody knows how"):
        list(read_frames(path, UNIFORM))
