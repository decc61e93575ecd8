"""Which stream of a file is read: what players show, whatever else is in the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from dfbench.data.decoding.video import probe, read_frames, read_positions, read_range
from dfbench.errors import UndecodableVideoError
from dfbench.types import FrameChoice

DEFAULT, NONE = Disposition.default, Disposition(0)
COVER = Disposition.attached_pic
RATE = 16000


@dataclass(frozen=True)
class Track:
    """A video stream of one grey level."""

    grey: int
    size: tuple[int, int] = (64, 48)
    disposition: Disposition = NONE
    frames: int = 20
    codec: str = "libx264"


MAIN = Track(200, (96, 64), DEFAULT)
COVER_FIRST = Track(30, (128, 128), COVER, 1, "mjpeg")


def write(path: Path, tracks: Sequence[Track], *, sound: bool = False, fast: bool = False) -> Path:
    options = {"movflags": "faststart"} if fast else {}
    with av.open(str(path), "w", container_options=options) as container:
        streams = []
        for track in tracks:
            stream = container.add_stream(track.codec, rate=25)
            stream.width, stream.height = track.size
            stream.pix_fmt = "yuvj420p" if track.codec == "mjpeg" else "yuv420p"
            stream.disposition = track.disposition
            streams.append(stream)
        voice = container.add_stream("aac", rate=RATE) if sound else None
        for number in range(max((track.frames for track in tracks), default=0)):
            for track, stream in zip(tracks, streams, strict=True):
                if number < track.frames:
                    image = np.full((track.size[1], track.size[0], 3), track.grey + number, np.uint8)
                    frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                    frame.pts = number
                    container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
        if voice is not None:
            for number in range(20):
                silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
                silence.sample_rate, silence.pts = RATE, 1024 * number
                container.mux(voice.encode(silence))
            container.mux(voice.encode(None))
    return path


def seen(path: Path) -> tuple[int, tuple[int, int], list[str]]:
    """Grey level of the first frame, (width, height), remarks."""
    remarks: list[str] = []
    frames = dict(read_frames(path, FrameChoice("uniform", 4), remark=remarks.append))
    height, width = frames[0].shape[:2]
    again = dict(read_range(path, 0, 1)) | dict(read_positions(path, [19]))
    assert all(np.array_equal(again[at], frames[at]) for at in again)
    info = probe(path)
    assert (info.frames, info.width, info.height) == (20, width, height)
    return 10 * round(float(frames[0].mean()) / 10), (width, height), remarks


@pytest.mark.parametrize("name", ["cover.mp4", "cover.mov"])
@pytest.mark.parametrize("place", [0, 1])
def test_a_cover_picture_is_never_the_video(name: str, place: int, tmp_path: Path) -> None:
    tracks = [MAIN]
    tracks.insert(place, COVER_FIRST)
    assert seen(write(tmp_path / name, tracks, sound=True)) == (200, (96, 64), [])


def test_a_cover_picture_that_nobody_marked_is_not_the_video(tmp_path: Path) -> None:
    still = Track(30, (256, 256), DEFAULT, 1, "mjpeg")
    grey, size, remarks = seen(write(tmp_path / "still.mkv", [still, Track(200, (96, 64))]))
    assert (grey, size) == (200, (96, 64))
    assert remarks == ["of its 2 video streams, stream 1 (96x64) was read, as players do"]


@pytest.mark.parametrize(
    "name", ["views.mp4", "views.mkv", "views.ts", "views.avi", "views.mov", "views.nut"]
)
def test_a_small_view_that_comes_first_is_not_the_video(name: str, tmp_path: Path) -> None:
    codec = "mpeg4" if name.endswith("avi") else "libx264"
    small, large = Track(30, codec=codec), Track(200, (96, 64), DEFAULT, codec=codec)
    grey, size, remarks = seen(write(tmp_path / name, [small, large]))
    assert (grey, size) == (200, (96, 64))
    assert remarks == ["of its 2 video streams, stream 1 (96x64) was read, as players do"]


@pytest.mark.parametrize("name", ["views.mp4", "views.mkv"])
def test_the_stream_that_the_file_marks_is_read_however_small(name: str, tmp_path: Path) -> None:
    tracks = [Track(30, (96, 64)), Track(200, (64, 48), DEFAULT)]
    assert seen(write(tmp_path / name, tracks))[:2] == (200, (64, 48))


def test_of_equal_streams_the_first_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "programs.ts", [Track(200), Track(30), Track(90)])
    assert seen(path) == (200, (64, 48), ["of its 3 video streams, stream 0 (64x48) was read, as players do"])


@pytest.mark.parametrize(
    ("tracks", "reason"),
    [([COVER_FIRST], "no video stream, only audio, a cover picture"), ([], "no video stream, only audio")],
)
def test_sound_with_a_picture_is_no_video(tracks: list[Track], reason: str, tmp_path: Path) -> None:
    path = write(tmp_path / "song.mp4", tracks, sound=True)
    with pytest.raises(UndecodableVideoError) as caught:
        list(read_frames(path, FrameChoice("first", 1)))
    assert caught.value.message == f"{path}: {reason}"


def test_whether_a_file_is_whole_is_asked_of_the_stream_that_is_read(tmp_path: Path) -> None:
    """Frames of another stream that are missing are not missed."""
    whole = write(tmp_path / "whole.mp4", [Track(200, (96, 64), DEFAULT, 5), Track(30, frames=20)], fast=True)
    content = whole.read_bytes()
    (tmp_path / "other.mp4").write_bytes(content[:-1])
    assert probe(tmp_path / "other.mp4").frames == 5
    first = write(tmp_path / "first.mp4", [Track(200, frames=5), Track(30, (96, 64), DEFAULT)], fast=True)
    first.write_bytes(first.read_bytes()[:-1])
    with pytest.raises(UndecodableVideoError, match="the file ends early"):
        probe(first)
