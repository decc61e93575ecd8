"""What larger stored crops cost, and what one pass over a video saves where several detectors want its faces.

python -m tests.benchmarks.stored_sizes     # bytes and processor time of one video, by the size that is stored
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import torch
from tests.photographs import photograph

from dfbench.data.faces.video_faces import Wanted, prepare_together, prepare_video
from dfbench.types import FrameChoice, PrepareSpec
from dfbench_plugins.face_finders.mtcnn import Mtcnn

SIDES = (240, 400, 640)  # of the photograph in the frame, in pixels
SIZES = (320, 384, 512, 640)
FRAMES, WIDTH, HEIGHT = 150, 1280, 720
TURNS = 3
UNIFORM = FrameChoice("uniform", 32)
SPECS = (
    PrepareSpec(UNIFORM),
    PrepareSpec(FrameChoice("runs", 4, 8, clip=8), max_size=384),
    PrepareSpec(FrameChoice("uniform", 32, clip=8), max_size=512),
)


def film(path: Path, side: int) -> Path:
    """Write a video of a photograph, `side` pixels wide, that moves before a noisy wall; returns its path."""
    rng = np.random.default_rng(0)
    wall = rng.integers(90, 130, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    face = np.asarray(photograph(0).resize((side, side)))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for position in range(FRAMES):
            frame = wall.copy()
            left, top = 100 + position, (HEIGHT - side) // 2
            frame[top : top + side, left : left + side] = face
            noise = rng.integers(-4, 5, frame.shape)
            noisy = np.clip(frame.astype(np.int16) + noise, 0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noisy, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def seconds(work: Callable[[], object]) -> float:
    """Return the processor time that `work` takes, in seconds."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def main() -> None:
    """Print KiB and seconds by stored size, then those of one pass and of three, in turns."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    finder = Mtcnn("cpu")
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch)
        films = {side: film(out / f"{side}.mp4", side) for side in SIDES}
        for side, path in films.items():
            for size in SIZES:
                spec, faces = PrepareSpec(UNIFORM, max_size=size), out / "faces"
                took = seconds(lambda: prepare_video(path, spec, finder, faces))  # noqa: B023 - called at once
                print(f"{side} px stored at {size}: {faces.stat().st_size // 1024} KiB, {took:.2f} s")
        path = films[SIDES[1]]
        for _ in range(TURNS):
            together = [Wanted(spec, out / f"together{number}") for number, spec in enumerate(SPECS)]
            one = seconds(lambda: prepare_together(path, together, finder))  # noqa: B023
            three = seconds(
                lambda: [
                    prepare_video(path, spec, finder, out / f"alone{number}")
                    for number, spec in enumerate(SPECS)
                ]
            )
            same = all(
                (out / f"together{number}").read_bytes() == (out / f"alone{number}").read_bytes()
                for number in range(len(SPECS))
            )
            print(f"one pass for three specs {one:.2f} s, three passes {three:.2f} s; equal files: {same}")


if __name__ == "__main__":
    main()
