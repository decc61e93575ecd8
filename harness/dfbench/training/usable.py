"""Choose which prepared videos a training can use: those with enough frames, and with landmarks where fakes are made of them.

What is left out is named in a note; a training of which nothing is left is refused before it begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dfbench.data.clips import clip_positions
from dfbench.data.store.face_files import read_track
from dfbench.errors import RunError, TooShortError
from dfbench.exchanged import FaceFile, TrainingRequest
from dfbench.training.loaders import frame_indices
from dfbench.training.order import successive_starts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dfbench.training.recipe import Recipe


@dataclass(frozen=True, slots=True, eq=False)
class UsableVideos:
    """Holds the videos that can be trained on, and which frames of each are stored, (n,) int64."""

    files: Sequence[FaceFile]
    tracks: Sequence[NDArray[np.int64]]

    @property
    def labels(self) -> list[int]:
        """Return the label of each video, 1 for fake."""
        return [int(file.video.label) for file in self.files]


@dataclass(frozen=True, slots=True, eq=False)
class UsableClips:
    """Holds the validation videos, and their clips as (video, positions among its stored frames)."""

    files: Sequence[FaceFile]
    clips: Sequence[tuple[int, list[int]]]


def usable_training(request: TrainingRequest, recipe: Recipe) -> UsableVideos:
    """Return the training videos that can be used by this recipe. Raises RunError if there are none, or of one label only."""
    marked = request.train
    if recipe.fakes == "pseudo":
        marked = _with_landmarks(marked, "training", request, recipe)
    successive = recipe.train_sampling == "successive"
    found = _long_enough(marked, recipe.shortest_track(), "training", request, successive=successive)
    if recipe.fakes == "real" and set(found.labels) != {0, 1}:
        raise RunError("training on real fakes needs real and fake videos, and only one kind is there")
    return found


def usable_validation(request: TrainingRequest, recipe: Recipe) -> UsableClips:
    """Return the validation clips that can be used by this recipe. Raises RunError as `usable_training`."""
    if recipe.validation_fakes == "pseudo":
        marked = _with_landmarks(request.validation, "validation", request, recipe)
        found = _long_enough(marked, recipe.frames, "validation", request, successive=True)
        return UsableClips(
            found.files,
            [
                (video, list(range(start, start + recipe.frames)))
                for video, track in enumerate(found.tracks)
                for start in successive_starts(track, length=recipe.frames)
            ],
        )
    kept: list[FaceFile] = []
    clips: list[tuple[int, list[int]]] = []
    for file in request.validation:
        try:
            positions = clip_positions(frame_indices(file.path), recipe.clips())
        except TooShortError as error:
            request.progress.note(f"validation video {file.video.video_id} is left out: {error.message}")
            continue
        clips += [(len(kept), clip.tolist()) for clip in positions]
        kept.append(file)
    if {int(file.video.label) for file in kept} != {0, 1}:
        raise RunError(
            "validation on real fakes needs real and fake videos, and only one kind is there",
            hints=("validate on pseudo-fakes instead: --set validation_fakes=pseudo",),
        )
    return UsableClips(kept, clips)


def _with_landmarks(
    files: Sequence[FaceFile], role: str, request: TrainingRequest, recipe: Recipe
) -> Sequence[FaceFile]:
    """Return the videos of which pseudo-fakes can be made: all that have landmarks; the others are named.

    Raises RunError if no video has any.
    """
    found: list[FaceFile] = []
    bare: list[FaceFile] = []
    for file in files:
        landmarks = read_track(file.path).track.landmarks
        (found if landmarks.size and np.isfinite(landmarks).any() else bare).append(file)
    if not found and files:
        raise RunError(
            f"no {role} video has landmarks, which the synthesizer '{recipe.synthesizer}' needs",
            hints=(
                "prepare them with a face finder that finds five points of a face: DFBENCH_FACE_FINDER=mtcnn",
                "or train on the fakes of the data set: --synthesizer none",
            ),
        )
    if bare:
        request.progress.note(f"{len(bare)} {role} videos are left out, without landmarks: {_some(bare)}")
    return found


def _long_enough(
    files: Sequence[FaceFile], least: int, role: str, request: TrainingRequest, *, successive: bool
) -> UsableVideos:
    """Return the videos with `least` successive frames; a note names the others.

    Stored frames that are spread over a video (not `successive`) count as successive.
    """
    kept, tracks, short = [], [], []
    for file in files:
        track = frame_indices(file.path)
        if successive_starts(track, length=least) if successive else len(track) >= least:
            kept.append(file)
            tracks.append(track)
        else:
            short.append(file)
    frames = "successive frames with a face" if successive else "frames with a face"
    if short:
        request.progress.note(
            f"{len(short)} {role} videos are left out, with fewer than {least} {frames}: {_some(short)}"
        )
    if not kept:
        raise RunError(
            f"no {role} video has {least} {frames}",
            hints=("look at what was prepared: dfbench data prepare --help",),
        )
    return UsableVideos(kept, tracks)


def _some(files: Sequence[FaceFile]) -> str:
    """Return the first five names of videos, for a message."""
    return ", ".join([*(file.video.video_id for file in files[:5]), *(["..."] if len(files) > 5 else [])])
