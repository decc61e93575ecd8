"""A plugin whose detectors want several kinds of clips of the same frames.

How often videos are decoded and searched is counted.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from tests.cli.command import write
from tests.cli.toy_lab import Lab, WholeFrame, clips_of

from dfbench import ClipSpec, CorpusSpec, DetectorSpec, FaceFinderSpec, Faces, hookimpl
from dfbench.data.decoding.video import read_frames
from dfbench.data.faces import video_faces
from dfbench.data.preparing.process import OwnProcess
from dfbench.hooks.host import Host
from dfbench.interfaces import Progress

SIDE = 48
SEARCHED: Counter[bytes] = Counter()  # how often each frame was searched
FAULTS: dict[str, BaseException] = {}  # what detectors raise, by their names

# All want the same two frames of a video: as two clips or as one, small or sharp, of more or less around the face.
WISHES: Mapping[str, ClipSpec] = {
    "plain": ClipSpec(frames=1, size=16, per_video=2),
    "sharp": ClipSpec(frames=1, size=448, per_video=2, margin=0.1),
    "pair": ClipSpec(frames=2, size=32, per_video=1, margin=0.4),
}


class Counting(WholeFrame):
    """Counts the frames that it was shown."""

    def find(self, frames: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        SEARCHED.update(frame.tobytes() for frame in frames)
        return super().find(frames)


class Reddish:
    """Red is fake, as far as the seed says so."""

    name = ""

    def __init__(self, *, weights: Path | None, device: str, seed: int) -> None:
        del weights, device
        self._scale = 1 + seed

    def score(self, clips: torch.Tensor) -> torch.Tensor:
        if self.name in FAULTS:
            raise FAULTS[self.name]
        return self._scale * (clips[..., 0].float().mean(dim=(1, 2, 3)) / 64 - 2)


class Plain(Reddish):
    name = "plain"


class Sharp(Reddish):
    name = "sharp"


class Pair(Reddish):
    name = "pair"


class Several(Lab):
    """The lab's plugin, with detectors that need no training."""

    @staticmethod
    @hookimpl
    def dfbench_detectors() -> list[DetectorSpec]:
        plain = [
            DetectorSpec(
                name=name,
                summary="Red is fake.",
                build=f"{__name__}:{name.capitalize()}",
                clips=clips,
                trained_on=frozenset(),
            )
            for name, clips in WISHES.items()
        ]
        absent = DetectorSpec(
            name="absent", summary="Not here.", build="not_installed_anywhere:Detector", clips=clips_of(1)
        )
        return [*plain, absent, *Lab.dfbench_detectors()]

    @staticmethod
    @hookimpl
    def dfbench_corpora() -> list[CorpusSpec]:
        return [CorpusSpec(name="toys", summary="Made videos.", build=f"{__name__}:write_corpus")]

    @staticmethod
    @hookimpl
    def dfbench_face_finders() -> list[FaceFinderSpec]:
        return [FaceFinderSpec(name="whole", summary="The whole frame.", build=f"{__name__}:Counting")]


@dataclass(frozen=True)
class Counts:
    """How often each video was decoded, and how often each of its frames was searched."""

    decoded: Counter[str]
    searched: Counter[bytes]

    def clear(self) -> None:
        self.decoded.clear()
        self.searched.clear()


def open_several(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Counts:
    """Install the plugin, write own videos, two to train on, two to validate and six to test on, and prepare in this process;
    returns what is counted."""
    load = Host.load
    monkeypatch.setattr(Host, "load", lambda *_: load([Several()]))
    monkeypatch.setenv(
        "DFBENCH_DISABLE_PLUGINS", "baselines,fakestormer,demo"
    )  # all detectors are those of here
    monkeypatch.setenv("DFBENCH_FACE_FINDER", "whole")
    monkeypatch.setenv("DFBENCH_WORKERS", "1")
    monkeypatch.setenv("DFBENCH_DATA__ROOTS__FOLDER", str(write_videos(folder)))
    return _counted(monkeypatch)


def write_corpus(folder: Path, *, size: str, seed: int, progress: Progress) -> Mapping[str, Path]:
    """Write the same videos as a corpus that is made here."""
    del size, seed, progress
    return {"folder": write_videos(folder)}


def write_videos(folder: Path) -> Path:
    """Write ten videos of three frames of noise, the fake ones brighter; returns `folder`."""
    lines, files = ["path,label,split,group"], dict[str, bytes]()
    rng = np.random.default_rng(17)
    for number, split in enumerate([*["train"] * 2, *["val"] * 2, *["test"] * 6]):
        lines.append(f"{number},{('real', 'fake')[number % 2]},{split},person {number}")
        for step in range(3):
            files[f"{number}/{step}.png"] = _picture(rng, bright=60 + 60 * (number % 2))
    files["videos.csv"] = "\n".join(lines).encode()
    return write(folder, files)


def _picture(rng: np.random.Generator, *, bright: int) -> bytes:
    """Noise of about this brightness, as a PNG."""
    pixels = rng.integers(bright, bright + 90, (SIDE, SIDE, 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "png")
    return content.getvalue()


def _counted(monkeypatch: pytest.MonkeyPatch) -> Counts:
    def call(self: OwnProcess, function: Any, *arguments: object, seconds: float | None = None) -> Any:
        del self, seconds
        return function(*arguments)

    counts = Counts(Counter(), SEARCHED)

    def counted(path: Path, *arguments: Any, **options: Any) -> Iterator[Any]:
        counts.decoded[path.name] += 1
        return read_frames(path, *arguments, **options)

    monkeypatch.setattr(OwnProcess, "call", call)  # in this process, where it can be counted
    monkeypatch.setattr(video_faces, "read_frames", counted)
    SEARCHED.clear()
    FAULTS.clear()
    return counts
