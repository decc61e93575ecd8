"""A file is decoded whatever its name means to a decoder: an address, a protocol, a pattern, an option, standard input."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.data.conftest import WriteVideo

from dfbench import FrameChoice
from dfbench.data.decoding.streams import open_container, open_stream
from dfbench.data.decoding.truncation import announced_bytes
from dfbench.data.decoding.video import probe, read_frames
from dfbench.data.fingerprints import content_digest
from dfbench.errors import MissingVideoError, UndecodableVideoError

NAMES = (
    *("file:x.mp4", "concat:x.mp4", "concat:x.mp4|x.mp4", "subfile,,start,0,end,9,,:x.mp4", "crypto:x.mp4", "async:x.mp4"),
    *("cache:x.mp4", "data:video;base64,AAAA", "pipe:0", "pipe:", "fd:", "-", "-i.mp4", "--.mp4", "%d.mp4", "x%03d.mp4", "*.mp4"),
    *("http:", "tcp:x.mp4", "unix:x.mp4", "rtmp:x.mp4", "x.mp4?raw", "x.mp4#t=1", "~x.mp4", "$HOME.mp4", "x.mp4\n", "a;ls.mp4"),
)  # fmt: skip


def _frames(count: int, value: int) -> list[np.ndarray]:
    return [np.full((48, 64, 3), value, np.uint8) for _ in range(count)]


@pytest.fixture
def two(write_video: WriteVideo, tmp_path: Path) -> tuple[Path, Path]:
    """A dark video of four frames, "x.mp4" in the working folder, and a bright one of seven."""
    shutil.move(write_video("x.mp4", _frames(4, 20)), tmp_path / "x.mp4")
    return tmp_path / "x.mp4", write_video("bright.mp4", _frames(7, 220))


@pytest.mark.parametrize("name", NAMES)
def test_the_file_of_that_name_is_decoded(name: str, two: tuple[Path, Path]) -> None:
    _, bright = two
    path = Path(name)
    shutil.copy(bright, path)
    assert probe(path).frames == 7
    frames = dict(read_frames(path, FrameChoice("uniform", 2)))
    assert len(frames) == 2
    assert all(frame.mean() > 200 for frame in frames.values())
    assert content_digest(path) == content_digest(bright)
    with open_container(path) as container:
        announced = announced_bytes(path, container, open_stream(container, path), 7)
    with open_container(bright) as container:
        assert announced == announced_bytes(bright, container, open_stream(container, bright), 7) > 0


@pytest.mark.parametrize("name", [*NAMES, "http://localhost:9/x.mp4", "file:///etc/passwd"])
def test_no_other_file_stands_in_for_one_that_is_not_there(name: str, two: tuple[Path, Path]) -> None:
    with pytest.raises(MissingVideoError):
        probe(Path(name))


@pytest.mark.parametrize("target", ["/dev/zero", "/dev/stdin", "/dev/full", "/dev/fd/0"])
def test_a_device_is_no_video(target: str, tmp_path: Path) -> None:
    path = tmp_path / "x.mp4"
    path.symlink_to(target)
    with pytest.raises((UndecodableVideoError, MissingVideoError)):
        probe(path)
