"""A lab's plugin whose detector is trained: it leaves its weights under any name, and may forget to.

Each process that finds faces imports this module, so that pandas and what reads weights are imported where they are used.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from dfbench import (
    ClipSpec,
    DetectorCard,
    DetectorSpec,
    FaceFinderSpec,
    Faces,
    FrameChoice,
    PrepareSpec,
    ProtocolSpec,
    RunRecord,
    Trained,
    TrainingFacts,
    TrainingNeeds,
    TrainingRequest,
    VideoSelection,
    hookimpl,
)

if TYPE_CHECKING:
    import pandas as pd
    import pytest

# In the test's folder: two logs, and a file that makes the next training end early.
FOUND, FITTED, CUT = Path("found.log"), Path("fitted.log"), Path("cut")
HEARD: list[tuple[object, ...]] = []  # what it was told of runs and trainings


def clips_of(frames: int) -> ClipSpec:
    return ClipSpec(frames=frames, size=16, per_video=2)


class WholeFrame:
    """The whole frame is the face; keeps a log of the frames that it was shown."""

    def __init__(self, device: str) -> None:
        del device

    def find(self, frames: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        with FOUND.open("a") as log:
            log.write("frame\n" * len(frames))
        height, width = frames[0].shape[:2]
        box = np.array([[0, 0, width, height]], np.float32)
        points = np.full((1, 5, 2), np.nan, np.float32)
        return [Faces(box, np.ones(1, np.float32), points) for _ in frames]


class Brightness:
    """Bright is fake."""

    def __init__(self, *, weights: Path, device: str, seed: int) -> None:
        del device, seed
        self._scale = stored(weights)["scale"]

    def score(self, clips: torch.Tensor) -> torch.Tensor:
        return self._scale * (clips.float().mean(dim=(1, 2, 3, 4)) / 255 - 0.5)


def describe(weights: Path) -> DetectorCard:
    """Its files say how many frames a clip has, and nothing of seed or corpus."""
    return DetectorCard(clips_of(int(stored(weights)["frames"])), trained_on=frozenset({"folder"}))


def stored(weights: Path) -> dict[str, float]:
    """What a weights file holds: one of the lab's own, or one that dfbench wrote."""
    from safetensors.torch import load_file

    from dfbench.training.weights_file import WEIGHTS

    if weights.name == WEIGHTS and weights.read_bytes()[:1] != b"{":
        return {name: float(value) for name, value in load_file(weights).items()}
    return dict(json.loads(weights.read_text()))


class Trainer:
    """Fields of its recipe: `file`, the name of the weights; `frames` of a clip; `returns`, what `fit` forgets, or "trained"."""

    def __init__(self, recipe: str, fields: Mapping[str, str]) -> None:
        self._fields = {"recipe": recipe, "file": "model.pt", "frames": "1", "returns": "path", **fields}

    def recipe(self) -> Mapping[str, Any]:
        return self._fields

    def clips(self) -> ClipSpec:
        return clips_of(int(self._fields["frames"]))

    def needs(self) -> TrainingNeeds:
        prepare = PrepareSpec(FrameChoice("first", 2))
        return TrainingNeeds(prepare=prepare, prepare_validation=prepare, labels=frozenset({0, 1}))

    def fit(self, request: TrainingRequest) -> Trained | Path:
        with FITTED.open("a") as log:
            log.write("fit\n")
        if CUT.exists():
            CUT.unlink()
            raise RuntimeError("power cut")
        request.on_round(1, {"loss": 0.5})
        path, returns = request.folder / self._fields["file"], self._fields["returns"]
        if returns == "trained":
            state = {"frames": float(self._fields["frames"]), "scale": 1.0 + request.seed}
            return Trained({name: torch.tensor(value) for name, value in state.items()}, {"step": 7})
        if returns != "absent":
            path.parent.mkdir(exist_ok=True)
            content = {"frames": int(self._fields["frames"]), "scale": 1 + request.seed}
            path.write_text("" if returns == "empty" else json.dumps(content))
        return None if returns == "none" else path  # type: ignore[return-value] # as labs do


class Lab:
    """The plugin."""

    @staticmethod
    @hookimpl
    def dfbench_detectors() -> list[DetectorSpec]:
        return [
            DetectorSpec(
                name="lab",
                summary="Bright is fake.",
                build=f"{__name__}:Brightness",
                clips=clips_of(1),
                needs_weights=True,
                describe=f"{__name__}:describe",
                trainer=f"{__name__}:Trainer",
                recipes=("plain",),
                default_recipe="plain",
            )
        ]

    @staticmethod
    @hookimpl
    def dfbench_protocols() -> list[ProtocolSpec]:
        return [
            ProtocolSpec(
                name="own-splits",
                summary="Train, validate and test on the splits of one's own list.",
                train=VideoSelection("folder", ("train",)),
                validation=VideoSelection("folder", ("val",)),
                tests=(VideoSelection("folder", ("test",)),),
            ),
            ProtocolSpec(
                name="own-validation",
                summary="As own-splits, scored where it validates.",
                train=VideoSelection("folder", ("train",)),
                validation=VideoSelection("folder", ("val",)),
                tests=(VideoSelection("folder", ("val",)),),
                purpose="validation",
            ),
            ProtocolSpec(
                name="own-test",
                summary="Test on the test split of one's own list, whatever was trained on.",
                tests=(VideoSelection("folder", ("test",)),),
            ),
        ]

    @staticmethod
    @hookimpl
    def dfbench_face_finders() -> list[FaceFinderSpec]:
        return [FaceFinderSpec(name="whole", summary="The whole frame.", build=f"{__name__}:WholeFrame")]

    @staticmethod
    @hookimpl
    def dfbench_run_started(run: RunRecord, folder: Path) -> None:
        HEARD.append(("run started", run.entry, folder))

    @staticmethod
    @hookimpl
    def dfbench_run_finished(run: RunRecord, folder: Path, table: pd.DataFrame) -> None:
        HEARD.append(("run finished", run.status, folder, (folder / "table.csv").is_file(), len(table)))

    @staticmethod
    @hookimpl
    def dfbench_run_failed(run: RunRecord, folder: Path, error: BaseException) -> None:
        HEARD.append(("run failed", run.entry, folder, str(error)))

    @staticmethod
    @hookimpl
    def dfbench_training_started(plan: TrainingFacts) -> None:
        HEARD.append(("training started", plan.detector, plan.recipe, plan.seed, plan.train, plan.validation))

    @staticmethod
    @hookimpl
    def dfbench_training_round(plan: TrainingFacts, step: int, values: Mapping[str, float]) -> None:
        HEARD.append(("training round", plan.corpus, step, values))

    @staticmethod
    @hookimpl
    def dfbench_training_finished(plan: TrainingFacts, weights: Path, outcome: Mapping[str, object]) -> None:
        HEARD.append(("training finished", weights.parent == plan.folder, weights.is_file(), outcome))

    @staticmethod
    @hookimpl
    def dfbench_training_failed(plan: TrainingFacts, error: BaseException) -> None:
        HEARD.append(("training failed", plan.seed, str(error)))


def open_lab(videos: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install the plugin, and write own videos of three splits: eight frames each, real ones dark; returns their folder."""
    from tests.cli.command import frame, write

    from dfbench.hooks.host import Host

    load = Host.load
    monkeypatch.setattr(Host, "load", lambda *_: load([Lab()]))
    monkeypatch.setenv("DFBENCH_FACE_FINDER", "whole")
    monkeypatch.setenv("DFBENCH_WORKERS", "1")
    lines, files = ["path,label,split,group"], {}
    for number, split in enumerate(["train", "train", "val", "val", "test", "test", "test", "test"]):
        label = ("real", "fake")[number % 2]
        lines.append(f"{number},{label},{split},person {number}")
        shades = {f"{number}/{step}.png": frame(10 * number + step + 100 * (number % 2)) for step in range(8)}
        files.update(shades)
    files["videos.csv"] = "\n".join(lines).encode()
    monkeypatch.setenv("DFBENCH_DATA__ROOTS__FOLDER", str(write(videos, files)))
    return videos
