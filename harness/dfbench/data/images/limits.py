"""What a file may claim to be: a kilobyte can declare a frame of gigabytes, or inflate without end.

A frame may have 8192 x 8192 pixels: 8K video is half of that, and as RGB it takes 201 MB. What claims more is damaged or
made to do harm, and is refused before memory is taken for it.
"""

from __future__ import annotations

import tarfile
from pathlib import Path

from dfbench.errors import UndecodableVideoError

MAX_PIXELS = 8192 * 8192
MAX_SIDE = 16384
MAX_FRAME_BYTES = 256 * 2**20  # of an image file, or an entry of an archive, that is said to be one frame
MAX_INFLATION = 100  # how often its own size a tar.gz may inflate to: frames are compressed already
_MAX_HEADER = 2**20  # of the extended headers of tar, which hold names and times
_HEADERS = frozenset(
    (
        *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
        *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
    )
)

_CONTAINERS = [
    "mov",
    "matroska",
    "avi",
    "mpeg",
    "mpegts",
    "asf",
    "flv",
    "ogg",
    "mxf",
    "nut",
    "ivf",
    "rm",
    "dv",
    "wtv",
    "gif",
    "apng",
]
_BARE_STREAMS = ["mpegvideo", "m4v", "h264", "hevc", "obu", "mjpeg", "yuv4mpegpipe"]
DECODER_OPTIONS = {"max_pixels": str(MAX_PIXELS)}
# Finding out about a stream decodes frames of it, hence the first. The others keep out playlists and scripts named like
# a video, which lead to other files or to the network.
OPEN_OPTIONS = {
    **DECODER_OPTIONS,
    "format_whitelist": ",".join([*_CONTAINERS, *_BARE_STREAMS]),
    "protocol_whitelist": "file",
}


def require_size(path: Path, width: int, height: int) -> None:
    """Raise UndecodableVideoError, which names `path`, if no frame can be as large as that."""
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise UndecodableVideoError(
            f"{path}: declares frames of {width}x{height} pixels, more than the {MAX_PIXELS} "
            f"({MAX_SIDE} a side) that are read",
            hints=("the file is damaged: download it again",),
        )


class TarEntry(tarfile.TarInfo):
    """An entry of a tar archive; tarfile reads its extended headers whole, so that they must not be huge."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _HEADERS and self.size > _MAX_HEADER:
            raise tarfile.ReadError(f"a header claims {self.size} bytes")
        entry: tarfile.TarInfo = super()._proc_member(archive)  # type: ignore[misc]  # no stub; meant for subclasses
        return entry
