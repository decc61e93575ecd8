"""Three ways to the wanted frames of a video stream, which give the same pixels.

`counted` decodes all frames and counts them: it works for every stream. `through` decodes from the start too, but
drops frames that no other frame needs unless they are wanted, and `seeking` decodes only from the key frame before each
wanted frame; both know a frame by its time, so they need an index of times that can be trusted.
"""

from __future__ import annotations

import errno
from bisect import bisect_right
from collections.abc import Iterator, Sequence

import av
from av.video.frame import PictureType

from dfbench.data.decoding.packet_index import PacketIndex, packets_from_start
from dfbench.data.decoding.streams import decoder_of

WORTH_SEEKING = 0.8  # of the frames that decoding through costs
SEEK_FRAMES = 3  # what one seek costs, in decoded frames
MOST_WAITING = 16  # B frames that follow one another; some HEVC has nothing else


class UntrustedTimesError(Exception):
    """What came out of the decoder is not what the index says; count frames instead."""


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
    container: av.container.InputContainer,
    stream: av.VideoStream,
    wanted: Sequence[int],
    *,
    index: PacketIndex,
) -> Iterator[tuple[int, av.VideoFrame]]:
    """(position, frame) of the wanted frames; fewer if the stream ends early.

    Raises av.error.FFmpegError, as all three do, also for a wanted frame of which the decoder had to make up parts.
    """
    left = iter(wanted)
    goal = next(left, None)
    packets, decode = packets_from_start(container, stream, index), decoder_of(stream)
    for position, (frame, damaged) in enumerate(_judged(f for packet in packets for f in decode(packet))):
        if position == goal:
            if damaged:
                raise damage(position)
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
    goals = {index.times[position]: position for position in wanted}
    yield from _until(packets_from_start(container, stream, index), stream, goals, index.referred_to)


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
            packets = container.demux(stream)
            yield from _until(packets, stream, goals, index.referred_to, start=index.times[key])
        except av.error.FFmpegError as error:  # if it is damage, another way says so
            raise UntrustedTimesError from error


def _until(
    packets: Iterator[av.Packet],
    stream: av.VideoStream,
    goals: dict[int, int],
    referred_to: frozenset[int],
    start: int | None = None,
) -> Iterator[tuple[int, av.VideoFrame]]:
    """Decode until all of `goals`, ascending times to positions, have come; none may be passed over.

    With `start`, the first packet must be the key frame of that time, and come out: with intra refresh it does not, and what
    comes out behind it is whole only where the decoder came through what is before it.
    """
    goals = dict(goals)
    for frame, damaged in _judged(_decoded(packets, stream, frozenset(goals), referred_to, start)):
        if start is not None and (frame.pts is None or frame.pts >= start):
            if frame.pts != start:
                raise UntrustedTimesError
            start = None
        goal = next(iter(goals))
        if frame.pts is None or frame.pts > goal:
            raise UntrustedTimesError
        if frame.pts < goal:
            continue
        position = goals.pop(goal)
        if damaged:
            raise damage(position)
        yield position, frame
        if not goals:
            return
    raise UntrustedTimesError


def _decoded(
    packets: Iterator[av.Packet],
    stream: av.VideoStream,
    goals: frozenset[int],
    referred_to: frozenset[int],
    start: int | None,
) -> Iterator[av.VideoFrame]:
    """What comes out of the decoder, but for frames that nothing refers to and that are none of `goals`."""
    decode = decoder_of(stream)
    for packet in packets:
        if start is not None and packet.size:
            if packet.pts != start or not packet.is_keyframe:
                raise UntrustedTimesError
            start = None
        # The decoder drops frames that nothing refers to: what the others look like does not change. While it may, that of
        # H.264 also passes over headers that it cannot read, so that it may only where nothing is referred to.
        may_drop = not packet.is_keyframe and packet.pts not in goals and packet.pts not in referred_to
        stream.codec_context.skip_frame = "NONREF" if may_drop else "DEFAULT"
        yield from decode(packet)


def _judged(frames: Iterator[av.VideoFrame]) -> Iterator[tuple[av.VideoFrame, bool]]:
    """Each frame, and whether the decoder made up parts of it or of one that it may refer to.

    A key frame refers to none. B frames refer to the frame that follows them too, and to one another, so that they wait
    for it; they hardly ever pass damage on beyond it.
    """
    waiting: list[av.VideoFrame] = []
    before = False
    for frame in frames:
        if frame.pict_type == PictureType.B:
            waiting.append(frame)
            if len(waiting) < MOST_WAITING:
                continue
            yield waiting[0], before or any(one.is_corrupt for one in waiting)
            del waiting[0]
            continue
        damaged = bool(frame.is_corrupt or (before and not _is_whole(frame)))
        between = before or damaged or any(one.is_corrupt for one in waiting)
        yield from ((one, between) for one in waiting)
        waiting.clear()
        yield frame, damaged
        before = damaged
    last = before or any(one.is_corrupt for one in waiting)
    yield from ((one, last) for one in waiting)


def _is_whole(frame: av.VideoFrame) -> bool:
    """Whether a frame refers to none; in intra refresh, P frames from which decoding may start are called key frames too."""
    return bool(frame.key_frame and frame.pict_type != PictureType.P)


def damage(position: int) -> av.error.FFmpegError:
    """What to raise for a wanted frame that is not as it was filmed."""
    return av.error.FFmpegError(errno.EBADMSG, f"frame {position} is damaged")
