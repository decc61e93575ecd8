"""Files that were cut off: what a file says of its own length is held against what is there, and no whole file suffers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
import pytest
from tests.data.test_decoding import moving

from dfbench.data.decoding.video import probe, read_frames
from dfbench.errors import UndecodableVideoError
from dfbench.types import FrameChoice

COUNT, SIZE = 36, (160, 96)
UNIFORM = FrameChoice("uniform", 4)
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov"}


@dataclass(frozen=True)
class Whole:
    """A way to write a file. `sound`: seconds of silence in it."""

    name: str
    codec: str = "libx264"
    container: Mapping[str, str] = field(default_factory=dict)
    sound: float = 0.0


TOLD = [
    Whole("fast.mp4", container={"movflags": "faststart"}),
    Whole("fast.mov", container={"movflags": "faststart"}),
    Whole("fragments.mp4", container=FRAGMENTS),
    Whole("a.mkv"),
    Whole("vp8.webm", "libvpx"),
    Whole("vp9.webm", "libvpx-vp9"),
    Whole("sound.mkv", sound=4.0),
    Whole("sound.mp4", container={"movflags": "faststart"}, sound=1.0),
    Whole("mpeg4.avi", "mpeg4"),
    Whole("h264.avi"),
]
SILENT = [
    Whole("live.mkv", container={"live": "1"}),
    Whole("a.ts"),
    Whole("a.mpg", "mpeg2video"),
    Whole("a.flv"),
    Whole("a.nut"),
]


def write(folder: Path, whole: Whole) -> Path:
    path = folder / whole.name
    with av.open(str(path), "w", container_options=dict(whole.container)) as container:
        stream = container.add_stream(whole.codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.options = {"g": "6"} | ({"cpu-used": "8"} if "vpx" in whole.codec else {})
        sound = container.add_stream("aac", rate=16000) if whole.sound else None
        for image in moving(COUNT, SIZE):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
        if sound is not None:
            for number in range(int(whole.sound * 16000 / 1024)):
                silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
                silence.sample_rate, silence.pts = 16000, 1024 * number
                container.mux(sound.encode(silence))
            container.mux(sound.encode(None))
    return path


@pytest.mark.parametrize("whole", [*TOLD, *SILENT], ids=lambda whole: whole.name)
def test_whole_files_are_read(whole: Whole, tmp_path: Path) -> None:
    path = write(tmp_path, whole)
    assert probe(path).frames == COUNT
    assert len(list(read_frames(path, UNIFORM))) == 4


@pytest.mark.parametrize("share", [0.5, 0.75, 0.9])
@pytest.mark.parametrize("whole", TOLD, ids=lambda whole: whole.name)
def test_a_file_that_was_cut_off_is_refused(whole: Whole, share: float, tmp_path: Path) -> None:
    path = write(tmp_path, whole)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    for read in (lambda: probe(path), lambda: list(read_frames(path, UNIFORM))):
        with pytest.raises(UndecodableVideoError) as caught:
            read()
        assert f"{path}: the file ends early: {int(share * len(content))} of " in caught.value.message
        assert "download it again" in caught.value.hints[0]


def test_sound_that_is_missing_behind_the_last_frame_is_not_missed(tmp_path: Path) -> None:
    path = write(tmp_path, Whole("a.mp4", container={"movflags": "faststart"}, sound=4.0))
    path.write_bytes(path.read_bytes()[:-99])
    assert probe(path).frames == COUNT


@pytest.mark.parametrize("tail", [b"\0" * 999, b"TAG" + b"\0" * 125])
@pytest.mark.parametrize("whole", TOLD[:4], ids=lambda whole: whole.name)
def test_what_hangs_behind_a_whole_file_is_no_fault(whole: Whole, tail: bytes, tmp_path: Path) -> None:
    path = write(tmp_path, whole)
    path.write_bytes(path.read_bytes() + tail)
    assert probe(path).frames == COUNT


def test_an_avi_that_lies_about_its_length_or_its_frames_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, Whole("mpeg4.avi", "mpeg4"))
    content = path.read_bytes()
    path.write_bytes(content[:4] + b"\xff" * 4 + content[8:])
    assert probe(path).frames == COUNT
    at = content.index(b"strh") + 8 + 32
    path.write_bytes(content[:at] + (9 * COUNT).to_bytes(4, "little") + content[at + 4 :])
    assert probe(path).frames == COUNT
