"""Define the methods that objects of plugins must have, as typing.Protocol classes; no plugin has to inherit from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from dfbench.exchanged import (
    DatasetIndex,
    Evidence,
    StartWeights,
    Trained,
    TrainingNeeds,
    TrainingRequest,
)
from dfbench.specs import EvidenceMap
from dfbench.types import ClipSpec, Faces, PseudoFake

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


class ProgressTask(Protocol):
    """Shows the progress of one task."""

    def advance(self, count: int = 1, note: str = "") -> None:
        """Advance the bar by `count` units, and show `note` (a loss, a file name) beside it."""


class Progress(Protocol):
    """Receives progress and messages of long steps. The command line shows them as bars; the Python API discards them by
    default.
    """

    def task(self, description: str, total: int | None = None) -> AbstractContextManager[ProgressTask]:
        """Return a context manager that shows a bar of `total` units (None: unknown) until it exits."""

    def note(self, message: str) -> None:
        """Print one line above the bars."""


@runtime_checkable
class Dataset(Protocol):
    """Reads a dataset on disk."""

    def index(self) -> DatasetIndex:
        """Parse the official files, without opening a video, and return the expected videos. Raises LayoutError for a wrong
        root.
        """


@runtime_checkable
class FaceFinder(Protocol):
    """Finds faces in frames."""

    def find(self, frames: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        """Return the faces of each frame, (H, W, 3) uint8 RGB, in order; an empty `Faces` for a frame without a face."""


@runtime_checkable
class ThoroughFaceFinder(FaceFinder, Protocol):
    """Finds faces quickly, possibly missing some, and can search for all of them."""

    def of_video(self) -> ThoroughFaceFinder:
        """Return a finder for the successive frames of one video, which may use earlier frames to decide where to search."""

    def find_all(self, frames: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        """Return the faces of any size in each frame. Boxes of faces that `find` also returns may differ from those."""


@runtime_checkable
class Synthesizer(Protocol):
    """Makes pseudo-fake clips from real ones."""

    def synthesize(
        self, frames: NDArray[np.uint8], landmarks: NDArray[np.float32], rng: np.random.Generator
    ) -> PseudoFake:
        """Return a pseudo-fake of frames (T, H, W, 3) uint8 RGB with landmarks (T, 81, 2) float32 in pixels of the frames.

        Draw all randomness from `rng`. Raise SynthesisError if no pseudo-fake can be made of this clip: the training then
        draws again, and uses another clip after a few attempts.
        """


class OtherFaces(Protocol):
    """Provides the faces of people who are not in a clip, from the videos of a training.

    All are cut like the clip: the frames have the same size, and the face box lies at the same place.
    """

    def __len__(self) -> int:
        """Return the number n of faces."""

    def landmarks(self, faces: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the landmarks (k, 81, 2), in pixels of their frames, of the faces with indices (k,) from 0 to n - 1."""

    def clip(self, face: int, frames: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Return a clip of `frames` stored frames that starts at a face: frames (T, H, W, 3) uint8 RGB and landmarks (T, 81,
        2).

        It starts earlier if the video ends too soon; of a video that is shorter still, the last frame is repeated.
        """


@runtime_checkable
class BlendsOtherFaces(Synthesizer, Protocol):
    """Makes pseudo-fakes by blending the faces of other people into a clip; without them, `synthesize` raises SynthesisError."""

    def among(self, faces: OtherFaces) -> Synthesizer:
        """Return the synthesizer for clips of one person, which takes the faces of other people from `faces`."""


@runtime_checkable
class Detector(Protocol):
    """Scores clips. `score` is the only method that a detector must have."""

    def score(self, clips: Tensor) -> Tensor:
        """Return the logit of "fake" (B,), float, of clips (B, T, H, W, 3) uint8 RGB.

        The score of a clip must not depend on the other clips of the batch.
        """


@runtime_checkable
class ScoresFiles(Protocol):
    """Scores video files as they are; it has this method in place of `Detector.score`, and sees no clips.

    The videos that it is asked about are those in which a face was found, as for any other detector.
    """

    def score_files(self, paths: Sequence[Path]) -> Tensor:
        """Return the logit of "fake" (B,), float, of each video file (or folder of frames) at `paths`.

        The score of a file must not depend on the other files. Raise VideoError for a file that has no score.
        """


@runtime_checkable
class Explainer(Protocol):
    """Explains where and when a detector found signs of a forgery."""

    def maps(self) -> Sequence[EvidenceMap]:
        """Return the kinds of maps that it offers, at least one; the first is shown if the user selects none."""

    def explain(self, clips: Tensor, names: Sequence[str]) -> Evidence:
        """Return the evidence in clips (B, T, H, W, 3) uint8 RGB, with the maps called `names`.

        The evidence for a clip must not depend on the other clips of the batch.
        """


@runtime_checkable
class Trainer(Protocol):
    """Trains a detector by a recipe."""

    def recipe(self) -> Mapping[str, Any]:
        """Return the resolved recipe, JSON-ready. It is part of the identity of the training.

        Leave out fields that were added later and have their neutral value (`dfbench.identity_of` does that): stored weights
        then keep their identity.
        """

    def needs(self) -> TrainingNeeds:
        """Return what the harness must prepare for the training."""

    def fit(self, request: TrainingRequest) -> Trained | Path:
        """Train, or continue an interrupted training, and return the best weights; the harness writes them to a file.

        A trainer whose weights are not tensors by name writes the file itself, under any name in `request.folder`, and returns
        its path.
        """


@runtime_checkable
class NeedsStart(Protocol):
    """Checks, before any video is prepared, whether a training lacks weights to start from. Optional for trainers."""

    def require_start(self) -> None:
        """Raise WeightsError if this recipe cannot train from random weights; it is called if the user gives no weights to
        start from.
        """


@runtime_checkable
class ChecksStart(Protocol):
    """Checks, before any video is prepared, whether a training can start from given weights. Optional for trainers."""

    def check_start(self, start: StartWeights) -> None:
        """Raise WeightsError or UsageError if the training cannot start from `start`."""


@runtime_checkable
class ChoosesClips(Protocol):
    """Says which clips its weights will score. Optional for trainers; without it, the clips of the detector's spec apply."""

    def clips(self) -> ClipSpec:
        """Return the clips that weights trained by this recipe score."""


TrainerFactory = Callable[..., Trainer]
"""Has the signature `(recipe: str, overrides: Mapping[str, str]) -> Trainer`. If users may choose the synthesizer, there is a
third parameter `synthesizer: str = ""`: its name, "none" for the fakes of the dataset, or "" for that of the recipe."""
