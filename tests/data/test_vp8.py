"""VP8 is decoded by libvpx: the same pixels as FFmpeg's own decoder of a whole file, and always the same of a damaged one."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.data.zoo_specimens import SPECIMENS

from dfbench.data.decoding.streams import decoder_of, open_container, open_stream
from dfbench.data.decoding.upright import turn_of
from dfbench.data.decoding.video import read_frames
from dfbench.types import FrameChoice

Decode = Callable[[av.Packet], list[av.VideoFrame]]
HOLDS = (
    (0,),
    (3, 0, 1),
    (1, 4, 2, 0),
    (6,),
)  # how many earlier frames are still held when the next is decoded


def decoded(path: Path, hold: tuple[int, ...], *, native: bool = False) -> list[NDArray[np.uint8]]:
    """All frames as (H, W, 3) RGB, decoded while some of those before are held, in turns as many as `hold` says."""
    held: list[av.VideoFrame] = []
    images: list[NDArray[np.uint8]] = []
    with open_container(path) as container:
        stream = open_stream(container, path)
        decode: Decode = (lambda packet: packet.decode()) if native else decoder_of(stream)
        for frame in frames_of(container, stream, decode):
            images.append(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8))
            held.append(frame)
            while len(held) > hold[len(images) % len(hold)]:
                del held[len(images) % len(held)]
    return images


def frames_of(
    container: av.container.InputContainer, stream: av.VideoStream, decode: Decode
) -> Iterator[av.VideoFrame]:
    for packet in container.demux(stream):
        yield from decode(packet)


def moving(count: int) -> Iterator[NDArray[np.uint8]]:
    """A coarse pattern that moves, with a patch of noise, (128, 160, 3) each."""
    rng = np.random.default_rng(3)
    place = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8).repeat(16, 0).repeat(16, 1)
    for t in range(count):
        image = place[t : t + 128, 2 * t % 90 :][:, :160].copy()
        image[40:80, 3 * t % 100 :][:, :40] = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
        yield image


def encode(path: Path, pixels: str = "yuv420p", count: int = 40) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 128, pixels
        stream.options = {"g": "20", "b": "600k", "auto-alt-ref": "0"}
        stream.codec_context.thread_count = 1
        for image in moving(count):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def are_equal(one: list[NDArray[np.uint8]], other: list[NDArray[np.uint8]]) -> bool:
    return len(one) == len(other) and all(map(np.array_equal, one, other))


@pytest.mark.parametrize("pixels", ["yuv420p", "yuva420p"])
def test_a_whole_file_has_the_pixels_of_ffmpegs_own_decoder(tmp_path: Path, pixels: str) -> None:
    path = encode(tmp_path / "whole.webm", pixels)
    ours = decoded(path, (0,))
    assert len(ours) == 40
    assert are_equal(ours, decoded(path, (0,), native=True))


def test_hidden_frames_are_hidden_and_the_shown_are_those_of_ffmpegs_own_decoder(tmp_path: Path) -> None:
    specimen = next(one for one in SPECIMENS if one.name == "vp8.webm")
    specimen.build(path := tmp_path / "vp8.webm")
    assert are_equal(decoded(path, (0,)), decoded(path, (0,), native=True))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [8, 21, 29])
def test_damage_gives_the_same_pixels_whatever_is_held_and_however_often(tmp_path: Path, seed: int) -> None:
    path, rng = encode(tmp_path / "damaged.webm"), np.random.default_rng(seed)
    content = bytearray(path.read_bytes())
    start = int(rng.uniform(0.2, 0.9) * len(content))
    content[start : start + 800] = rng.bytes(800)
    path.write_bytes(content)
    first, *others = (decoded(path, hold) for hold in HOLDS)
    assert all(are_equal(first, other) for other in others)
    first, *others = (decoded(path, hold, native=True) for hold in HOLDS)
    assert not all(are_equal(first, other) for other in others)  # else this damage tells nothing
    everything = dict(read_frames(path, FrameChoice("uniform", 40)))
    for place, image in read_frames(path, FrameChoice("uniform", 7)):
        np.testing.assert_array_equal(image, everything[place])


def count_frames() -> int:
    return sum(type(one) is av.VideoFrame for one in gc.get_objects())


@pytest.mark.slow
def test_a_frame_is_freed_when_nobody_holds_it_though_its_turn_was_asked() -> None:
    gc.collect()
    gc.disable()
    try:
        before = count_frames()
        for _ in range(5):
            frame = av.VideoFrame(16, 16, "rgb24")
            turn_of(frame)
            del frame
        assert count_frames() == before
    finally:
        gc.enable()
