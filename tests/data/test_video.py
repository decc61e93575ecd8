"""Decoding: the wanted frames, upright, or an error that names the file and why."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dfbench.data.decoding.video import probe, read_frames, wanted_indices
from dfbench.errors import MissingVideoError, UndecodableVideoError
from dfbench.types import FrameChoice

WriteVideo = Callable[..., Path]


def flat_frames(count: int, *, width: int = 64, height: int = 48) -> list[NDArray[np.uint8]]:
    return [np.full((height, width, 3), 10 + 8 * t, dtype=np.uint8) for t in range(count)]


def decode(path: Path, choice: FrameChoice) -> dict[int, NDArray[np.uint8]]:
    return dict(read_frames(path, choice))


def test_wanted_frames_are_the_right_ones(write_video: WriteVideo) -> None:
    path = write_video("grey.mp4", flat_frames(20))
    assert probe(path).frames == 20
    found = decode(path, FrameChoice("uniform", 5))
    assert list(found) == [0, 5, 10, 14, 19]
    for position, frame in found.items():
        assert abs(float(frame.mean()) - (10 + 8 * position)) < 4


def test_unicode_spaces_and_odd_sizes(write_video: WriteVideo) -> None:
    path = write_video("ein Ordner/видео 顔.mp4", flat_frames(3, width=61, height=47))
    (frame,) = decode(path, FrameChoice("first", 1)).values()
    assert frame.shape == (47, 61, 3)


def test_one_frame(write_video: WriteVideo) -> None:
    assert list(decode(write_video("one.mp4", flat_frames(1)), FrameChoice("uniform", 32))) == [0]


QUARTERS = {
    "as stored": (1, 0, 0, 1),
    "90 clockwise": (0, 1, -1, 0),
    "180": (-1, 0, 0, -1),
    "270 clockwise": (0, -1, 1, 0),
    "mirrored": (-1, 0, 0, 1),
    "upside down": (1, 0, 0, -1),
    "transposed": (0, 1, 1, 0),
    "transposed the other way": (0, -1, -1, 0),
}


@pytest.mark.parametrize("name", QUARTERS)
def test_frames_are_turned_and_mirrored_as_the_file_says(
    name: str, write_video: WriteVideo, tmp_path: Path
) -> None:
    image = np.zeros((48, 64, 3), dtype=np.uint8)
    image[:24, :32], image[:24, 32:] = 250, 120  # top left, top right
    source = write_video("plain.mp4", [image] * 3)
    (stored,) = decode(source, FrameChoice("first", 1)).values()
    data = bytearray(source.read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # version 0: the display matrix follows 40 bytes of fields
    a, b, c, d = (one << 16 for one in QUARTERS[name])
    data[at : at + 36] = np.array([a, b, 0, c, d, 0, 0, 0, 1 << 30], dtype=">i4").tobytes()
    turned = tmp_path / "turned.mp4"
    turned.write_bytes(bytes(data))
    (frame,) = decode(turned, FrameChoice("first", 1)).values()
    expected = {
        "as stored": stored,
        "90 clockwise": np.rot90(stored, -1),
        "180": np.rot90(stored, 2),
        "270 clockwise": np.rot90(stored),
        "mirrored": stored[:, ::-1],
        "upside down": stored[::-1],
        "transposed": stored.transpose(1, 0, 2),
        "transposed the other way": np.rot90(stored, 2).transpose(1, 0, 2),
    }
    np.testing.assert_array_equal(frame, expected[name])


def noise_frames(count: int) -> list[NDArray[np.uint8]]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (48, 64, 3), dtype=np.uint8) for _ in range(count)]


def _without_frames(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()


def _audio_only(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 1024), dtype=np.float32), format="fltp", layout="mono"
        )
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize("kind", ["empty", "text", "audio", "no frames", "no index", "cut short", "folder"])
def test_files_that_are_no_video(kind: str, write_video: WriteVideo, tmp_path: Path) -> None:
    path = tmp_path / f"{kind}.mp4"
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("this is no video\n" * 50, encoding="utf-8")
    elif kind == "audio":
        _audio_only(path)
    elif kind == "no frames":
        _without_frames(path)
    elif kind == "no index":
        path.write_bytes(write_video("whole.mp4", flat_frames(20)).read_bytes()[:600])
    elif kind == "cut short":
        data = write_video("whole.mp4", noise_frames(20), faststart=True).read_bytes()
        path.write_bytes(data[: len(data) // 2])
    else:
        path.mkdir()
    with pytest.raises(UndecodableVideoError) as caught:
        decode(path, FrameChoice("uniform", 4))
    assert str(path) in caught.value.message


def test_a_file_without_a_video_stream_says_what_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _audio_only(tmp_path / "sound.mp4")
    with pytest.raises(UndecodableVideoError, match=r"sound\.mp4: no video stream, only audio$"):
        decode(tmp_path / "sound.mp4", FrameChoice("first", 1))

    class Streams(list[object]):
        video: tuple[()] = ()

    class Empty:
        streams = Streams()

        def __enter__(self) -> Empty:
            return self

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(av, "open", lambda *_, **__: Empty())
    with pytest.raises(UndecodableVideoError, match=r"sound\.mp4: no video stream, and no other$"):
        decode(tmp_path / "sound.mp4", FrameChoice("first", 1))


def test_unreadable_file(write_video: WriteVideo, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video("secret.mp4", flat_frames(3))

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(av, "open", refuse)
    with pytest.raises(UndecodableVideoError, match="Permission denied"):
        decode(path, FrameChoice("first", 1))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(MissingVideoError, match="gone"):
        decode(tmp_path / "gone.mp4", FrameChoice("first", 1))


@settings(deadline=None, max_examples=60)
@given(
    how=st.sampled_from(["uniform", "runs", "first"]),
    count=st.integers(1, 40),
    length=st.integers(1, 8),
    frames=st.integers(1, 300),
)
def test_wanted_indices_are_ascending_unique_and_inside(
    how: str, count: int, length: int, frames: int
) -> None:
    found = wanted_indices(FrameChoice(how, count, length), frames)
    assert len(found) >= 1
    assert (np.diff(found) > 0).all()
    assert found[0] >= 0
    assert found[-1] < frames
    if how == "uniform":
        assert found[0] == 0
        assert len(found) == min(count, frames)
