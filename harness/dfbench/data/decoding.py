"""Three ways to the wanted frames of a video stream, which give the same pixels.

`counted` decodes all frames and counts them: it works for every stream. `through` decodes from the start too, but
drops frames that no other frame needs unless they are wanted, and `seeking` decodes only from the key frame before each
wanted frame; both know a frame by its time, so they need an index of times that can be trusted.
"""

from __future__ import annotations

import errno
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import av
from av.video.frame import PictureType

WORTH_SEEKING = 0.8  # of the frames that decoding through costs
SEEK_FRAMES = 3  # what one seek costs, in decoded frames
_VP8_SHOWN = 0x10


class UntrustedTimesError(Exception):
    """What came out of the decoder is not what the index says; count frames instead."""


@dataclass(frozen=True, slots=True)
class PacketIndex:
    """The frames of a stream as its packets announce them, in the order of presentation.

    `times` of the frames, in units of the stream's time base, empty where they cannot be trusted (missing, repeated or
    made up); `keys`: positions of frames from which decoding can start.
    """

    frames: int
    times: tuple[int, ...] = ()
    keys: tuple[int, ...] = ()


def index_packets(container: av.container.InputContainer, stream: av.VideoStream) -> PacketIndex:
    """Read all packets and decode none: unlike what a header says of the number of frames, that cannot lie.

    Raises av.error.FFmpegError if the container is damaged.
    """
    times: list[int | None] = []
    keys: list[int | None] = []
    hides = stream.codec_context.name == "vp8"
    for packet in container.demux(stream):
        # Neither what an edit list cuts off nor a hidden frame of VP8 is ever shown.
        if not packet.size or packet.is_discard or (hides and not bytes(packet)[0] & _VP8_SHOWN):
            continue
        times.append(packet.pts)
        if packet.is_keyframe:
            keys.append(packet.pts)
    known = [one for one in times if one is not None]
    # AVI has no times of presentation, and FFmpeg makes them up in the order of decoding.
    made_up = stream.codec_context.has_b_frames and known == sorted(known)
    if made_up or len(set(known)) < len(times):
        return PacketIndex(len(times))
    place = {time: position for position, time in enumerate(sorted(known))}
    return PacketIndex(len(times), tuple(place), tuple(sorted(place[one] for one in keys if one is not None)))


def groups_of(index: PacketIndex, wanted: Sequence[int]) -> list[tuple[int, list[int]]]:
    """`wanted` (ascending) by the key frame that decoding must start from; empty if one has none before it."""
    groups: dict[int, list[int]] = {}
    for position in wanted:
        before = bisect_right(index.keys, position)
        if not before:
            return []
        groups.setdefault(index.keys[before - 1], []).append(position)
    return list(groups.items())


def is_worth_seeking(index: PacketIndex, wanted: Sequence[int]) -> bool:
    """Whether seeking to key frames decodes clearly fewer frames than decoding through."""
    groups = groups_of(index, wanted)
    cost = sum(positions[-1] - key + 1 + SEEK_FRAMES for key, positions in groups)
    return bool(groups) and cost < WORTH_SEEKING * (wanted[-1] + 1)


def counted(
    container: av.container.InputContainer, stream: av.VideoStream, wanted: Sequence[int]
) -> Iterator[tuple[int, av.VideoFrame]]:
    """(position, frame) of the wanted frames; fewer if the stream ends early.

    Raises av.error.FFmpegError, as all three do, also for a wanted frame of which the decoder had to make up parts.
    """
    left = iter(wanted)
    goal = next(left, None)
    before = False
    for position, frame in enumerate(container.decode(stream)):
        damaged = _is_damaged(frame, before)
        before = _passes_on(frame, damaged, before)
        if position == goal:
            if damaged:
                raise _damage(position)
            yield position, frame
            goal = next(left, None)
        if goal is None:
            return


def through(
    container: av.container.InputContainer,
    stream: av.VideoStream,
    wanted: Sequence[int],
    *,
    index: PacketIndex,
) -> Iterator[tuple[int, av.VideoFrame]]:
    """(position, frame) of the wanted frames. Raises UntrustedTimesError."""
    yield from _until(container, stream, {index.times[position]: position for position in wanted})


def seeking(
    container: av.container.InputContainer,
    stream: av.VideoStream,
    wanted: Sequence[int],
    *,
    index: PacketIndex,
) -> Iterator[tuple[int, av.VideoFrame]]:
    """(position, frame) of the wanted frames. Raises UntrustedTimesError, also for files that cannot be sought in."""
    groups = groups_of(index, wanted)
    if wanted and not groups:
        raise UntrustedTimesError
    for key, positions in groups:
        goals = {index.times[position]: position for position in positions}
        try:
            container.seek(index.times[key], stream=stream)
            yield from _until(container, stream, goals, start=index.times[key])
        except av.error.FFmpegError as error:  # if it is damage, another way says so
            raise UntrustedTimesError from error


def _until(
    container: av.container.InputContainer,
    stream: av.VideoStream,
    goals: dict[int, int],
    start: int | None = None,
) -> Iterator[tuple[int, av.VideoFrame]]:
    """Decode until all of `goals`, times to positions, have come, in the order of their times.

    With `start`, the first packet must be the key frame of that time.
    """
    goals = dict(goals)
    before = False
    for packet in container.demux(stream):
        if start is not None and packet.size:
            if packet.pts != start or not packet.is_keyframe:
                raise UntrustedTimesError
            start = None
        # The decoder drops frames that nothing refers to: what the others look like does not change.
        stream.codec_context.skip_frame = "DEFAULT" if packet.pts in goals else "NONREF"
        for frame in packet.decode():
            damaged = _is_damaged(frame, before)
            before = _passes_on(frame, damaged, before)
            position = goals.pop(frame.pts, None) if frame.pts is not None else None
            if position is None:
                continue
            if damaged:
                raise _damage(position)
            yield position, frame
            if not goals:
                return
    raise UntrustedTimesError


def _is_damaged(frame: av.VideoFrame, before: bool) -> bool:
    """Whether the decoder made up parts of a frame, or `before` of one that it may refer to; a key frame refers to none."""
    return bool(frame.is_corrupt or (before and not frame.key_frame))


def _passes_on(frame: av.VideoFrame, damaged: bool, before: bool) -> bool:
    """Whether frames after `frame` may refer to damage. B frames hardly ever pass theirs on, and some are not decoded."""
    return before if frame.pict_type == PictureType.B else damaged


def _damage(position: int) -> av.error.FFmpegError:
    return av.error.FFmpegError(errno.EBADMSG, f"frame {position} is damaged")
