"""The frames of a video stream by what its packets say, held against what the decoder makes of its first ones.

All packets are read and few are decoded. Unlike what a header says of the number of frames, packets cannot lie about it,
but what the decoder makes of them may be another number: two of them may hold the fields of one frame, one may hold
two frames, and a video that was cut between two key frames begins with some that cannot be decoded.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import av

from dfbench.data.decoding.h264 import PictureNumbers
from dfbench.data.decoding.streams import decoder_of

HEAD = 4  # frames at the start that must come out of the decoder as the packets announce them
_VP8_SHOWN = 0x10
_NUMBERED = ("h264", "hevc", "vvc")


@dataclass(frozen=True, slots=True)
class PacketIndex:
    """The frames of a stream as its packets announce them, in the order of presentation.

    `frames`: how many can be decoded, as far as is known. `times` of the frames, in units of the stream's time base, empty
    where they cannot be trusted (missing, repeated or made up); `keys`: positions of frames from which decoding can start.
    `lost`: frames at the start of a video that was cut which cannot be decoded, and are not among `frames`; `silent`: packets
    elsewhere that give no frame; `waits`: decoding begins at the first packet that is marked as a key frame.
    `behind_loss`: positions of frames that refer to pictures which are missing. `referred_to`: times of H.264 packets that
    others may refer to, also of some that are not shown; of other codecs it is not known. `first`: the first frame, if known.
    """

    frames: int
    times: tuple[int, ...] = ()
    keys: tuple[int, ...] = ()
    lost: int = 0
    silent: int = 0
    waits: bool = False
    behind_loss: frozenset[int] = frozenset()
    referred_to: frozenset[int] = frozenset()
    first: av.VideoFrame | None = field(default=None, compare=False)


@dataclass(slots=True)
class _Packets:
    """What the packets of a stream say, in the order of decoding. `times`: of presentation; `keys`: the rows of key frames;
    `behind_loss`: the rows of those that refer to missing pictures; `referred_to`: the times of those that others refer to."""

    times: list[int | None] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    behind_loss: list[int] = field(default_factory=list)
    referred_to: set[int] = field(default_factory=set)


class _Head:
    """The first frames that come out of the decoder.

    `is_damaged`: it stumbled over a packet from which it should have been able to start. `waits`: no frame comes whole out
    of the packets before the first that is marked as a key frame. H.264 alone gives no frame before it is whole; other
    decoders begin with whatever comes, and make up what it refers to.
    """

    def __init__(self, first: av.Packet, stream: av.VideoStream) -> None:
        self.frames: list[av.VideoFrame] = []
        self.is_damaged = False
        self.waits = not first.is_keyframe and stream.codec_context.name != "h264"
        self._seen_key = False
        self._decode = decoder_of(stream)

    @property
    def is_full(self) -> bool:
        return self.is_damaged or len(self.frames) >= HEAD

    def take(self, packet: av.Packet) -> None:
        self._seen_key = self._seen_key or packet.is_keyframe
        try:
            for frame in self._decode(packet):
                if self.frames or not self.waits or frame.key_frame:
                    self.frames.append(frame)
                    self.waits = self.waits and self._seen_key
        except av.error.FFmpegError:
            self.is_damaged = self._seen_key


def packets_from_start(
    container: av.container.InputContainer, stream: av.VideoStream, index: PacketIndex
) -> Iterator[av.Packet]:
    """The packets of a stream that the decoder is given, in their order."""
    waits = index.waits
    for packet in container.demux(stream):
        waits = waits and bool(packet.size) and not packet.is_keyframe
        if not waits:
            yield packet


def index_packets(container: av.container.InputContainer, stream: av.VideoStream) -> PacketIndex:
    """Read all packets of a stream and decode its first frames.

    Raises av.error.FFmpegError if the container is damaged.
    """
    packets = _Packets()
    head: _Head | None = None
    numbers = PictureNumbers(stream.codec_context.extradata) if stream.codec_context.name == "h264" else None
    is_vp8 = stream.codec_context.name == "vp8"
    is_lossy = False
    whole_from: int | None = (
        None  # the time of the key frame that ended a loss: those shown before it may refer to it
    )
    reorders = stream.codec_context.has_b_frames  # before decoding, which may raise it
    for packet in container.demux(stream):
        head = head or _Head(packet, stream)
        if packet.size:
            if numbers is not None:
                is_lossy = numbers.is_behind_a_loss(bytes(packet)) or is_lossy
                if is_lossy and packet.is_keyframe and numbers.is_intra:
                    is_lossy, whole_from = False, packet.pts
                if numbers.is_referred_to and packet.pts is not None:
                    packets.referred_to.add(packet.pts)
            is_early = whole_from is not None and packet.pts is not None and packet.pts < whole_from
            _list(packets, packet, is_vp8=is_vp8, is_lossy=is_lossy or is_early)
        if not head.is_full:
            head.take(packet)
    if head is None:
        return PacketIndex(0)
    return _indexed(packets, head, stream.codec_context, container, reorders=reorders)


def _list(packets: _Packets, packet: av.Packet, *, is_vp8: bool, is_lossy: bool) -> None:
    # Neither what an edit list cuts off nor a hidden frame of VP8 is ever shown.
    if packet.is_discard or (is_vp8 and not bytes(packet)[0] & _VP8_SHOWN):
        return
    if packet.is_keyframe:
        packets.keys.append(len(packets.times))
    if is_lossy:
        packets.behind_loss.append(len(packets.times))
    packets.times.append(packet.pts)


def _indexed(
    packets: _Packets,
    head: _Head,
    codec: av.VideoCodecContext,
    container: av.container.InputContainer,
    *,
    reorders: int,
) -> PacketIndex:
    count, first = len(packets.times), head.frames[0] if head.frames else None
    waits = head.waits and bool(packets.keys)
    counted = PacketIndex(
        count, waits=waits, behind_loss=_around(packets.behind_loss, count, reorders), first=first
    )
    known = [time for time in packets.times if time is not None]
    times = sorted(known)
    if _are_made_up(times, known, codec, container, reorders=reorders) or len(set(known)) < count:
        return counted
    start = 0
    if first is not None and not head.is_damaged:
        start = _start(times, packets, head.frames, codec.name)
        if start < 0:
            return counted
    place = {time: position - start for position, time in enumerate(times)}
    places = [place[time] for time in known]
    return PacketIndex(
        count - start,
        tuple(times[start:]),
        tuple(sorted(places[row] for row in packets.keys if places[row] >= 0)),
        lost=start,
        waits=waits,
        behind_loss=frozenset(places[row] for row in packets.behind_loss if places[row] >= 0),
        referred_to=frozenset(packets.referred_to),
        first=first if first is None or first.pts == times[start] else None,
    )


def _are_made_up(
    times: list[int],
    decoded: list[int],
    codec: av.VideoCodecContext,
    container: av.container.InputContainer,
    *,
    reorders: int,
) -> bool:
    """Whether the order of presentation may be another than `times`, ascending, say; `decoded`: in order of decoding."""
    if not codec.codec.reorder:
        return False
    # AVI has no times of presentation, and FFmpeg makes them up in the order of decoding.
    if "avi" in container.format.name.split(",") or (reorders and times == decoded):
        return True
    # Others than these number their frames; where some are missing, the rest come out in another order.
    if codec.name in _NUMBERED or not reorders:
        return False
    steps = [after - before for before, after in pairwise(times)]
    return bool(steps) and max(steps) - min(steps) > 1


def _start(times: list[int], packets: _Packets, head: Sequence[av.VideoFrame], codec: str) -> int:
    """Where the frames begin that can be decoded; -1 if what comes out is not what `times`, ascending, announce."""
    shown = [frame.pts for frame in head]
    if shown[0] is None:
        return -1
    start = bisect_left(times, shown[0])
    if shown != times[start : start + len(shown)]:
        return -1
    key = packets.times[packets.keys[0]] if packets.keys else None
    if key is None:
        return start
    # Only H.264 may take some frames to recover; where others give no key frame, it is damaged.
    return 0 if start > bisect_left(times, key) and codec != "h264" else start


def _around(rows: list[int], count: int, reach: int) -> frozenset[int]:
    """Positions of frames that may be those at `rows` in the order of decoding, where no time tells the order."""
    return frozenset(
        position for row in rows for position in range(max(0, row - reach), min(count, row + reach + 1))
    )


def count_frames(
    container: av.container.InputContainer, stream: av.VideoStream, index: PacketIndex
) -> PacketIndex:
    """`index` without times, with as many frames as the decoder gives when it decodes all, which takes its time.

    Where it stumbles, the frames are left as the packets announce them: the way to them tells what is wrong.
    """
    announced = index.frames + index.lost
    count = fed = waited = held = (
        0  # `waited`: packets before the first frame; `held`: frames behind the last packet
    )
    first: av.VideoFrame | None = None
    decode = decoder_of(stream)
    try:
        for packet in packets_from_start(container, stream, index):
            frames = decode(packet)
            fed += bool(packet.size) and not packet.is_discard
            held = 0 if packet.size else held + len(frames)
            if frames and first is None:
                first, waited = frames[0], fed - 1
            count += len(frames)
    except av.error.FFmpegError:
        count = 0
    if not count:
        return replace(index, times=(), keys=(), frames=announced, lost=0)
    missing = max(0, announced - count)
    lost = min(missing, announced - fed + max(0, waited - held))
    # Two fields of a frame may have a packet each.
    is_halved = first is not None and first.interlaced_frame
    return PacketIndex(
        count,
        lost=lost,
        silent=0 if is_halved else missing - lost,
        waits=index.waits,
        behind_loss=index.behind_loss,
        first=first,
    )
