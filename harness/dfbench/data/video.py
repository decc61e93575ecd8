"""Decoding: only the wanted frames become arrays, and every failure says which file and why.

Video files go through PyAV; a video may also be a folder of frames, on disk or in an archive (`sequences`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from dfbench.data.completeness import announced_bytes
from dfbench.data.decoding import (
    PacketIndex,
    UntrustedTimesError,
    counted,
    index_packets,
    is_worth_seeking,
    seeking,
    through,
)
from dfbench.data.limits import DECODER_OPTIONS, OPEN_OPTIONS, require_size
from dfbench.data.sequences import frame_names, is_sequence, read_images
from dfbench.errors import MissingVideoError, UndecodableVideoError
from dfbench.types import FrameChoice

_STRICT = ("mpeg1video", "mpeg2video", "mjpeg")  # which else pass over most damage without a mark
_SHARED = ("h264", "hevc", "mpeg4", "vp9")  # of others, threads do not help or make other frames of damage


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What a container says of its first video stream; `frames` is counted packet by packet.

    Of a sequence of images: how many there are, the size of the first, and a rate of 0, which nobody knows.
    """

    frames: int
    width: int
    height: int
    fps: float

    @property
    def rate(self) -> float:
        """`fps`, or 25 where nobody knows: what is drawn must have some rate."""
        return self.fps or 25.0


def wanted_indices(choice: FrameChoice, frames: int) -> NDArray[np.int64]:
    """Positions of the wanted frames among `frames`, ascending and unique, (n,) int64. Raises ValueError."""
    if choice.how == "uniform":
        spots = np.linspace(0, frames - 1, min(choice.count, frames))
        return np.unique(np.round(spots).astype(np.int64))
    if choice.how == "runs":
        starts = np.linspace(0, max(0, frames - choice.length), choice.count).round().astype(np.int64)
        spread = (starts[:, None] + np.arange(choice.length)).ravel()
        return np.unique(spread[spread < frames])
    if choice.how == "first":
        return np.arange(min(choice.count, frames), dtype=np.int64)
    raise ValueError(f"unknown frame choice {choice.how!r}")


def probe(path: Path) -> VideoInfo:
    """Size, rate and exact number of frames of the video stream. Raises VideoError."""
    if is_sequence(path):
        names = frame_names(path)
        ((_, first),) = read_images(path, names[:1])
        return VideoInfo(len(names), first.shape[1], first.shape[0], 0.0)
    with _opened(path) as container:
        stream = _video_stream(container, path)
        size = (stream.codec_context.width, stream.codec_context.height)
        fps = float(stream.average_rate or 0)
        return VideoInfo(_indexed(container, stream, path).frames, *size, fps)


def read_frames(
    path: Path, choice: FrameChoice, *, threads: int = 1
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """(position, frame) of the wanted frames in order; frames are (H, W, 3) uint8 RGB, turned and mirrored as a
    player would, both fields of an interlaced one woven as they are stored.

    Of the three ways in `decoding`, the quickest for this file and choice is taken; the pixels are the same, whichever it
    is and however many `threads` decode. Raises MissingVideoError, UndecodableVideoError (with how many of the wanted
    frames could be decoded).
    """
    yield from _read(path, lambda frames: wanted_indices(choice, frames).tolist(), threads)


def read_positions(path: Path, positions: Sequence[int]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """(position, frame) of the frames at `positions`, ascending, as `read_frames`; those beyond the end are left out."""
    yield from _read(path, lambda frames: [one for one in positions if one < frames])


def _read(
    path: Path, choose: Callable[[int], list[int]], threads: int = 1
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    if is_sequence(path):
        names = frame_names(path)
        yield from _images(path, names, choose(len(names)))
        return
    with _opened(path) as container:
        stream = _video_stream(container, path)
        index = _indexed(container, stream, path)
        wanted = choose(index.frames)
        shared = threads > 1 and stream.codec_context.name in _SHARED
    if not wanted:
        return
    got, reason = 0, "the file ends early"
    reformatter = VideoReformatter()  # one for all frames: setting it up takes as long as using it
    ways = [(way, 1) for way in _ways(index, wanted)]
    for way, count in [(ways[0][0], threads), *ways] if shared else ways:
        with _opened(path) as container:
            stream = _video_stream(container, path, threads=count)
            try:
                for position, frame in way(container, stream, wanted[got:]):
                    if position != wanted[got]:
                        break
                    yield position, _upright(frame, reformatter)
                    got += 1
                if got == len(wanted):
                    return
            except UntrustedTimesError:
                continue
            except av.error.FFmpegError as error:
                if count > 1:  # one thread tells what is wrong
                    continue
                reason = str(error.strerror)
                break
    raise UndecodableVideoError(
        f"{path}: only {got} of {len(wanted)} wanted frames can be decoded ({reason})",
        hints=("the file is damaged or truncated: download it again",),
    )


_Way = Callable[
    [av.container.InputContainer, av.VideoStream, Sequence[int]], Iterator[tuple[int, av.VideoFrame]]
]


def _ways(index: PacketIndex, wanted: Sequence[int]) -> list[_Way]:
    """The ways to the wanted frames, best first; each is tried if the one before it does not lead there."""
    if not index.times:
        return [counted]
    seeks = [partial(seeking, index=index)] if is_worth_seeking(index, wanted) else []
    return [*seeks, partial(through, index=index), counted]


def _indexed(container: av.container.InputContainer, stream: av.VideoStream, path: Path) -> PacketIndex:
    try:
        index = index_packets(container, stream)
        whole = announced_bytes(path, container, stream, index.frames)
    except (av.error.FFmpegError, OSError) as error:
        raise UndecodableVideoError(f"{path}: the container is damaged ({error.strerror})") from error
    if container.size < whole:
        raise UndecodableVideoError(
            f"{path}: the file ends early: {container.size} of at least {whole} bytes are there",
            hints=("its download was cut off: download it again",),
        )
    if not index.frames:
        raise UndecodableVideoError(f"{path}: the video stream has no frames", hints=("download it again",))
    return index


def _images(
    path: Path, names: Sequence[str], wanted: Sequence[int]
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    first = None
    places = {names[one]: one for one in wanted}
    for name, image in read_images(path, list(places)):
        first = image.shape if first is None else first
        if image.shape != first:
            shown = ", ".join(f"{shape[1]}x{shape[0]}" for shape in sorted((first, image.shape)))
            raise UndecodableVideoError(
                f"{path}: the frames differ in size ({shown}), so they are not frames of one video",
                hints=("give each video a folder of its own, with frames of one size",),
            )
        yield places[name], image


def read_range(path: Path, first: int, count: int) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """(position, frame) of at most `count` frames from `first` on, as `read_frames`; the file may end earlier.

    Raises MissingVideoError, UndecodableVideoError.
    """
    if is_sequence(path):
        names = frame_names(path)
        yield from _images(path, names, range(first, min(first + count, len(names))))
        return
    with _opened(path) as container:
        stream = _video_stream(container, path)
        reformatter = VideoReformatter()
        try:
            for position, frame in counted(container, stream, range(first, first + count)):
                yield position, _upright(frame, reformatter)
        except av.error.FFmpegError as error:
            raise UndecodableVideoError(
                f"{path}: a frame cannot be decoded ({error.strerror})",
                hints=("the file is damaged: download it again",),
            ) from error


def _opened(path: Path) -> av.container.InputContainer:
    try:
        size = path.stat().st_size
    except FileNotFoundError as error:
        raise MissingVideoError(f"{path}: no such file") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UndecodableVideoError(f"{path}: cannot be read ({reason})") from error
    if size == 0:
        raise UndecodableVideoError(f"{path}: the file is empty", hints=("download it again",))
    try:
        # Titles and the like need not be UTF-8, and nobody reads them here.
        return av.open(str(path), options=OPEN_OPTIONS, metadata_errors="replace")
    except av.error.ArgumentError as error:
        raise UndecodableVideoError(
            f"{path}: not a readable video (a format that is none of videos)", hints=("download it again",)
        ) from error
    except (av.error.FFmpegError, OSError) as error:
        raise UndecodableVideoError(
            f"{path}: not a readable video ({error.strerror or error})", hints=("download it again",)
        ) from error


def _video_stream(container: av.container.InputContainer, path: Path, *, threads: int = 1) -> av.VideoStream:
    """The first, to be decoded by so many threads, each of which has a frame in work; several stop at any error."""
    if not container.streams.video:
        kinds = ", ".join(sorted({stream.type for stream in container.streams}))
        only = f", only {kinds}" if kinds else ", and no other"
        raise UndecodableVideoError(f"{path}: no video stream{only}", hints=("download it again",))
    stream = container.streams.video[0]
    if stream.codec_context is None:
        raise UndecodableVideoError(f"{path}: nobody knows how the video stream is coded")
    require_size(path, stream.codec_context.width, stream.codec_context.height)
    # The size may change within the stream, so that the decoder must know the limit too.
    strict = threads > 1 or stream.codec_context.name in _STRICT
    stream.codec_context.options = DECODER_OPTIONS | ({"err_detect": "explode"} if strict else {})
    # Threads that share a frame would not tell all damage that one tells, or that threads with a frame each do.
    stream.codec_context.thread_type = "FRAME"
    stream.codec_context.thread_count = threads
    return stream


def _upright(frame: av.VideoFrame, reformatter: VideoReformatter) -> NDArray[np.uint8]:
    image = np.asarray(reformatter.reformat(frame, format="rgb24").to_ndarray(), dtype=np.uint8)
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return np.ascontiguousarray(image)
    # A pixel at (x, y) is shown at (ax + cy, bx + dy); `rotation` would not tell a mirrored image.
    a, b, _, c, d = np.frombuffer(matrix, dtype=np.int32)[:5].tolist()
    across, down = a, d
    if abs(b) + abs(c) > abs(a) + abs(d):
        image, across, down = image.transpose(1, 0, 2), c, b
    return np.ascontiguousarray(image[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1])
