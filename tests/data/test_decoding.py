"""Whichever way leads to the wanted frames, they are the same pixels, in every kind of file that people have."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dfbench.data.decoding.frame_readers import (
    UntrustedTimesError,
    counted,
    groups_of,
    is_worth_seeking,
    seeking,
    through,
)
from dfbench.data.decoding.packet_index import PacketIndex, index_packets
from dfbench.data.decoding.video import probe, read_frames, read_positions
from dfbench.types import FrameChoice

COUNT = 48
WANTED = [0, 7, 8, 19, 33, 34, 47]


@dataclass(frozen=True)
class Kind:
    """A way to write a file. `trusted`: its packets have times, so that it need not be counted. `edit` changes what was
    written, of which `cut` frames at the start and at the end are then not shown."""

    name: str
    codec: str
    options: Mapping[str, str] = field(default_factory=dict)
    size: tuple[int, int] = (96, 64)
    pixels: str = "yuv420p"
    gaps: bool = False
    trusted: bool = True
    container: Mapping[str, str] = field(default_factory=dict)
    edit: Callable[[bytes], bytes] = bytes
    cut: int = 0


def without_index(content: bytes) -> bytes:
    """An AVI whose list of frames is not told from what may be skipped."""
    assert content.count(b"idx1") == 1
    return content.replace(b"idx1", b"JUNK")


def with_edit_list(content: bytes) -> bytes:
    """An MP4 of 25 frames a second that shows COUNT frames, from the sixth on."""
    at = content.index(b"elst") + 12  # behind version and number of entries
    duration, start = struct.unpack_from(">Ii", content, at)
    assert duration == 40 * (COUNT + 10)
    return content[:at] + struct.pack(">Ii", 40 * COUNT, start + 5 * 512) + content[at + 8 :]


KINDS = [
    Kind("b_frames.mp4", "libx264", {"g": "16", "bf": "3", "b-pyramid": "normal"}),
    Kind("open_gop.mp4", "libx264", {"g": "12", "bf": "3", "x264-params": "open-gop=1:scenecut=0"}),
    Kind("refresh.mp4", "libx264", {"g": "12", "x264-params": "intra-refresh=1"}),
    Kind("one_key.mp4", "libx264", {"g": "250"}),
    Kind("many_keys.mkv", "libx264", {"g": "4"}),
    Kind("variable_rate.mkv", "libx264", {"g": "8"}, gaps=True),
    Kind("interlaced.mp4", "libx264", {"g": "12", "x264-params": "tff=1"}),
    Kind("odd.mp4", "libx264", {"g": "8"}, size=(97, 63), pixels="yuv444p"),
    Kind("stream.ts", "libx264", {"g": "8", "bf": "2"}),
    Kind("bare.h264", "libx264", {"g": "8", "bf": "2"}, trusted=False),
    Kind("hevc.mp4", "libx265", {"x265-params": "keyint=12:bframes=3:open-gop=1:log-level=none"}),
    Kind("vp9.webm", "libvpx-vp9", {"g": "12", "auto-alt-ref": "1", "lag-in-frames": "12", "cpu-used": "8"}),
    Kind("vp8.webm", "libvpx", {"g": "12", "auto-alt-ref": "1", "lag-in-frames": "12", "b": "40k"}),
    Kind("mpeg4.avi", "mpeg4", {"g": "12", "bf": "2"}, trusted=False),
    Kind("b_frames.avi", "libx264", {"bf": "2"}, trusted=False),
    Kind("bare.m4v", "mpeg4", {"g": "12", "bf": "2"}),
    Kind("mpeg4.mp4", "mpeg4", {"g": "12", "bf": "2"}),
    Kind("mpeg2.mpg", "mpeg2video", {"g": "12", "bf": "2"}),
    Kind("pictures.avi", "mjpeg", {}, pixels="yuvj420p"),
    Kind("lossless.mkv", "ffv1", {}),
    Kind("no_index.avi", "mpeg4", {"g": "12"}, trusted=False, edit=without_index),
    Kind("edited.mp4", "libx264", {"g": "12", "bf": "2"}, edit=with_edit_list, cut=5),
    Kind("edited_plain.mp4", "libx264", {"g": "12", "bf": "0"}, edit=with_edit_list, cut=5),
    Kind(
        "fragments.mp4", "libx264", {"g": "8", "bf": "2"}, container={"movflags": "frag_keyframe+empty_moov"}
    ),
    Kind("raw.avi", "libx264rgb", {"g": "8", "bf": "0", "qp": "0"}, pixels="rgb24", trusted=False),
    Kind("ten_bits.mp4", "libx265", {"x265-params": "keyint=12:log-level=none"}, pixels="yuv420p10le"),
    Kind("odd_420.webm", "libvpx-vp9", {"g": "12", "cpu-used": "8"}, size=(97, 63)),
    Kind("odd_420.mp4", "mpeg4", {"g": "12", "bf": "2"}, size=(97, 63)),
]
CANNOT_SEEK = (
    *("refresh.mp4", "stream.ts", "mpeg2.mpg", "bare.m4v"),
    *("edited.mp4", "edited_plain.mp4"),
)


def moving(count: int, size: tuple[int, int]) -> Iterator[NDArray[np.uint8]]:
    rng = np.random.default_rng(3)
    place = cv2.resize(rng.integers(0, 256, (24, 24, 3), dtype=np.uint8), (240, 240))
    for t in range(count):
        x, y = 2 * t, t + (t // 20) * 30
        yield np.ascontiguousarray(place[y : y + size[1], x : x + size[0]])


def write(folder: Path, kind: Kind, count: int = COUNT) -> Path:
    path = folder / kind.name
    with av.open(str(path), "w", container_options=dict(kind.container)) as container:
        stream = container.add_stream(kind.codec, rate=25)
        stream.width, stream.height = kind.size
        stream.pix_fmt = kind.pixels
        stream.options = dict(kind.options)
        stream.codec_context.thread_count = 1  # with more, x264 does not write the same file twice
        if kind.gaps:
            stream.codec_context.time_base = Fraction(1, 1000)
        for t, image in enumerate(moving(count + 2 * kind.cut, kind.size)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            if kind.gaps:
                frame.pts, frame.time_base = 40 * t + 9 * (t % 4), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    path.write_bytes(kind.edit(path.read_bytes()))
    return path


def gather(
    path: Path, way: Callable[..., Iterator[tuple[int, av.VideoFrame]]], **more: PacketIndex
) -> dict[int, NDArray[np.uint8]]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        return {
            position: np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
            for position, frame in way(container, stream, WANTED, **more)
        }


def indexed(path: Path) -> PacketIndex:
    with av.open(str(path)) as container:
        return index_packets(container, container.streams.video[0])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_way_gives_the_same_pixels(kind: Kind, tmp_path: Path) -> None:
    path = write(tmp_path, kind)
    index = indexed(path)
    assert index.frames == probe(path).frames == COUNT
    assert bool(index.times) == kind.trusted
    expected = gather(path, counted, index=index)
    assert list(expected) == WANTED
    ways = [through, seeking] if kind.trusted else []
    for way in ways:
        try:
            found = gather(path, way, index=index)
        except UntrustedTimesError:
            # Said, so that the next way is taken: no key frame to start from, or no place to seek to.
            assert way is seeking, way
            assert kind.name in CANNOT_SEEK
            continue
        assert list(found) == WANTED
        assert all(np.array_equal(found[at], expected[at]) for at in WANTED), way
    read = dict(read_frames(path, FrameChoice("uniform", 5)))
    assert list(read) == [0, 12, 24, 35, 47]
    few = dict(read_positions(path, [3, 40, COUNT, COUNT + 9]))
    assert list(few) == [3, 40]
    everything = dict(read_frames(path, FrameChoice("first", COUNT)))
    shared = dict(read_frames(path, FrameChoice("first", COUNT), threads=4))
    few |= dict(read_frames(path, FrameChoice("uniform", 5), threads=4))
    assert list(shared) == list(everything) == list(range(COUNT))
    assert all(np.array_equal(shared[at], everything[at]) for at in range(COUNT))
    assert all(np.array_equal(everything[at], expected[at]) for at in WANTED)
    assert all(np.array_equal(everything[at], image) for at, image in [*read.items(), *few.items()])


def test_no_frame_is_sought_behind_a_refresh_that_its_decoder_did_not_come_through(tmp_path: Path) -> None:
    path = tmp_path / "rolling.mp4"
    noise = np.random.default_rng(0).integers(0, 255, (160, 160, 3), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 160
        stream.pix_fmt = "yuv420p"
        stream.options = {"x264-params": "intra-refresh=1:keyint=24:bframes=0:scenecut=0"}
        for number in range(80):
            image = np.ascontiguousarray(np.roll(noise, 2 * number, axis=1))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    whole = {position: frame.copy() for position, frame in read_positions(path, range(80))}
    for position in range(40, 80, 3):
        ((found, frame),) = read_positions(path, [position])
        assert found == position
        np.testing.assert_array_equal(frame, whole[position])


def test_frames_differ(tmp_path: Path) -> None:
    """What the comparison rests on: a frame next to the wanted one would be noticed."""
    path = write(tmp_path, KINDS[0])
    everything = dict(read_frames(path, FrameChoice("first", COUNT)))
    assert not any(np.array_equal(everything[t], everything[t + 1]) for t in range(COUNT - 1))


@pytest.mark.parametrize("name", ["edited.mp4", "edited_plain.mp4"])
def test_an_edit_list_moves_the_frames_alone(name: str, tmp_path: Path) -> None:
    (kind,) = (one for one in KINDS if one.name == name)
    path = write(tmp_path, replace(kind, edit=bytes))
    whole = dict(read_positions(path, [5 + at for at in WANTED]))
    path.write_bytes(kind.edit(path.read_bytes()))
    edited = dict(read_positions(path, WANTED))
    assert all(np.array_equal(edited[at], whole[5 + at]) for at in WANTED)


def test_seeks_are_used_where_they_are_worth_it(tmp_path: Path) -> None:
    often, once = write(tmp_path, KINDS[4]), write(tmp_path, KINDS[3])
    assert is_worth_seeking(indexed(often), [0, 23, 47])
    assert not is_worth_seeking(indexed(often), list(range(COUNT)))
    assert not is_worth_seeking(indexed(once), [0, 23, 47])


@settings(deadline=None, max_examples=80)
@given(
    keys=st.lists(st.integers(0, 99), unique=True).map(sorted),
    wanted=st.lists(st.integers(0, 99), unique=True, min_size=1).map(sorted),
)
def test_groups_start_at_the_last_key_frame_before(keys: list[int], wanted: list[int]) -> None:
    groups = groups_of(PacketIndex(100, tuple(range(100)), tuple(keys)), wanted)
    if not keys or keys[0] > wanted[0]:
        assert groups == []
        return
    assert [position for _, positions in groups for position in positions] == wanted
    for key, positions in groups:
        assert key in keys
        assert not any(key < other <= positions[-1] for other in keys)
