"""Two people in one video, told by their colours: a plugin that finds, scores and explains them, and such videos as DFD has."""

from __future__ import annotations

import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.cli.command import Dfbench
from tests.conftest import Install

LARGE, SMALL = (10, 20, 110, 120), (150, 40, 200, 90)  # of 160 frames, the small one leaves after 96
GONE, COUNT = 96, 160
FAKE = "01_02__talking__ABCDEFGH"
REAL = "01__talking"
# Two people, told by their colours: the finder leaves the small, green one out unless it is asked for all.
PLUGIN = f"""
import numpy as np
import torch
from dfbench import (ClipSpec, DetectorSpec, Evidence, EvidenceMap, FaceFinderSpec, Faces, ProtocolSpec, VideoSelection,
                     hookimpl)

SCORED, EXPLAINED = [], []
BOXES = {{"red": {LARGE}, "green": {SMALL}}}

def faces(*boxes):
    box = np.asarray(boxes, np.float32).reshape(-1, 4)
    return Faces(box, np.full(len(box), 0.9, np.float32), np.repeat(box[:, None, :2] + 10, 5, axis=1))

def seen(frame, names):
    found = []
    for channel, name in enumerate(BOXES):
        x0, y0, x1, y1 = BOXES[name]
        part = frame[y0 + 10:y1 - 10, x0 + 10:x1 - 10].mean(axis=(0, 1))
        if name in names and part[channel] > 120:
            found.append(BOXES[name])
    return faces(*found)

class Quick:
    thorough = False

    def __init__(self, device):
        pass

    def of_video(self):
        return self

    def find(self, frames):
        return [seen(frame, ("red",) if seen(frame, ("red",)).boxes.size else ("green",)) for frame in frames]

    def find_all(self, frames):
        return [seen(frame, ("red", "green")) for frame in frames]

def value(clips):
    return clips.double().mean(dim=(1, 2, 3, 4)) / 64 - 1

class Watcher:
    def __init__(self, *, weights, device, seed):
        self.seed = seed

    def score(self, clips):
        SCORED.append((self.seed, clips.numpy().copy()))
        return value(clips)

    def maps(self):
        return (EvidenceMap("green", "how green", span=(0.0, 255.0)),)

    def explain(self, clips, names):
        EXPLAINED.append((self.seed, clips.numpy().copy()))
        return Evidence(value(clips), None, {{"green": clips[..., 1].float()}})

@hookimpl
def dfbench_face_finders():
    return [FaceFinderSpec("colours", "Two people by their colours.", "two_people:Quick")]

@hookimpl
def dfbench_detectors():
    clips = ClipSpec(frames=2, size=32, per_video=4)
    return [DetectorSpec("watcher", "Notes what it sees.", "two_people:Watcher", clips=clips, trained_on=frozenset(),
                         explain="two_people:Watcher")]

@hookimpl
def dfbench_protocols():
    return [ProtocolSpec("people", "DFD alone.", tests=(VideoSelection("dfd", ("test",)),))]
"""


def write(path: Path, frames: list[NDArray[np.uint8]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "12"})
        stream.width, stream.height, stream.pix_fmt = 220, 140, "yuv444p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))


def scene(number: int) -> NDArray[np.uint8]:
    """A frame of both people; each frame is a little brighter than the last."""
    frame = np.full((140, 220, 3), 40, np.uint8)
    for channel, (x0, y0, x1, y1) in enumerate((LARGE, SMALL)):
        if channel == 0 or number < GONE:
            frame[y0:y1, x0:x1, channel] = 150 + number // 2
    return frame


def mask(number: int) -> NDArray[np.uint8]:
    frame = np.zeros((140, 220, 3), np.uint8)
    x0, y0, x1, y1 = SMALL
    frame[y0:y1, x0:x1] = 255 * (number < GONE)
    return frame


def film(tmp_path: Path, install: Install, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write DFD inside FaceForensics++'s root, which alone is configured: one real and one fake, with its mask."""
    install("two_people", PLUGIN)
    root = tmp_path / "ffpp"
    monkeypatch.setenv("DFBENCH_DATA__ROOTS__FFPP", str(root))
    monkeypatch.setenv("DFBENCH_FACE_FINDER", "colours")
    people, masks = encoded_scenes()
    fakes = root / "manipulated_sequences/DeepFakeDetection"
    for folder, name, content in (
        (root / "original_sequences/actors/c23/videos", REAL, people),
        (fakes / "c23/videos", FAKE, people),
        (fakes / "masks/videos", FAKE, masks),
    ):
        folder.mkdir(parents=True)
        (folder / f"{name}.mp4").write_bytes(content)
    return root


@cache  # to encode them takes longer than most tests of them
def encoded_scenes() -> tuple[bytes, bytes]:
    """Return the files of the video of both people and of its mask."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for draw in (scene, mask):
            path = Path(folder) / f"{draw.__name__}.mp4"
            write(path, [draw(number) for number in range(COUNT)])
            found.append(path.read_bytes())
    return found[0], found[1]


def run_of(dfbench: Dfbench, tmp_path: Path, *more: str) -> Path:
    """The folder of a run on these two videos of the 3431 of DFD."""
    ran = dfbench("run", "-d", "watcher", "-p", "people", "--min-coverage", "0", *more)
    assert ran.code == 0, ran.err
    (run,) = [path for path in (tmp_path / "runs").iterdir() if (path / "run.json").is_file()]
    return run


def noted(name: str) -> list[tuple[int, NDArray[np.uint8]]]:
    """What the detector noted, and forgets now."""
    found: list[Any] = getattr(sys.modules["two_people"], name)
    kept = [*found]
    found.clear()
    return kept
