"""Pictures that are missing from an H.264 stream are noticed, and none are missed in a whole one."""

from __future__ import annotations

from functools import cache

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.zoo import Coding, packets_of

from dfbench.data.decoding.h264 import PictureNumbers

OPTIONS = {
    "plain": {"bf": "0", "g": "24"},
    "b": {"bf": "3", "g": "24", "x264-params": "b-pyramid=normal"},
    "fields": {"bf": "2", "g": "24", "x264-params": "tff=1"},
    "slices": {"bf": "2", "g": "24", "x264-params": "slices=3"},
}


@cache
def packets(name: str) -> list[bytes]:
    options = {"preset": "veryfast", **OPTIONS[name]}
    return [content for content, _ in packets_of(Coding("libx264", options))]


def losses(stream: list[bytes], extradata: bytes | None = None) -> list[int]:
    numbers = PictureNumbers(extradata)
    return [place for place, content in enumerate(stream) if numbers.is_behind_a_loss(content)]


def is_referred_to(packet: bytes) -> bool:
    starts = [at + 3 for at in range(len(packet) - 3) if packet[at : at + 3] == b"\0\0\1"]
    return any(packet[at] & 31 in (1, 5) and packet[at] & 0x60 for at in starts)


@pytest.mark.parametrize("name", OPTIONS)
def test_nothing_is_missing_from_a_whole_stream(name: str) -> None:
    assert losses(packets(name)) == []


@pytest.mark.parametrize("name", OPTIONS)
def test_pictures_may_share_a_packet(name: str) -> None:
    whole = packets(name)
    pairs = [b"".join(whole[at : at + 2]) for at in range(0, len(whole), 2)]
    assert losses(pairs) == []
    if name == "plain":
        assert losses(pairs[:5] + pairs[6:]) == [5]


def referred_to(stream: list[bytes]) -> list[bool]:
    numbers, found = PictureNumbers(None), []
    for content in stream:
        numbers.is_behind_a_loss(content)
        found.append(numbers.is_referred_to)
    return found


@pytest.mark.parametrize("name", OPTIONS)
def test_which_pictures_others_refer_to(name: str) -> None:
    whole = packets(name)
    assert referred_to(whole) == [is_referred_to(packet) for packet in whole]
    assert (False in referred_to(whole)) is (name != "plain")


def test_a_picture_that_cannot_be_read_may_be_referred_to() -> None:
    assert referred_to([*packets("b")[:4], b"\0\0\1\1"])[-1]


def test_what_a_picture_refers_to() -> None:
    numbers, found = PictureNumbers(None), []
    for content in packets("plain"):
        numbers.is_behind_a_loss(content)
        found.append(numbers.is_intra)
    assert [place for place, intra in enumerate(found) if intra] == [0, 24]


@given(name=st.sampled_from(sorted(OPTIONS)), place=st.integers(1, 18), count=st.integers(1, 4))
@settings(deadline=None, max_examples=40)
def test_missing_pictures_are_noticed_if_others_refer_to_them(name: str, place: int, count: int) -> None:
    whole = packets(name)
    gone = whole[place : place + count]
    found = losses(whole[:place] + whole[place + count :])
    if any(is_referred_to(packet) for packet in gone):
        assert found[0] == place
    else:
        assert found == []


@given(content=st.lists(st.binary(max_size=40), max_size=4), extradata=st.none() | st.binary(max_size=60))
@settings(deadline=None, max_examples=100)
def test_anything_at_all_is_no_loss_or_one(content: list[bytes], extradata: bytes | None) -> None:
    units = [
        b"\0\0\1" + bytes([kind]) + one for kind, one in zip((0x67, 0x68, 0x65, 0x41), content, strict=False)
    ]
    assert set(losses([*units, b"".join(units), *content], extradata)) <= set(range(9))
    assert set(losses(units, b"\1\x64\0\x1f\xff\xe1" + b"".join(content))) <= set(range(4))


def test_parameters_are_read_from_the_header_of_an_mp4() -> None:
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.framerate = 96, 64, "yuv420p", 25
    encoder.flags |= av.codec.context.Flags.global_header
    encoder.options = {"preset": "veryfast", "bf": "0", "g": "24"}
    encoder.open()
    started = encoder.extradata
    units = [unit for unit in started.split(b"\0\0\1") if unit.strip(b"\0")]
    sequence, picture = (unit.rstrip(b"\0") for unit in units[:2])
    header = b"\1" + sequence[1:4] + b"\xff\xe1" + len(sequence).to_bytes(2, "big") + sequence
    header += b"\1" + len(picture).to_bytes(2, "big") + picture
    stream = []
    for content in packets("plain"):
        slices = [unit.rstrip(b"\0") for unit in content.split(b"\0\0\1") if unit and unit[0] & 31 in (1, 5)]
        stream.append(b"".join(len(unit).to_bytes(4, "big") + unit for unit in slices))
    assert losses(stream, header) == []
    assert losses(stream[:5] + stream[6:], header) == [5]
