"""Which stream of a file is its video: what players show, never a cover picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import cast

import av
from av.stream import Disposition

from dfbench.data.images.limits import DECODER_OPTIONS, OPEN_OPTIONS, require_size
from dfbench.errors import AbsentError, MissingVideoError, UndecodableVideoError, UnreadableError
from dfbench.untrusted import require_regular

_STRICT = ("mpeg1video", "mpeg2video", "mjpeg")  # which else pass over most damage without a mark
_PICTURES = Disposition.attached_pic | Disposition.timed_thumbnails
_PARTS = (
    Disposition.dependent | Disposition.multilayer
)  # tiles of a still image, depth or alpha beside a view


Decode = Callable[[av.Packet], list[av.VideoFrame]]


def open_container(path: Path) -> av.container.InputContainer:
    """Open a video file; returns it for reading. Never what its name means to a decoder: "concat:a|b", "file:x", "-".

    Raises MissingVideoError, UndecodableVideoError.
    """
    try:
        place = require_regular(path)
    except AbsentError as error:
        raise MissingVideoError(f"{path}: no such file") from error
    except UnreadableError as error:
        raise UndecodableVideoError(f"{path}: cannot be read ({error.reason})") from error
    if place.stat().st_size == 0:
        raise UndecodableVideoError(f"{path}: the file is empty", hints=("download it again",))
    try:
        # Titles and the like need not be UTF-8, and nobody reads them here.
        return av.open(str(place), options=OPEN_OPTIONS, metadata_errors="replace")
    except av.error.ArgumentError as error:
        raise UndecodableVideoError(
            f"{path}: not a readable video (a format that is none of videos)", hints=("download it again",)
        ) from error
    except (av.error.FFmpegError, OSError) as error:
        raise UndecodableVideoError(
            f"{path}: not a readable video ({error.strerror or error})", hints=("download it again",)
        ) from error


def video_streams(container: av.container.InputContainer) -> list[av.VideoStream]:
    """The streams of a file that are moving pictures for themselves, in the file's order."""
    return [one for one in container.streams.video if not one.disposition & (_PICTURES | _PARTS)]


def open_stream(
    container: av.container.InputContainer, path: Path, *, threads: int = 1, strict: bool = False
) -> av.VideoStream:
    """The stream that players show, ready to be decoded by `threads`, each of which has a frame in work.

    Of several, one of more than a single picture, which the file marks as its default, the largest, the first: in this
    order. Several threads stop at any error, and one does if it is `strict`. Raises UndecodableVideoError.
    """
    streams = video_streams(container)
    if not streams:
        raise UndecodableVideoError(
            f"{path}: no video stream, {_others(container)}", hints=("download it again",)
        )
    stream = streams[0] if len(streams) == 1 else _shown(streams, path)
    if stream.codec_context is None:
        raise UndecodableVideoError(f"{path}: nobody knows how the video stream is coded")
    require_size(path, stream.codec_context.width, stream.codec_context.height)
    # The size may change within the stream, so that the decoder must know the limit too.
    strict = strict or threads > 1 or stream.codec_context.name in _STRICT
    stream.codec_context.options = DECODER_OPTIONS | ({"err_detect": "explode"} if strict else {})
    # Threads that share a frame would not tell all damage that one tells, or that threads with a frame each do.
    stream.codec_context.thread_type = "FRAME"
    stream.codec_context.thread_count = threads
    return stream


def decoder_of(stream: av.VideoStream) -> Decode:
    """Return what makes frames of the packets of a stream, beginning at a key frame; of an empty packet, those still waiting.

    FFmpeg's own decoder of VP8 leaves parts of a damaged frame unwritten and says nothing: there stands whatever frame had
    the same memory before, and that depends on which frames the caller still holds. libvpx writes every pixel, always alike.
    """
    if stream.codec_context.name != "vp8":
        return _decode
    decoder = av.CodecContext.create("libvpx", "r")
    decoder.options = DECODER_OPTIONS
    decoder.thread_count = 1
    return cast("Decode", decoder.decode)


def _decode(packet: av.Packet) -> list[av.VideoFrame]:
    return cast("list[av.VideoFrame]", packet.decode())


def _shown(streams: list[av.VideoStream], path: Path) -> av.VideoStream:
    packets = _first_packets({one.index for one in streams}, path)

    def rank(stream: av.VideoStream) -> tuple[bool, bool, bool, int]:
        codec = stream.codec_context
        pixels = codec.width * codec.height if codec is not None else 0
        is_default = bool(stream.disposition & Disposition.default)
        return codec is not None, packets[stream.index] > 1, is_default, pixels

    return max(streams, key=rank)


def _first_packets(streams: set[int], path: Path) -> Counter[int]:
    """How many packets each of `streams` has, counted until all have two."""
    found: Counter[int] = Counter()
    with open_container(path) as container:
        try:
            for packet in container.demux([container.streams[one] for one in sorted(streams)]):
                found[packet.stream.index] += bool(packet.size)
                if all(found[one] > 1 for one in streams):
                    break
        except av.error.FFmpegError:  # reading the stream that is chosen tells
            pass
    return found


def _others(container: av.container.InputContainer) -> str:
    """What a file has that is no video."""
    kinds = {stream.type for stream in container.streams if stream.type != "video"}
    pictures = {
        "a cover picture" if one.disposition & _PICTURES else "parts of a still image"
        for one in container.streams.video
    }
    found = [*sorted(kinds), *sorted(pictures)]
    return f"only {', '.join(found)}" if found else "and no other"
