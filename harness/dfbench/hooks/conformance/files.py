"""Checks of a detector that scores video files: its scores may depend on the file alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dfbench.hooks.conformance.checking import SEED, CheckResult, run_check
from dfbench.hooks.conformance.tensors import difference, wrong_form
from dfbench.hooks.detectors import opened_scorer
from dfbench.interfaces import ScoresFiles
from dfbench.specs import DetectorSpec, LoadOptions

if TYPE_CHECKING:
    from torch import Tensor

_SIZES = (64, 96, 64)  # px of the made-up files, which differ in their number of frames too


def check_files(
    spec: DetectorSpec, detector: ScoresFiles, options: LoadOptions, scratch: Path
) -> list[CheckResult]:
    """Score three made-up files, written below `scratch`, and hold the scores against one another."""
    paths = made_files(scratch)

    def again() -> Tensor:
        with opened_scorer(spec, options) as other:
            assert isinstance(other, ScoresFiles)
            return other.score_files(paths)

    def alone() -> str:
        import torch

        together = detector.score_files(paths)
        return difference(
            together, torch.cat([detector.score_files([path]) for path in paths])
        ) or difference(together, detector.score_files(paths[::-1]).flip(0))

    return [
        run_check(name, function)
        for name, function in (
            ("returns a floating (B,) tensor", lambda: wrong_form(detector.score_files(paths), len(paths))),
            ("scores are finite", lambda: _not_finite(detector.score_files(paths))),
            ("same score alone and with any others", alone),
            ("same score when built again", lambda: difference(detector.score_files(paths), again())),
        )
    ]


def made_files(folder: Path) -> list[Path]:
    """Write three small video files that differ in resolution and length; returns their paths."""
    paths = []
    for number, size in enumerate(_SIZES):
        path = folder / f"file-{number}.mp4"
        write_video(path, size=size, frames=5 + 5 * number, seed=(SEED, number))
        paths.append(path)
    return paths


def write_video(path: Path, *, size: int, frames: int, seed: Sequence[int]) -> None:
    """Write a video file of `frames` frames of noise, `size` px wide and high, which the draws of `seed` decide."""
    import av

    rng = np.random.default_rng(list(seed))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width = stream.height = size
        stream.pix_fmt = "yuv420p"
        for _ in range(frames):
            noise = rng.integers(0, 256, (size, size, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noise, format="rgb24")))
        container.mux(stream.encode())


def _not_finite(scores: Tensor) -> str:
    values = scores.tolist()
    return "" if all(math.isfinite(value) for value in values) else f"scores: {values}"
