"""How long a video file must be, by what it says itself: half a download decodes without an error, but for its end.

MP4 and MOV say where each frame lies, Matroska and WebM how long they are, AVI both its length and how many frames it
has. Nothing tells in a transport or program stream, a bare one, a recording of unknown length, or between fragments.
"""

from __future__ import annotations

import struct
from pathlib import Path

import av

from dfbench.untrusted import open_regular

_HEADER_BYTES = 4096
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"


def announced_bytes(
    path: Path, container: av.container.InputContainer, stream: av.VideoStream, frames: int
) -> int:
    """How long a file is at least if it is whole, in bytes, once all its packets were read and were so many `frames`; 0
    if nobody can tell. Raises OSError."""
    kinds = container.format.name.split(",")
    if "mp4" in kinds:  # the last frame alone: sound that is missing behind it is not missed
        return max((one.pos + one.size for one in stream.index_entries), default=0)
    if "matroska" in kinds:
        return _matroska_end(_header(path))
    if "avi" in kinds and frames < stream.frames:  # its length alone is often wrong, and so is their number
        return _riff_end(_header(path))
    return 0


def _header(path: Path) -> bytes:
    with open_regular(path) as opened:
        return opened.read(_HEADER_BYTES)


def _riff_end(header: bytes) -> int:
    """Where the first RIFF of an AVI ends; it has others behind it above a gigabyte."""
    if header[:4] != b"RIFF" or len(header) < 8:
        return 0
    (size,) = struct.unpack_from("<I", header, 4)
    return 8 + int(size)


def _matroska_end(header: bytes) -> int:
    """Where the segment of a Matroska file ends, which is all of it; 0 where its length is left open."""
    if not header.startswith(_EBML):
        return 0
    start, size = _ebml_size(header, len(_EBML))
    segment = start + size
    if header[segment : segment + len(_SEGMENT)] != _SEGMENT:
        return 0
    start, size = _ebml_size(header, segment + len(_SEGMENT))
    return start + size if size else 0


def _ebml_size(header: bytes, at: int) -> tuple[int, int]:
    """Where the content of an element begins, and its size: a number of 1 to 8 bytes, as many as its first has leading
    zeros and one (RFC 8794, section 4); 0 for one that is unknown, of which all bits are set."""
    if at >= len(header) or not header[at]:
        return at, 0
    length = 9 - header[at].bit_length()
    bits = 7 * length
    value = int.from_bytes(header[at : at + length], "big") & ((1 << bits) - 1)
    return at + length, 0 if value == (1 << bits) - 1 else value
