"""A zoo of video files: codecs, containers, orders of frames, cuts, losses and changes of size, made with PyAV.

A bar code in each frame tells its number, so that a test knows which frame it was given.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

COUNT = 48
SIZE = (96, 64)
BITS = 7
EVERY = tuple(range(COUNT))


def painted(number: int, size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    """Frame `number`, (H, W, 3) RGB: a moving texture below a bar code."""
    width, height = size
    rng = np.random.default_rng(3)
    place = cv2.resize(rng.integers(40, 216, (24, 24, 3), dtype=np.uint8), (3 * width, 3 * height))
    image: NDArray[np.uint8] = np.roll(place, (-number, -2 * number), (0, 1))[:height, :width].copy()
    for bit in range(BITS):
        left, right = _bar(bit, width)
        image[: height // 2, left:right] = 235 if number >> bit & 1 else 20
    return image


def number_in(image: NDArray[np.uint8]) -> int:
    """The number that the bar code of a frame tells."""
    height, width = image.shape[:2]
    bars = [_bar(bit, width) for bit in range(BITS)]
    middle = image[height // 8 : height * 3 // 8]
    return sum(
        (middle[:, left + 2 : right - 2].mean() > 128) << bit for bit, (left, right) in enumerate(bars)
    )


def _bar(bit: int, width: int) -> tuple[int, int]:
    return bit * width // BITS, (bit + 1) * width // BITS


@dataclass(frozen=True)
class Coding:
    """How frames are coded. `times` gives frame t its time in milliseconds."""

    codec: str = "libx264"
    options: Mapping[str, str] = field(default_factory=dict)
    size: tuple[int, int] = SIZE
    pixels: str = "yuv420p"
    container: Mapping[str, str] = field(default_factory=dict)
    times: Callable[[int], int] | None = None
    numbers: Sequence[int] = EVERY
    format: str | None = None


def encode(path: Path, coding: Coding) -> Path:
    """Write a file of the frames `coding.numbers`."""
    with av.open(str(path), "w", format=coding.format, container_options=dict(coding.container)) as container:
        stream = container.add_stream(coding.codec, rate=25)
        stream.width, stream.height = coding.size
        stream.pix_fmt = coding.pixels
        stream.options = {"threads": "1", **coding.options}
        stream.codec_context.thread_count = 1  # with more, x264 does not write the same file twice
        if coding.times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for t, number in enumerate(coding.numbers):
            frame = av.VideoFrame.from_ndarray(painted(number, coding.size), format="rgb24")
            if coding.times is not None:
                frame.pts, frame.time_base = coding.times(t), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def copy(
    source: Path,
    target: Path,
    *,
    without: Collection[int] = (),
    start: int = 0,
    keys: int = 0,
    shift: int = 0,
    options: Mapping[str, str] | None = None,
) -> Path:
    """Write packets of `source` into `target`, from number `start` in the order of decoding on, or behind the first `keys` groups
    of pictures, but for those `without`, with times that are `shift` units later."""
    with (
        av.open(str(source)) as given,
        av.open(str(target), "w", container_options=dict(options or {})) as made,
    ):
        template = given.streams.video[0]
        stream, seen = made.add_stream_from_template(template), 0
        for number, packet in enumerate(packet for packet in given.demux(template) if packet.size):
            seen += packet.is_keyframe
            if number < start or number in without or seen <= keys:
                continue
            if packet.pts is not None:
                packet.pts += shift
            if packet.dts is not None:
                packet.dts += shift
            packet.stream = stream
            made.mux(packet)
    return target


def packets_of(coding: Coding) -> Iterator[tuple[bytes, bool]]:
    """(content, is a key frame) of the coded frames, in the order of decoding, with the headers in the first."""
    encoder = av.CodecContext.create(coding.codec, "w")
    encoder.width, encoder.height = coding.size
    encoder.pix_fmt, encoder.framerate, encoder.time_base = coding.pixels, 25, Fraction(1, 25)
    encoder.options, encoder.thread_count = dict(coding.options), 1
    for t, number in enumerate(coding.numbers):
        frame = av.VideoFrame.from_ndarray(painted(number, coding.size), format="rgb24")
        frame.pts = t
        yield from ((bytes(packet), packet.is_keyframe) for packet in encoder.encode(frame))
    yield from ((bytes(packet), packet.is_keyframe) for packet in encoder.encode(None))


_VOP, _USER_DATA = b"\0\0\1\xb6", b"\0\0\1\xb2"
_NOT_CODED = _VOP + b"\x50\x4f"  # a P-VOP of time 0 (five bits at 25 frames a second) with vop_coded 0


def packed(path: Path, b_frames: int) -> Path:
    """An AVI as XviD wrote it: a B frame shares the packet of the frame behind it in time, and an empty one follows."""
    coding = Coding("mpeg4", {"g": "12", "bf": str(b_frames)})
    chunks: list[tuple[bytes, bool]] = []
    waiting = 0  # B frames that follow one another
    for content, is_key in packets_of(coding):
        at = content.index(_VOP)
        if content[at + 4] >> 6 == 2 and not waiting:
            before, was_key = chunks[-1]
            chunks[-1], waiting = (before + content, was_key), 1
        elif content[at + 4] >> 6 == 2:
            chunks.append((content, False))
        else:
            chunks += [(_NOT_CODED, False)] * waiting
            chunks.append((content, is_key))
            waiting = 0
    chunks += [(_NOT_CODED, False)] * waiting
    first, is_key = chunks[0]
    at = first.find(_USER_DATA) if _USER_DATA in first else first.index(_VOP)
    end = first.index(b"\0\0\1", at + 4) if _USER_DATA in first else at
    chunks[0] = (first[:at] + _USER_DATA + b"DivX503b1393p" + first[end:], is_key)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.codec_context.codec_tag = "XVID"
        for number, (content, is_key) in enumerate(chunks):
            packet = av.Packet(content)
            packet.stream, packet.time_base = stream, Fraction(1, 25)
            packet.pts = packet.dts = number
            packet.is_keyframe = is_key
            container.mux(packet)
    return path
