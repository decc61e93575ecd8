"""Checks that the author of a trainable detector runs: it trains on a few made-up faces, twice the same, and then scores.

The faces are noise, so nothing is learnt; what is checked is that a training by the recipe works from prepared faces to scores,
within seconds for a small network, without any data set.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from dfbench.data.store.face_files import StoredFaces, write_faces
from dfbench.errors import PluginError, UsageError
from dfbench.exchanged import FaceFile, Trained, TrainingNeeds, TrainingRequest
from dfbench.hooks.conformance import CheckResult, check_detector
from dfbench.hooks.conformance.checking import run_check
from dfbench.hooks.conformance.files import write_video
from dfbench.hooks.detectors import card_of
from dfbench.hooks.recipe_names import recipe_names
from dfbench.hooks.registry import load_object
from dfbench.interfaces import ProgressTask, Trainer
from dfbench.progress import SilentProgress
from dfbench.specs import LoadOptions
from dfbench.training.state_files import read_safetensors
from dfbench.training.weights_file import write_trained
from dfbench.types import FaceTrack, Label, PrepareSpec, Video

if TYPE_CHECKING:
    from dfbench.hooks.registry import Registry
    from dfbench.interfaces import Synthesizer, TrainerFactory
    from dfbench.specs import DetectorSpec

DATASET = "made_up"
SHORT = {"epochs": "2", "batch": "2", "validate_every": "1", "checkpoint_steps": "1"}
"""What makes a training by any recipe short."""

FIRST = "first"  # the folder of the training whose weights are looked at
_VIDEOS = 2  # of each label
_SIDE, _BOX = 96, 48.0  # of a stored crop and of the face in it, in pixels
_CUT_AT = 3  # the step in which the training is interrupted, which is not in the first round


class CutError(Exception):
    """Ends a training in the middle."""


class Cutting(SilentProgress):
    """Ends a training after so many steps."""

    def __init__(self, steps: int) -> None:
        self._left = steps

    @contextmanager
    def task(self, description: str, total: int | None = None) -> Iterator[ProgressTask]:
        """Count the steps of every task."""
        del description, total
        yield self

    def advance(self, count: int = 1, note: str = "") -> None:
        """Take a step."""
        del note
        self._left -= count
        if self._left < 0:
            raise CutError


def check_training(
    spec: DetectorSpec,
    registry: Registry,
    *,
    recipe: str = "",
    overrides: Mapping[str, str] | None = None,
    device: str = "cpu",
    synthesizer: str = "",
) -> list[CheckResult]:
    """Train a detector on made-up faces by `recipe` ("": its demo recipe), shortened and with `overrides`; then score with it.

    `synthesizer`: the one to train with in place of the recipe's, "none" for real fakes, as `dfbench train --synthesizer`.

    Checks that it trains, that weights say what they were trained on, that a second training and one that is interrupted end
    with the same weights, and all that `check_detector` does. Raises UsageError if the detector cannot be trained.
    """
    if not spec.trainer:
        raise UsageError(
            f"detector {spec.name!r} cannot be trained", hints=("give its weights: --weights FILE",)
        )
    trainer = cast("TrainerFactory", load_object(spec.trainer))(
        recipe or recipe_names(spec).demo,
        {**(SHORT if spec.method else {}), **(overrides or {})},  # fields of any method's recipe
        **({"synthesizer": synthesizer} if synthesizer else {}),
    )
    made_by = _synthesizer(trainer.needs(), registry)
    with tempfile.TemporaryDirectory(prefix="dfbench-check-") as scratch:
        train, validation = made_faces(Path(scratch), trainer.needs())
        asked = TrainingRequest(
            train=train,
            validation=validation,
            folder=Path(scratch) / FIRST,
            device=device,
            workers=0,
            seed=0,
            synthesizer=made_by,
            provenance={},
            progress=SilentProgress(),
        )
        return _checks(spec, trainer, asked)


def _checks(spec: DetectorSpec, trainer: Trainer, asked: TrainingRequest) -> list[CheckResult]:
    scratch = asked.folder.parent

    def trained(name: str) -> Path:
        return _fit(spec, trainer, replace(asked, folder=scratch / name))

    def goes_on() -> str:
        with suppress(CutError):
            _fit(spec, trainer, replace(asked, folder=scratch / "cut", progress=Cutting(_CUT_AT)))
        return compared(trained("cut"))

    def compared(other: Path) -> str:
        first, second = (read_safetensors(path, hints=()) for path in (weights[0], other))
        differing = [name for name in first if not first[name].equal(second[name])]
        return f"other weights came out, first in {differing[0]}" if differing else ""

    def says() -> str:
        card = card_of(spec, LoadOptions(weights[0]))
        return (
            ""
            if card.trained_on == frozenset({DATASET})
            else f"its card says it was trained on {card.trained_on}"
        )

    def trains() -> str:
        weights.append(trained(FIRST))
        return ""

    weights: list[Path] = []
    results = [run_check("trains", trains)]
    if not weights:
        return results
    results.append(run_check("its weights say what it was trained on", says))
    cut = run_check("goes on after a cut to the same weights", goes_on)
    # What came to the same weights by two trainings, the second of them cut, needs no third.
    again = run_check("trains the same again", lambda: "" if cut.passed else compared(trained("again")))
    results += [again, cut]
    return results + check_detector(spec, device=asked.device, weights=weights[0])


def _fit(spec: DetectorSpec, trainer: Trainer, asked: TrainingRequest) -> Path:
    """Train in `asked.folder`; returns the weights file."""
    asked.folder.mkdir(exist_ok=True)
    returned: object = trainer.fit(asked)
    if isinstance(returned, Trained):
        return write_trained(returned, asked, detector=spec.name, recipe=trainer.recipe())
    if not isinstance(returned, Path) or not returned.is_file():
        raise PluginError(f"fit() returned {returned!r}, neither `Trained` nor the path of a weights file")
    return returned


def _synthesizer(needs: TrainingNeeds, registry: Registry) -> Synthesizer | None:
    if not needs.synthesizer:
        return None
    build = cast("Any", load_object(registry.synthesizer(needs.synthesizer).build))
    return cast("Synthesizer", build(needs.synthesizer_options))


def made_faces(folder: Path, needs: TrainingNeeds) -> tuple[list[FaceFile], list[FaceFile]]:
    """Write a few made-up videos, and face files as `needs` asks for them; returns those for training and for validation."""
    both = {"train": (needs.prepare, needs.labels)}
    both["val"] = (needs.prepare_validation, needs.validation_labels or needs.labels)
    files: dict[str, list[FaceFile]] = {"train": [], "val": []}
    for split, (spec, labels) in both.items():
        for label in sorted(labels):
            for number in range(_VIDEOS):
                video_id = f"{split}-{label}-{number}"
                path = folder / f"{video_id}.faces"
                seed = [len(split), label, number]
                write_faces(path, _face(spec, np.random.default_rng(seed)))
                video_path = folder / f"{video_id}.mp4"
                write_video(video_path, size=32 + 16 * label, frames=4 + number, seed=seed)
                manipulation = "real" if label == Label.REAL else "made"
                video = Video(
                    DATASET,
                    video_id,
                    video_path,
                    Label(label),
                    split,
                    manipulation,
                    "",
                    (video_id,),
                    video_id,
                )
                files[split].append(FaceFile(video, path))
    return files["train"], files["val"]


def _face(spec: PrepareSpec, rng: np.random.Generator) -> StoredFaces:
    """A smooth random texture with an ellipse of landmarks, in enough successive frames for two clips."""
    import cv2

    frames = min(spec.frames.count * spec.frames.length, 2 * spec.frames.clip_length)
    texture = cv2.resize(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8), (_SIDE, _SIDE)).astype(np.int16)
    noise = rng.integers(-6, 7, (frames, *texture.shape))
    crops = list(np.clip(texture + noise, 0, 255).astype(np.uint8))
    centre = np.array([160.0, 120.0])
    angles = np.linspace(0, 2 * np.pi, 81 if spec.landmarks else 0, endpoint=False)
    points = centre + _BOX * np.stack([0.4 * np.cos(angles), 0.5 * np.sin(angles)], axis=1)

    def around(length: float) -> np.ndarray[Any, np.dtype[np.float32]]:
        return np.tile(np.concatenate([centre - length / 2, centre + length / 2]), (frames, 1)).astype(
            np.float32
        )

    track = FaceTrack(
        frame_indices=np.arange(frames, dtype=np.int64),
        boxes=around(_BOX),
        scores=np.ones(frames, np.float32),
        landmarks=np.tile(points, (frames, 1, 1)).astype(np.float32),
        landmark_kind="template" if spec.landmarks else "none",
        frame_size=(320, 240),
        quality=np.ones(frames, np.float32),
    )
    return StoredFaces(crops=crops, crop_boxes=around(float(_SIDE)), track=track)
