"""H.264 streams and PNG images written by hand, so that they may declare what no encoder would."""

from __future__ import annotations

import struct
import zlib

_START = b"\0\0\0\1"


class _Bits:
    def __init__(self) -> None:
        self._text = ""

    def plain(self, *pairs: tuple[int, int]) -> _Bits:
        """(value, number of bits) each."""
        self._text += "".join(f"{value:0{count}b}" for value, count in pairs)
        return self

    def golomb(self, *values: int) -> _Bits:
        """ue(v) of the standard, section 9.1."""
        for value in values:
            digits = f"{value + 1:b}"
            self._text += "0" * (len(digits) - 1) + digits
        return self

    def unit(self, header: int) -> bytes:
        """A NAL unit with its start code, and emulation prevention."""
        text = self._text + "1"
        text += "0" * (-len(text) % 8)
        payload = int(text, 2).to_bytes(len(text) // 8, "big")
        for last in (0, 1):
            payload = payload.replace(bytes([0, 0, last]), bytes([0, 0, 3, last]))
        return _START + bytes([header]) + payload


def h264_stream(*sizes: tuple[int, int]) -> bytes:
    """Four frames of each of `sizes` (width, height; multiples of 16), all of them key frames of grey."""
    return b"".join(
        _parameters(*size) + b"".join(_picture(*size, number) for number in range(4)) for size in sizes
    )


def _parameters(width: int, height: int) -> bytes:
    sequence = _Bits().plain((66, 8), (0, 8), (51, 8)).golomb(0, 0, 2, 1).plain((0, 1))
    sequence.golomb(width // 16 - 1, height // 16 - 1).plain((1, 1), (1, 1), (0, 1), (0, 1))
    picture = _Bits().golomb(0, 0).plain((0, 1), (0, 1)).golomb(0, 0, 0).plain((0, 1), (0, 2))
    picture.golomb(0, 0, 0).plain((0, 1), (0, 1), (0, 1))
    return sequence.unit(0x67) + picture.unit(0x68)


def _picture(width: int, height: int, number: int) -> bytes:
    slice_ = _Bits().golomb(0, 7, 0).plain((0, 4)).golomb(number).plain((0, 1), (0, 1)).golomb(0)
    # Each macroblock is predicted from nothing and has no residual; a huge frame is never looked at that far.
    for _ in range(min(width * height // 256, 1000)):
        slice_.golomb(3, 0, 0).plain((1, 1))
    return slice_.unit(0x65)


def declared_png(width: int, height: int) -> bytes:
    """A PNG of a hundred bytes that says it is this large."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(99)))
        + chunk(b"IEND", b"")
    )
