"""What training tests share: face files that are quickly made, and a small network."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from dfbench import FaceFile, FaceTrack, Label, TrainingRequest, Video
from dfbench.data import StoredFaces
from dfbench.data.store.face_files import write_faces
from dfbench.progress import SilentProgress
from dfbench.training.module import MethodModule
from dfbench.training.weights_file import (
    WEIGHTS,
    WeightsHeader,
    clear_checkpoints,
    write_trained,
    write_weights,
)
from dfbench_fakestormer.checkpoints import load_network
from dfbench_fakestormer.method import METHOD
from dfbench_fakestormer.synthesis import build as build_synthesizer

ROOT = Path(__file__).parents[2]
Faces = tuple[list[FaceFile], list[FaceFile]]
OVERRIDES = {
    "frames": "4",
    "validate_every": "1",
    "size": "32",
    "patch": "8",
    "width": "24",
    "depth": "1",
    "heads": "2",
    "drop_path": "0.1",
    "train_crop": "64",
    "epochs": "3",
    "batch": "4",
    "checkpoint_steps": "2",
    "warmup_steps": "2",
    "validation_clips": "1",
}


def write_face_file(path: Path, video_id: str, *, frames: int, seed: int) -> FaceFile:
    """A smooth random texture with an ellipse of landmarks, which is all that training asks of a face."""
    rng = np.random.default_rng([7, seed])
    side, centre, box = 96, np.array([160.0, 120.0]), 48.0
    texture = cv2.resize(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8), (side, side))
    crops = [
        np.clip(texture + rng.integers(-6, 7, texture.shape), 0, 255).astype(np.uint8) for _ in range(frames)
    ]
    angles = np.linspace(0, 2 * np.pi, 81, endpoint=False)
    points = centre + box * np.stack([0.4 * np.cos(angles), 0.5 * np.sin(angles)], axis=1)

    def around(length: float) -> np.ndarray[Any, np.dtype[np.float32]]:
        corners = [*(centre - length / 2), *(centre + length / 2)]
        return np.tile(np.array(corners), (frames, 1)).astype(np.float32)

    track = FaceTrack(
        frame_indices=np.arange(frames, dtype=np.int64),
        boxes=around(box),
        scores=np.ones(frames, np.float32),
        landmarks=np.tile(points, (frames, 1, 1)).astype(np.float32),
        landmark_kind="template",
        frame_size=(320, 240),
        quality=np.ones(len(crops), np.float32),
    )
    write_faces(path, StoredFaces(crops=crops, crop_boxes=around(side), track=track))
    video = Video("ffpp", video_id, path, Label.REAL, "train", "real", "c23", (video_id,), video_id)
    return FaceFile(video, path)


def make_faces(folder: Path) -> Faces:
    """Eight training and four validation videos."""
    train = [write_face_file(folder / f"t{i}.faces", f"original/{i:03}", frames=12, seed=i) for i in range(8)]
    held_out = [
        write_face_file(folder / f"v{i}.faces", f"original/9{i:02}", frames=4, seed=90 + i) for i in range(4)
    ]
    return train, held_out


def stored_faces(folder: Path) -> Faces:
    """What `make_faces` wrote there, for other processes."""
    files = [
        FaceFile(
            Video("ffpp", f"original/{path.stem}", path, Label.REAL, "train", "real", "c23", (), path.stem),
            path,
        )
        for path in sorted(folder.glob("*.faces"))
    ]
    return (
        [file for file in files if file.path.stem.startswith("t")],
        [file for file in files if file.path.stem.startswith("v")],
    )


def request(
    faces: tuple[Sequence[FaceFile], Sequence[FaceFile]], folder: Path, *, seed: int = 1, workers: int = 0
) -> TrainingRequest:
    return TrainingRequest(
        train=faces[0],
        validation=faces[1],
        folder=folder,
        device="cpu",
        workers=workers,
        seed=seed,
        synthesizer=build_synthesizer({}),
        provenance={"manifest": "abc"},
        progress=SilentProgress(),
    )


class WritingTrainer:
    """A trainer by a recipe of this package, whose weights are written as dfbench does it."""

    def __init__(self, recipe: str, overrides: Mapping[str, str]) -> None:
        self._trainer = METHOD.trainer(recipe, overrides)
        self.recipe, self.needs, self.clips = self._trainer.recipe, self._trainer.needs, self._trainer.clips

    def fit(self, request: TrainingRequest) -> Path:
        path = request.folder / WEIGHTS
        if not path.is_file():
            trained = self._trainer.fit(request)
            if request.world.first:
                write_trained(trained, request, detector=METHOD.name, recipe=self.recipe())
                clear_checkpoints(request.folder)
        return path


make_trainer = WritingTrainer
read_header = METHOD.header


def write_network(path: Path, state: Mapping[str, torch.Tensor], header: WeightsHeader[Any]) -> None:
    """Write a weights file of FakeSTormer with this header."""
    write_weights(
        path,
        state,
        family=METHOD.name,
        recipe=header.recipe.identity(),
        trained_on=header.trained_on,
        train_compression=header.train_compression,
        provenance=header.provenance,
    )


def states_equal(one: Path, other: Path) -> bool:
    first, second = load_network(one)[0].state_dict(), load_network(other)[0].state_dict()
    return all(torch.equal(first[key], second[key]) for key in first)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


class CutError(Exception):
    """Stands for whatever ends a training."""


def cut_off_after(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """The next training ends with a CutError after so many steps."""
    original, done = MethodModule.training_step, [0]

    def step(self: MethodModule, batch: Any, batch_idx: int) -> None:
        if done[0] == steps:
            raise CutError
        done[0] += 1
        original(self, batch, batch_idx)

    monkeypatch.setattr(MethodModule, "training_step", step)
