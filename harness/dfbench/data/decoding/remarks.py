"""What a person should know of a video that is read all the same: it is not quite what a player shows."""

from __future__ import annotations

import av

from dfbench.data.decoding.packet_index import PacketIndex
from dfbench.data.decoding.streams import video_streams
from dfbench.data.decoding.upright import turn_of

_HDR = {16: "PQ", 18: "HLG"}  # transfer characteristics of ITU-T H.273, table 3


def remarks_on(
    container: av.container.InputContainer, stream: av.VideoStream, index: PacketIndex
) -> tuple[str, ...]:
    """Sentences about the choice of the stream, frames that cannot be decoded, HDR and the shape of pixels."""
    return tuple(
        filter(None, (_choice(container, stream), _cut(index), _hdr(stream, index), _shape(stream, index)))
    )


def _choice(container: av.container.InputContainer, stream: av.VideoStream) -> str:
    streams = video_streams(container)
    if len(streams) == 1:
        return ""
    size = f"{stream.codec_context.width}x{stream.codec_context.height}"
    return f"of its {len(streams)} video streams, stream {stream.index} ({size}) was read, as players do"


def _cut(index: PacketIndex) -> str:
    announced = index.frames + index.lost + index.silent
    if index.silent:
        return (
            f"{index.lost + index.silent} of its {announced} coded frames give no picture and were left out"
        )
    if index.lost:
        return (
            f"{index.lost} of its {announced} frames cannot be decoded and were left out: "
            "they refer to frames before the place where the video was cut"
        )
    return ""


def _hdr(stream: av.VideoStream, index: PacketIndex) -> str:
    transfer = stream.codec_context.color_trc if index.first is None else index.first.color_trc
    kind = _HDR.get(int(transfer))
    return (
        f"it is HDR ({kind}), and its brightness was taken as if it were not: faces look pale" if kind else ""
    )


def _shape(stream: av.VideoStream, index: PacketIndex) -> str:
    ratio = stream.sample_aspect_ratio
    if not ratio or ratio == 1:
        return ""
    is_on_its_side = index.first is not None and turn_of(index.first)[1] != 0
    shape = "wider" if (ratio > 1) is not is_on_its_side else "narrower"
    return (
        f"its pixels are not square ({ratio.numerator}:{ratio.denominator}): players show faces {shape} than they "
        "were scored"
    )
