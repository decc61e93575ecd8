"""Small real videos: a face that MTCNN finds (public-domain photograph), and files that are no such thing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.photographs import COUNT, photograph

Frames = Sequence[NDArray[np.uint8]]
WriteVideo = Callable[..., Path]


@pytest.fixture(scope="session")
def face_frames() -> list[NDArray[np.uint8]]:
    """Four (240, 300, 3) frames with one face of about 130 px."""
    frames = []
    for number in range(COUNT):
        image = photograph(number).resize((240, 240))
        canvas = np.full((240, 300, 3), 90, dtype=np.uint8)
        canvas[:, 30:270] = np.asarray(image)
        frames.append(canvas)
    return frames


@pytest.fixture
def write_video(tmp_path: Path) -> WriteVideo:
    """Write frames as H.264; `name` may hold folders."""

    def write(name: str, frames: Frames, *, faststart: bool = False) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        height, width = frames[0].shape[:2]
        options = {"movflags": "faststart"} if faststart else {}
        with av.open(str(path), "w", container_options=options) as container:
            stream = container.add_stream("libx264", rate=25)
            stream.width, stream.height = width, height
            stream.pix_fmt = "yuv444p" if width % 2 or height % 2 else "yuv420p"
            for frame in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode(None))
        return path

    return write
