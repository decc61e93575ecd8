"""Write frames as H.264 in mp4: one thread and no clock, so equal frames give equal bytes."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from dfbench_plugins.demo.pixels import U8


def write_video(path: Path, frames: U8, *, fps: int, crf: int, preset: str = "superfast") -> None:
    """Encode `frames` (n, h, w, 3) RGB or (n, h, w) grey, uint8, to `path`, through a temporary name beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    kind = "rgb24" if frames.ndim == 4 else "gray"
    try:
        with av.open(str(draft), "w", format="mp4", container_options={"fflags": "+bitexact"}) as container:
            stream = container.add_stream("libx264", rate=Fraction(fps))
            stream.height, stream.width = frames.shape[1:3]
            stream.pix_fmt = "yuv420p"
            stream.codec_context.thread_count = 1
            stream.options = {"crf": str(crf), "preset": preset, "threads": "1", "flags": "+bitexact"}
            for image in frames:
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format=kind)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        os.replace(draft, path)  # noqa: PTH105 # the atomic call by its own name
    finally:
        draft.unlink(missing_ok=True)
