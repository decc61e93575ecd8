"""Write frames as H.264 in mp4: one thread and no clock, so equal frames give equal bytes on every processor.

libx264 is told to take the same decisions everywhere. The presets here leave out its tree of macroblocks, whose float
arithmetic depends on the processor, and colours are converted here, not by libswscale, which does depend on it.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from dfbench.data import write_whole
from dfbench_plugins.demo.pixels import U8

# BT.601, limited range, in 256ths: each product and sum is a whole number of these, exact in float32.
_YUV = np.array([[66, 129, 25, 4096], [-38, -74, 112, 32768], [112, -94, -18, 32768]]) / 256.0


def write_video(path: Path, frames: U8, *, fps: int, crf: int, preset: str = "superfast") -> None:
    """Encode `frames` (n, h, w, 3) RGB or (n, h, w) grey, uint8, even in size, to `path`, whole or not at all.

    Raises StoreError.
    """

    def write(draft: Path) -> None:
        with av.open(
            str(draft.absolute()), "w", format="mp4", container_options={"fflags": "+bitexact"}
        ) as container:
            stream = container.add_stream("libx264", rate=Fraction(fps))
            stream.height, stream.width = frames.shape[1:3]
            stream.pix_fmt = "yuv420p"
            stream.codec_context.thread_count = 1
            stream.options = {
                "crf": str(crf),
                "preset": preset,
                "threads": "1",
                "flags": "+bitexact",
                "x264-params": "cpu-independent=1:mbtree=0",
            }
            for image in frames:
                frame = av.VideoFrame.from_ndarray(_planes(image), format="yuv420p")
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))

    write_whole(path, write)


def _planes(image: U8) -> U8:
    """The planes of yuv420p of `image`, one below the other, as `av` takes them: (3 h / 2, w)."""
    if image.ndim == 2:
        grey = cv2.LUT(image, np.rint(np.arange(256) * (219.0 / 255.0) + 16.0).astype(np.uint8))
        return np.pad(grey, ((0, image.shape[0] // 2), (0, 0)), constant_values=128)
    full = cv2.transform(image, _YUV)
    height, width = image.shape[:2]
    small = cv2.resize(full, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    planes = np.concatenate((full[..., 0].ravel(), small[..., 1].ravel(), small[..., 2].ravel()))
    return planes.reshape(height + height // 2, width)
