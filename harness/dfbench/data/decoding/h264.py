"""Whether pictures are missing from an H.264 stream, by the numbers that they carry.

A decoder that finds a picture missing goes on with the one before it in its place, and marks nothing: what it gives is
smeared until the next key frame, and depends on the number of its threads. Numbers of sections and syntax elements are
those of ITU-T H.264 (08/2021).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

_HEADER_BYTES = 48  # of a slice: what is read of it is far shorter
_PARAMETER_BYTES = 1024  # of a sequence's parameters
_HIGH_PROFILES = frozenset((100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135))
_SLICE, _IDR, _SPS, _PPS = 1, 5, 7, 8
_REFERRED_TO = 0x60  # nal_ref_idc in the first byte of a unit


@dataclass(frozen=True, slots=True)
class _Sequence:
    """What a sequence parameter set says: bits of frame_num, whether pictures may be left out, colour planes apart."""

    bits: int
    gaps: bool
    planes: bool


class _Bits:
    """Reads the bits of a NAL unit. Raises IndexError behind its end."""

    def __init__(self, unit: bytes) -> None:
        content = unit.replace(b"\0\0\3", b"\0\0")  # emulation prevention, section 7.3.1
        self._value, self._left = int.from_bytes(content, "big"), 8 * len(content)

    def fixed(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise IndexError
        return self._value >> self._left & (1 << count) - 1

    def golomb(self) -> int:
        """ue(v), section 9.1."""
        zeros = 0
        while not self.fixed(1):
            zeros += 1
        return (1 << zeros) - 1 + self.fixed(zeros)

    def signed_golomb(self) -> int:
        """se(v), section 9.1.1."""
        value = self.golomb()
        return (value + 1) // 2 if value % 2 else -value // 2


class PictureNumbers:
    """Follows frame_num through the packets of a stream, in the order of decoding."""

    def __init__(self, extradata: bytes | None) -> None:
        self._sequences: dict[int, _Sequence] = {}
        self._sequence_of: dict[int, int] = {}  # by the number of a picture parameter set
        self._before: int | None = None  # frame_num of the last picture that others may refer to
        self.is_intra = False  # whether the picture of the last packet refers to no other, by its first slice
        self.is_referred_to = (
            False  # whether another picture may refer to one of the last packet; also if it is damaged
        )
        self._length = 0  # bytes of the length before each NAL unit; 0: start codes
        is_configured = extradata is not None and len(extradata) > 6 and extradata[0] == 1
        if extradata is not None and is_configured:  # avcC: ISO/IEC 14496-15, 5.3.3
            self._length = 1 + (extradata[4] & 3)
        for unit in (_configured if is_configured else _started)(extradata or b""):
            with suppress(IndexError):  # damaged: the decoder says so
                self._parameters(unit)

    def is_behind_a_loss(self, packet: bytes) -> bool:
        """Whether pictures that others refer to are missing between the packet before and this one."""
        is_behind = seen = False
        self.is_intra = self.is_referred_to = False
        try:
            for unit in _sized(packet, self._length) if self._length else _started(packet):
                kind = unit[0] & 31
                if kind not in (_SLICE, _IDR):
                    self._parameters(unit)
                    continue
                self.is_referred_to = self.is_referred_to or bool(unit[0] & _REFERRED_TO)
                if unit[1] & 0x80:  # first_mb_in_slice is 0: a picture begins, or the second field of one
                    self.is_intra = self.is_intra if seen else _refers_to_none(unit)
                    is_behind = self._picture(unit, is_idr=kind == _IDR) or is_behind
                    seen = True
        except (IndexError, KeyError):  # damaged: the decoder says so
            self._before, self.is_referred_to = None, True
        return is_behind

    def _parameters(self, unit: bytes) -> None:
        if unit and unit[0] & 31 == _SPS:
            number, sequence = _sequence(unit)
            self._sequences[number] = sequence
        elif unit and unit[0] & 31 == _PPS:
            bits = _Bits(unit[1:_HEADER_BYTES])
            number = bits.golomb()
            self._sequence_of[number] = bits.golomb()

    def _picture(self, unit: bytes, *, is_idr: bool) -> bool:
        bits = _Bits(unit[1:_HEADER_BYTES])
        bits.golomb(), bits.golomb()  # first_mb_in_slice, slice_type
        sequence = self._sequences[self._sequence_of[bits.golomb()]]
        if sequence.planes:
            bits.fixed(2)
        number = bits.fixed(sequence.bits)
        before, is_referred_to = self._before, bool(unit[0] & _REFERRED_TO)
        if is_referred_to or before is None:
            self._before = number
        if is_idr or before is None or sequence.gaps:
            return False
        return number not in (before, (before + 1) % (1 << sequence.bits))


def _refers_to_none(unit: bytes) -> bool:
    bits = _Bits(unit[1:_HEADER_BYTES])
    bits.golomb()  # first_mb_in_slice
    return bits.golomb() % 5 in (2, 4)  # slice_type I or SI


def _sequence(unit: bytes) -> tuple[int, _Sequence]:
    """The number of a sequence parameter set and what it says (section 7.3.2.1.1)."""
    bits = _Bits(unit[1:_PARAMETER_BYTES])
    profile = bits.fixed(8)
    bits.fixed(16)
    number, planes = bits.golomb(), False
    if profile in _HIGH_PROFILES:
        chroma = bits.golomb()
        planes = chroma == 3 and bool(bits.fixed(1))
        bits.golomb(), bits.golomb(), bits.fixed(1)  # bit depths, lossless
        if bits.fixed(1):
            for place in range(12 if chroma == 3 else 8):
                if bits.fixed(1):
                    _pass_over_scaling(bits, 16 if place < 6 else 64)
    length = bits.golomb() + 4
    order = bits.golomb()
    if order == 0:
        bits.golomb()
    elif order == 1:
        bits.fixed(1), bits.signed_golomb(), bits.signed_golomb()
        for _ in range(bits.golomb()):
            bits.signed_golomb()
    bits.golomb()  # max_num_ref_frames
    return number, _Sequence(length, bool(bits.fixed(1)), planes)


def _pass_over_scaling(bits: _Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed_golomb()) % 256
        last = following or last


def _configured(extradata: bytes) -> Iterator[bytes]:
    """The parameter sets in an avcC box."""
    at, count = 6, extradata[5] & 31
    for _ in range(2):
        for _ in range(count):
            size = int.from_bytes(extradata[at : at + 2], "big")
            yield extradata[at + 2 : at + 2 + size]
            at += 2 + size
        if at >= len(extradata):
            return
        count = extradata[at]
        at += 1


def _sized(packet: bytes, length: int) -> Iterator[bytes]:
    at = 0
    while at + length < len(packet):
        size = int.from_bytes(packet[at : at + length], "big")
        yield packet[at + length : at + length + size]
        at += length + size


def _started(packet: bytes) -> Iterator[bytes]:
    """NAL units behind start codes (annex B)."""
    at = packet.find(b"\0\0\1")
    while at >= 0:
        end = packet.find(b"\0\0\1", at + 3)
        unit = packet[at + 3 : end if end >= 0 else len(packet)]
        if unit:
            yield unit
        at = end
