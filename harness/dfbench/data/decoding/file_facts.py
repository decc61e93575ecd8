"""What a video file is, apart from what it shows: its size, and what its container says of the stream that players show."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av

from dfbench.data.decoding.streams import open_container, open_stream
from dfbench.errors import UndecodableVideoError

MICROSECONDS = av.time_base  # a second, in the units of a container


@dataclass(frozen=True, slots=True)
class FileFacts:
    """The size of a video file in bytes, and what its head says: pixels, frames a second, seconds, the name of the codec.

    `fps` and `seconds` are 0 where the head does not say; nothing is decoded to find out.
    """

    bytes: int
    width: int
    height: int
    fps: float
    seconds: float
    codec: str

    @property
    def bit_rate(self) -> float:
        """The bits a second of the whole file, 0 where its length in seconds is not known."""
        return 8 * self.bytes / self.seconds if self.seconds else 0.0


def file_facts(path: Path) -> FileFacts:
    """Read the facts of a video file.

    Raises MissingVideoError, and UndecodableVideoError for what is no video file: a folder of frames has none of this.
    """
    if path.is_dir():
        raise UndecodableVideoError(
            f"{path}: a folder of frames is no video file: it has no bit rate and no codec",
            hints=("compare data sets of frames by other means",),
        )
    with open_container(path) as container:
        stream = open_stream(container, path)
        seconds = container.duration / MICROSECONDS if container.duration else 0.0
        if stream.duration is not None and stream.time_base is not None:
            seconds = float(stream.duration * stream.time_base)
        codec = stream.codec_context
        return FileFacts(
            bytes=path.stat().st_size,
            width=codec.width,
            height=codec.height,
            fps=float(stream.average_rate or 0),
            seconds=max(0.0, seconds),
            codec=codec.name,
        )
