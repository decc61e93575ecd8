"""Frames of one photographed face, or of two, that move before a noisy wall: what preparation is measured on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

FRAMES, SIZE = 300, (640, 480)


def head_frames(
    photographs: Sequence[NDArray[np.uint8]],
    side: int,
    *,
    second: int = 0,
    every: int = 1,
    frames: int = FRAMES,
) -> Iterator[NDArray[np.uint8]]:
    """Each `every`-th of `frames` frames (480, 640, 3) of a photograph `side` px large, whose face takes 0.6 of it.

    With `second`, another of that size stands still in the corner.
    """
    rng = np.random.default_rng(5)
    wall = cv2.resize(rng.integers(60, 180, (12, 16, 3), dtype=np.uint8), SIZE, interpolation=cv2.INTER_CUBIC)
    faces = [cv2.resize(one, (side, side), interpolation=cv2.INTER_AREA) for one in photographs]
    for t in range(0, frames, every):
        frame = wall.astype(np.float32)
        _paste(frame, faces[t // 3 % 4], 200 + round(90 * np.sin(t / 23)), 120 + round(50 * np.cos(t / 31)))
        if second:
            small = cv2.resize(photographs[t // 3 % 4], (second, second), interpolation=cv2.INTER_AREA)
            _paste(frame, small, 8, 8)
        frame += rng.normal(0, 2, frame.shape)
        yield np.clip(frame, 0, 255).astype(np.uint8)


def write_head(
    path: Path,
    photographs: Sequence[NDArray[np.uint8]],
    side: int,
    *,
    second: int = 0,
    frames: int = FRAMES,
) -> Path:
    """Write `head_frames` in H.264, as x264 makes them by default; returns `path`."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height = SIZE
        stream.pix_fmt, stream.options = "yuv420p", {"crf": "23"}
        for image in head_frames(photographs, side, second=second, frames=frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def _paste(frame: NDArray[np.float32], face: NDArray[np.uint8], left: int, top: int) -> None:
    side = len(face)
    y, x = np.mgrid[:side, :side] / side * 2 - 1
    alpha = np.clip(4 * (1 - (x / 0.9) ** 2 - (y / 0.98) ** 2), 0, 1)[..., None].astype(np.float32)
    part = frame[top : top + side, left : left + side]
    part += alpha * (face - part)
