"""What larger stored crops cost, and what one pass over a video saves where several detectors want its faces.

python -m tests.benchmarks.stored_sizes     # bytes and processor time of one video, by the size that is stored
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import av
import cv2
import numpy as np
import torch
from tests.photographs import photograph

from dfbench.data.faces.video_faces import Wanted, prepare_together, prepare_video
from dfbench.types import ClipSpec, FrameChoice, PrepareSpec
from dfbench_plugins.face_finders.mtcnn import Mtcnn

SIDES = (240, 400, 640)  # of the photograph in the frame, in pixels
SIZES = (320, 384, 512, 640)
FRAMES, WIDTH, HEIGHT = 150, 1280, 720
TURNS = 3
UNIFORM = FrameChoice("uniform", 32)
DETECTORS = (  # of the same frames: as many clips, or clips of eight, of more or less around the face
    ClipSpec(frames=1, size=224, per_video=32, margin=0.25),
    ClipSpec(frames=8, size=224, per_video=4, margin=0.1),
    ClipSpec(frames=1, size=299, per_video=32, margin=0.25),
    ClipSpec(frames=1, size=380, per_video=32, margin=0.15),
)
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


def by_size(films: dict[int, Path], finder: Mtcnn, out: Path) -> None:
    """Print KiB and the median of the seconds of each video by stored size, measured in turns."""
    took: dict[tuple[int, int], list[float]] = {}
    kept: dict[tuple[int, int], int] = {}
    for _ in range(TURNS):
        for side, path in films.items():
            for size in SIZES:
                spec, faces = PrepareSpec(UNIFORM, max_size=size), out / "faces"
                work = partial(prepare_video, path, spec, finder, faces)
                took.setdefault((side, size), []).append(seconds(work))
                kept[side, size] = faces.stat().st_size // 1024
    for (side, size), times in took.items():
        print(f"{side} px stored at {size}: {kept[side, size]} KiB, {told(times)}")


def for_several(films: dict[int, Path], finder: Mtcnn, out: Path) -> None:
    """Print what the sharpest of several detectors costs alone, what all cost in one pass, and each on its own, in turns."""
    specs = [clips.prepare() for clips in DETECTORS]
    sharpest = max(specs, key=lambda spec: spec.max_size)
    for side, path in films.items():
        one: list[float] = []
        at_once: list[float] = []
        apart: list[float] = []
        for turn in range(TURNS):
            folder = out / f"{side}-{turn}"
            wanted = [Wanted(spec, folder / f"{number}", True) for number, spec in enumerate(specs)]
            one.append(seconds(partial(prepare_video, path, sharpest, finder, folder / "one")))
            at_once.append(seconds(partial(prepare_together, path, wanted, finder)))
            alone = [
                partial(prepare_video, path, spec, finder, folder / f"alone{number}")
                for number, spec in enumerate(specs)
            ]
            apart.append(sum(map(seconds, alone)))
        files = [file for file in folder.iterdir() if file.stem.isdigit()]
        kept = {
            name: sum(file.stat().st_size for file in found) // 1024
            for name, found in {
                "one": [folder / "one"],
                "all": files,
                "apart": list(folder.glob("alone*")),
            }.items()
        }
        print(
            f"{side} px: the sharpest alone {kept['one']} KiB, {told(one)}; all {len(specs)} in one pass {kept['all']} KiB in"
            f" {len(files)} files, {told(at_once)}; each on its own {kept['apart']} KiB, {told(apart)}"
        )


def other_frames(path: Path, finder: Mtcnn, out: Path) -> None:
    """Print what specs that want other frames of a video cost in one pass, and each on its own, in turns."""
    for _ in range(TURNS):
        together = [Wanted(spec, out / f"together{number}") for number, spec in enumerate(SPECS)]
        one = seconds(partial(prepare_together, path, together, finder))
        alone = [
            partial(prepare_video, path, spec, finder, out / f"alone{number}")
            for number, spec in enumerate(SPECS)
        ]
        three = sum(map(seconds, alone))
        same = all(
            (out / f"together{number}").read_bytes() == (out / f"alone{number}").read_bytes()
            for number in range(len(SPECS))
        )
        print(f"one pass for three specs {one:.2f} s, three passes {three:.2f} s; equal files: {same}")


def told(times: list[float]) -> str:
    """Say the median of some times, and the smallest and largest."""
    return f"{median(times):.2f} s ({min(times):.2f} to {max(times):.2f})"


def main() -> None:
    """Measure all on the same made videos."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    finder = Mtcnn("cpu")
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch)
        films = {side: film(out / f"{side}.mp4", side) for side in SIDES}
        for_several(films, finder, out)
        by_size(films, finder, out)
        other_frames(films[SIDES[1]], finder, out)


if __name__ == "__main__":
    main()
