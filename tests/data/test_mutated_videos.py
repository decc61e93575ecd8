"""Whatever stands in a video file, it gives frames or an error of ours that names it."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.test_decoding import Kind, write

from dfbench.data.decoding.video import probe, read_frames, read_range
from dfbench.errors import VideoError
from dfbench.types import FrameChoice

SOURCES = [
    Kind("a.mp4", "libx264", {"g": "4", "bf": "2"}, size=(64, 48)),
    Kind("b.mkv", "libx264", {"g": "4", "bf": "2"}, size=(64, 48)),
    Kind("c.avi", "mpeg4", {"g": "4"}, size=(64, 48)),
    Kind("d.webm", "libvpx-vp9", {"cpu-used": "8", "lag-in-frames": "0"}, size=(64, 48)),
]
CHOICES = [FrameChoice("uniform", 4), FrameChoice("runs", 2, 2), FrameChoice("first", 3)]
# Where and what: single bytes, sizes and counts that are far too large, and words that mean something to a container.
PIECES = st.one_of(
    st.binary(min_size=1, max_size=4),
    st.sampled_from(
        [b"\0" * 16, b"\xff" * 4, b"\x7f\xff\xff\xff", b"\0\0\0\1", b"moov", b"trak", b"stco", b"mdat"]
    ),
)
CHANGES = st.lists(st.tuples(st.floats(0, 1), PIECES), max_size=6)


@cache
def source(kind: int) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return write(Path(folder), SOURCES[kind], count=8).read_bytes()


def check(path: Path, choice: FrameChoice) -> None:
    told = []
    for frames in (read_frames(path, choice), read_range(path, 1, 3)):
        try:
            last = -1
            for position, frame in frames:
                assert position > last
                last = position
                assert frame.dtype == np.uint8
                assert frame.shape[2:] == (3,)
        except VideoError as error:
            told.append(error.message)
    try:
        assert probe(path).frames > 0
    except VideoError as error:
        told.append(error.message)
    assert all(str(path) in message for message in told)


@pytest.mark.slow
@pytest.mark.parametrize("kind", range(len(SOURCES)), ids=lambda kind: SOURCES[kind].name)
@given(changes=CHANGES, cut=st.floats(0, 1), choice=st.sampled_from(CHOICES))
@settings(deadline=None, max_examples=60)
def test_a_changed_video_is_decoded_or_refused(
    kind: int, changes: list[tuple[float, bytes]], cut: float, choice: FrameChoice
) -> None:
    content = bytearray(source(kind))
    for place, piece in changes:
        start = int(place * len(content))
        content[start : start + len(piece)] = piece
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / SOURCES[kind].name
        path.write_bytes(content[: int(cut * len(content))] if cut < 0.3 else content)
        check(path, choice)


@given(content=st.one_of(st.binary(max_size=300), st.text(max_size=100).map(str.encode)))
@settings(deadline=None, max_examples=60)
def test_anything_at_all_is_refused(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.mp4"
        path.write_bytes(content)
        check(path, CHOICES[0])


def test_a_title_that_is_not_utf8_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "title.webm"
    path.write_bytes(source(3))
    whole = list(read_frames(path, CHOICES[0]))
    assert path.read_bytes().count(b"Lavf") > 1  # the writer signs in its metadata
    path.write_bytes(path.read_bytes().replace(b"Lavf", b"L\xe9vf"))
    for (_, expected), (_, frame) in zip(whole, read_frames(path, CHOICES[0]), strict=True):
        np.testing.assert_array_equal(frame, expected)
