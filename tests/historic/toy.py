"""The plugin of the historic files: a protocol on one's own videos, a face finder and a detector that need no model.

It is part of what the files were made by, so that no spec in it may change: names and versions stand in their identities.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dfbench import (
    ClipSpec,
    DetectorSpec,
    FaceFinderSpec,
    Faces,
    ProtocolSpec,
    VideoSelection,
    hookimpl,
)

CUT = "HISTORIC_CUT"  # the environment's: after how many videos the detector is interrupted
FOUND = Path("found.log")  # below the working directory: a line for each frame that faces were looked for in
BOX = (12, 6, 52, 46)
POINTS = ((22, 18), (42, 18), (32, 28), (24, 38), (40, 38))


class Finder:
    """Finds a face of one size at one place in each frame, and keeps a log of how many frames it was shown."""

    def __init__(self, device: str) -> None:
        del device

    def find(self, frames: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        """Return the face of each frame."""
        with FOUND.open("a", encoding="utf-8") as log:
            log.write("frame\n" * len(frames))
        face = Faces(np.array([BOX], np.float32), np.ones(1, np.float32), np.array([POINTS], np.float32))
        return [face for _ in frames]


class Brightness:
    """Takes bright clips for fake; raises KeyboardInterrupt after as many videos as the environment says."""

    def __init__(self, *, weights: Path | None, device: str, seed: int) -> None:
        del weights, device, seed
        self._left = int(os.environ.get(CUT, "1000"))

    def score(self, clips: Tensor) -> Tensor:
        """Return the logits (B,) of clips (B, T, H, W, 3)."""
        if not self._left:
            raise KeyboardInterrupt
        self._left -= 1
        return clips.float().mean(dim=(1, 2, 3, 4)) / 64 - 2


@hookimpl
def dfbench_detectors() -> list[DetectorSpec]:
    """Offer the detector, which wants the frames that `chance` and the demo recipe of FakeSTormer want."""
    return [
        DetectorSpec(
            name="historic_brightness",
            summary="Bright is fake.",
            build=f"{__name__}:Brightness",
            clips=ClipSpec(frames=2, size=16, per_video=6),
            trained_on=frozenset(),
        )
    ]


@hookimpl
def dfbench_protocols() -> list[ProtocolSpec]:
    """Offer the protocol."""
    return [
        ProtocolSpec(
            name="historic",
            summary="Train, validate and test on the splits of one's own list.",
            build="",
            train=VideoSelection("folder", ("train",)),
            validation=VideoSelection("folder", ("val",)),
            tests=(VideoSelection("folder", ("test",)),),
        )
    ]


@hookimpl
def dfbench_face_finders() -> list[FaceFinderSpec]:
    """Offer the face finder."""
    return [
        FaceFinderSpec(
            name="historic_finder", summary="One face at one place.", build=f"{__name__}:Finder", version="1"
        )
    ]
