"""The video stream of one file: what it holds, and its wanted frames as arrays.

Before anything is decoded, all packets are read, and the file is held against what it says of its own length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from dfbench.data.decoding.frame_readers import (
    UntrustedTimesError,
    counted,
    damage,
    is_worth_seeking,
    seeking,
    through,
)
from dfbench.data.decoding.packet_index import HEAD, PacketIndex, count_frames, index_packets
from dfbench.data.decoding.remarks import remarks_on
from dfbench.data.decoding.streams import open_container, open_stream
from dfbench.data.decoding.truncation import announced_bytes
from dfbench.data.decoding.upright import Turn, turn_of, upright
from dfbench.errors import UndecodableVideoError, UnreadableError

_SHARED = ("h264", "hevc", "mpeg4", "vp9")  # of others, threads do not help or make other frames of damage
MOST_RATE = 1000  # frames a second
SAME_SHAPE = 0.02  # by how much width : height may differ between frames that are scaled to one size

Remark = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What is known of the video stream that players show; `frames` is how many can be decoded.

    Of a sequence of images: how many there would be if none were missing between the first and the last, the size of the
    first, and a rate of 0, which nobody knows.
    """

    frames: int
    width: int
    height: int
    fps: float

    @property
    def rate(self) -> float:
        """`fps`, or 25 where nobody knows: what is drawn must have some rate."""
        return self.fps or 25.0


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found before the wanted frames are decoded. `is_shared`: several threads may decode it; `is_strict`: any
    error is damage; `remarks`: what a person should know."""

    index: PacketIndex
    info: VideoInfo
    is_shared: bool
    is_strict: bool
    remarks: tuple[str, ...]


def read_file(
    path: Path, choose: Callable[[int], list[int]], threads: int, said: Remark
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """(position, frame) of the frames that `choose` takes, given how many there are; `said` is told the remarks.

    Raises MissingVideoError, UndecodableVideoError.
    """
    found = survey(path)
    for sentence in found.remarks:
        said(sentence)
    frames = _decoded(
        path,
        found.index,
        choose(found.index.frames),
        threads=threads if found.is_shared else 1,
        strict=found.is_strict,
    )
    yield from _upright(path, frames, found.index.first, said)


def survey(path: Path) -> Survey:
    """What a file holds, before its wanted frames are decoded.

    Raises MissingVideoError, UndecodableVideoError: also for a file that is shorter than it says.
    """
    with open_container(path) as container:
        stream = open_stream(container, path)
        codec = stream.codec_context
        size, rate = (codec.width, codec.height), _rate(stream)
        try:
            index = index_packets(container, stream)
            whole = announced_bytes(path, container, stream, index.frames + index.lost)
        except (av.error.FFmpegError, OSError) as error:
            raise UndecodableVideoError(f"{path}: the container is damaged ({error.strerror})") from error
        except UnreadableError as error:
            raise UndecodableVideoError(error.message) from error
        if container.size < whole:
            raise UndecodableVideoError(
                f"{path}: the file ends early: {container.size} of at least {whole} bytes are there",
                hints=("its download was cut off: download it again",),
            )
        if not index.frames:
            raise UndecodableVideoError(
                f"{path}: the video stream has no frames", hints=("download it again",)
            )
        if not index.times:
            index = _counted(path, index)
        return Survey(
            index,
            VideoInfo(index.frames, *size, rate),
            codec.name in _SHARED,
            codec.name == "hevc" and _begins_without_error(path),
            remarks_on(container, stream, index),
        )


def _rate(stream: av.VideoStream) -> float:
    """Frames a second, 0 if nobody knows: on average, unless the container tells none or an absurd one, as DV does."""
    average, guessed = (float(rate or 0) for rate in (stream.average_rate, stream.guessed_rate))
    return average if 0 < average <= MOST_RATE else guessed if 0 < guessed <= MOST_RATE else 0.0


def _begins_without_error(path: Path) -> bool:
    """Whether the strict decoder takes the first frames: it may dislike headers, which all parts of a file share.

    HEVC conceals damage without a mark, by what happens to be in memory.
    """
    with open_container(path) as container:
        try:
            for _ in islice(container.decode(open_stream(container, path, strict=True)), HEAD):
                pass
        except av.error.FFmpegError:
            return False
    return True


def _counted(path: Path, index: PacketIndex) -> PacketIndex:
    with open_container(path) as container:
        return count_frames(container, open_stream(container, path), index)


_Way = Callable[..., Iterator[tuple[int, av.VideoFrame]]]


def _ways(path: Path, index: PacketIndex, wanted: Sequence[int], threads: int) -> Iterator[tuple[_Way, int]]:
    """The ways to the wanted frames with the number of threads, best first; each is tried if the one before it does not
    lead there."""
    ways: list[_Way] = [through] if index.times else [counted]
    if index.times and is_worth_seeking(index, wanted):
        ways.insert(0, seeking)
    if threads > 1:
        yield ways[0], threads
    for way in ways:
        yield way, 1
    if index.times and _counted(path, index).frames == index.frames:  # else a place is that of another frame
        yield counted, 1


def _decoded(
    path: Path, index: PacketIndex, wanted: Sequence[int], *, threads: int, strict: bool
) -> Iterator[tuple[int, av.VideoFrame]]:
    """(position, frame) of the wanted frames, by one way after another. Raises UndecodableVideoError."""
    if not wanted:
        return
    got, reason = 0, "the video stream ends early"
    for way, count in _ways(path, index, wanted, threads):
        with open_container(path) as container:
            stream = open_stream(container, path, threads=count, strict=strict)
            try:
                for position, frame in way(container, stream, wanted[got:], index=index):
                    if position in index.behind_loss:
                        raise damage(position)
                    yield position, frame
                    got += 1
                if got == len(wanted):
                    return
            except UntrustedTimesError:
                reason = f"frame {wanted[got]} does not come out of the decoder"
            except av.error.FFmpegError as error:
                if count == 1:  # which tells what is wrong
                    reason = str(error.strerror)
                    break
    raise UndecodableVideoError(
        f"{path}: only {got} of {len(wanted)} wanted frames can be decoded ({reason})",
        hints=("the file is damaged or truncated: download it again",),
    )


def _upright(
    path: Path,
    frames: Iterator[tuple[int, av.VideoFrame]],
    first: av.VideoFrame | None,
    said: Remark,
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """`frames` as arrays, all of the size of the `first` of the video and turned as it says."""
    reformatter = VideoReformatter()
    turn: Turn | None = None if first is None else turn_of(first)
    size = None if first is None else (first.width, first.height)
    for position, frame in frames:
        if turn is None or size is None:
            turn, size = turn_of(frame), (frame.width, frame.height)
        other = (frame.width, frame.height)
        if other != size:
            if abs(size[0] * other[1] / (size[1] * other[0]) - 1) > SAME_SHAPE:
                raise changed_size(path, size, other, "cut it where its frames change their shape")
            said(
                f"its frames change their size ({_sizes(size, other)}): all were scaled to that of the first"
            )
        if turn_of(frame) != turn:
            said(
                "some of its frames are said to be turned otherwise than the first: all were turned as the first"
            )
        yield position, upright(frame, turn, size, reformatter)


def changed_size(
    path: Path, first: tuple[int, int], other: tuple[int, int], remedy: str
) -> UndecodableVideoError:
    """What to raise where frames of one video have two sizes (width, height); `remedy`: how they are made one again."""
    return UndecodableVideoError(
        f"{path}: the frames differ in size ({_sizes(first, other)}), so they are not frames of one video",
        hints=(remedy,),
    )


def _sizes(first: tuple[int, int], other: tuple[int, int]) -> str:
    return ", ".join(f"{width}x{height}" for width, height in sorted((first, other)))
