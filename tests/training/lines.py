"""The smallest method: a linear layer on 8 x 8 clips of two frames, with recipes in `tests/training/recipes`.

Fakes are brighter in one corner. `faces_of` writes the face files of real and fake videos that it is trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dfbench import FaceFile, FaceTrack, Label, PseudoFake, SynthesisError, TrainingRequest, Video
from dfbench.data import StoredFaces
from dfbench.data.store.face_files import write_faces
from dfbench.progress import SilentProgress
from dfbench.training import Method, Recipe, drawing_from
from dfbench.training.weights_file import WEIGHTS, write_trained

SIDE = 32  # of a stored crop, of which the inner half is the face box
NAMES = {Label.REAL: "real", Label.FAKE: "forged"}


class LineRecipe(Recipe):
    """Any training, and how much of the features is dropped."""

    package: ClassVar[str] = "tests.training.recipes"
    dropout: float = 0


class Line(nn.Module):
    """(B, 3, 2, 8, 8) to (B, 1), behind a batch norm."""

    def __init__(self, recipe: LineRecipe) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(3 * recipe.frames * recipe.size**2)
        self.drop = nn.Dropout(recipe.dropout)
        self.line = nn.Linear(3 * recipe.frames * recipe.size**2, 1)

    def forward(self, clips: Tensor) -> Tensor:
        """One number a clip."""
        line: Tensor = self.line(self.drop(self.norm(clips.flatten(1))))
        return line


def network(recipe: LineRecipe, *, seed: int) -> Line:
    with drawing_from(seed):
        return Line(recipe)


METHOD = Method(name="line", recipe=LineRecipe, network=network)


def line_recipe(**fields: Any) -> LineRecipe:
    """The recipe `demo`, with fields changed."""
    return LineRecipe.parse({**LineRecipe.load("demo").model_dump(), **fields})


class Brighter:
    """Makes a pseudo-fake of a clip by a brighter corner; fails the first `failures` times."""

    def __init__(self, failures: int = 0) -> None:
        self.failures, self.calls = failures, 0

    def synthesize(self, frames: Any, landmarks: Any, rng: np.random.Generator) -> PseudoFake:
        del landmarks, rng
        self.calls += 1
        if self.calls <= self.failures:
            raise SynthesisError("not now")
        fake = frames.copy()
        fake[:, :12, :12] = np.clip(fake[:, :12, :12].astype(int) + 60, 0, 255)
        return PseudoFake(frames, fake, np.ones(frames.shape[:3], np.float32))


def write_face(
    path: Path,
    label: Label,
    *,
    seed: int,
    frames: int = 6,
    landmarks: NDArray[np.floating] | None = None,
) -> FaceFile:
    """The face file of one video, with the same `landmarks` (n, 2) in every frame."""
    points = np.full((81, 2), 16) if landmarks is None else landmarks
    rng = np.random.default_rng([5, seed])
    crops = [rng.integers(40, 180, (SIDE, SIDE, 3), dtype=np.uint8) for _ in range(frames)]
    if label is Label.FAKE:
        for crop in crops:
            crop[: SIDE // 2, : SIDE // 2] += 60
    boxes = np.tile(np.array([8, 8, 24, 24], np.float32), (frames, 1))
    track = FaceTrack(
        frame_indices=np.arange(frames, dtype=np.int64),
        boxes=boxes,
        scores=np.ones(frames, np.float32),
        landmarks=np.repeat(points[None], frames, axis=0).astype(np.float32),
        landmark_kind="template",
        frame_size=(SIDE, SIDE),
        quality=np.ones(frames, np.float32),
    )
    whole = np.tile(np.array([0, 0, SIDE, SIDE], np.float32), (frames, 1))
    write_faces(path, StoredFaces(crops=crops, crop_boxes=whole, track=track))
    name = f"{NAMES[label]}/{path.stem}"
    return FaceFile(Video("toys", name, path, label, "train", NAMES[label], "c23", (), name), path)


def faces_of(folder: Path, *, reals: int, fakes: int, seed: int) -> list[FaceFile]:
    """Videos of both labels."""
    labels = [Label.REAL] * reals + [Label.FAKE] * fakes
    return [
        write_face(folder / f"{seed}-{number}.faces", label, seed=1000 * seed + number)
        for number, label in enumerate(labels)
    ]


def request(
    train: Sequence[FaceFile], validation: Sequence[FaceFile], folder: Path, **changes: Any
) -> TrainingRequest:
    """A training of these videos in this folder."""
    asked = TrainingRequest(
        train=train,
        validation=validation,
        folder=folder,
        device="cpu",
        workers=0,
        seed=1,
        synthesizer=None,
        provenance={},
        progress=SilentProgress(),
    )
    return replace(asked, **changes)


def trained(asked: TrainingRequest, **fields: Any) -> Path:
    """Train by the recipe `demo` with fields changed, and write the weights as dfbench does."""
    trainer = METHOD.trainer("demo", {name: str(value) for name, value in fields.items()})
    write_trained(trainer.fit(asked), asked, detector=METHOD.name, recipe=trainer.recipe())
    return asked.folder / WEIGHTS


def states_equal(first: Path, second: Path) -> bool:
    """True if two weights files hold the same numbers."""
    states = [METHOD.load(path)[0].state_dict() for path in (first, second)]
    return all(torch.equal(states[0][name], states[1][name]) for name in states[0])
