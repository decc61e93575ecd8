"""What the benchmarks share: the stored face frames as a small video."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

FRAMES = 32


@pytest.fixture(scope="session")
def face_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A 316 x 316 H.264 video of 32 frames with one face."""
    golden = np.load(Path(__file__).parents[1] / "golden" / "clip_pipeline.npz")
    images = [
        np.asarray(Image.open(io.BytesIO(golden[f"frames/png{t}"].tobytes())).convert("RGB"))[:316, :316]
        for t in range(4)
    ]
    path = tmp_path_factory.mktemp("video") / "face.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 316
        stream.pix_fmt = "yuv420p"
        for number in range(FRAMES):
            image = np.ascontiguousarray(images[number % 4])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return path
