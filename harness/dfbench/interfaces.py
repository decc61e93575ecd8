"""What a plugin's objects must be able to do, as typing.Protocol: nobody has to inherit from anything."""

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
    """One bar."""

    def advance(self, count: int = 1, note: str = "") -> None:
        """Move the bar by `count`; `note` is shown beside it (a loss, a file name)."""


class Progress(Protocol):
    """Where long steps report to; the command line passes one with rich bars, the API a silent one."""

    def task(self, description: str, total: int | None = None) -> AbstractContextManager[ProgressTask]:
        """A bar for `total` units, removed or kept finished when the context ends."""

    def note(self, message: str) -> None:
        """Print one line above the bars."""


@runtime_checkable
class Dataset(Protocol):
    """A dataset on disk."""

    def index(self) -> DatasetIndex:
        """Parse the official files. Does not touch the videos. Raises LayoutError if the root is wrong."""


@runtime_checkable
class FaceFinder(Protocol):
    """Finds faces in frames."""

    def find(self, frames: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        """Faces of each (H, W, 3) uint8 RGB frame; an empty `Faces` where there is none."""


@runtime_checkable
class ThoroughFaceFinder(FaceFinder, Protocol):
    """A face finder that, to be quick, may leave out some faces, and can look for them."""

    def of_video(self) -> ThoroughFaceFinder:
        """A finder for the frames of one video in their order: where it looks may depend on what it saw in earlier ones."""

    def find_all(self, frames: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        """As `find`, with faces of any size; those that `find` gives as well may have other boxes."""


@runtime_checkable
class Synthesizer(Protocol):
    """Makes pseudo-fake clips out of real ones."""

    def synthesize(
        self, frames: NDArray[np.uint8], landmarks: NDArray[np.float32], rng: np.random.Generator
    ) -> PseudoFake:
        """Make a pseudo-fake of frames (T, H, W, 3) uint8 RGB with landmarks (T, 81, 2) float32 in their pixels.

        All randomness comes from `rng`. Raises SynthesisError if none can be made of this clip; a training then draws
        anew, and after a few attempts takes another clip.
        """


@runtime_checkable
class Detector(Protocol):
    """A detector at test time: this one method is the whole contract."""

    def score(self, clips: Tensor) -> Tensor:
        """uint8 (B, T, H, W, 3) RGB in; float (B,) logit of "fake" out. A clip's score must not depend on
        what else is in the batch."""


@runtime_checkable
class Explainer(Protocol):
    """A detector that can say where and when it saw a forgery."""

    def maps(self) -> Sequence[EvidenceMap]:
        """The maps that it can make, at least one; the first is shown when nobody names another."""

    def explain(self, clips: Tensor, names: Sequence[str]) -> Evidence:
        """uint8 (B, T, H, W, 3) RGB in; evidence with the maps of these names out. What is said of a clip must not
        depend on what else is in the batch."""


@runtime_checkable
class Trainer(Protocol):
    """Trains a detector by a recipe."""

    def recipe(self) -> Mapping[str, Any]:
        """The resolved recipe, JSON-ready: part of the identity of the training, but for fields that were added since and hold
        their neutral value (`dfbench.identity_of`)."""

    def needs(self) -> TrainingNeeds:
        """What to prepare."""

    def fit(self, request: TrainingRequest) -> Trained | Path:
        """Train, or go on with an interrupted training; returns the best weights, which the harness writes to a file.

        A trainer whose weights are no tensors by name writes them itself, under any name inside of `request.folder`, and
        returns the path.
        """


@runtime_checkable
class ChecksStart(Protocol):
    """A trainer that tells before anything is prepared whether it can start from given weights."""

    def check_start(self, start: StartWeights) -> None:
        """Raises WeightsError or UsageError if it cannot start from `start`, as in `TrainingRequest`."""


@runtime_checkable
class ChoosesClips(Protocol):
    """A trainer whose recipe decides which clips its weights score; those of others score what their detector's spec says."""

    def clips(self) -> ClipSpec:
        """The clips that weights trained by this recipe score."""


TrainerFactory = Callable[..., Trainer]
"""`(recipe: str, overrides: Mapping[str, str]) -> Trainer`. One whose users may choose the synthesizer has a third parameter
`synthesizer: str`: the name, "none" for the fakes of the data set; left out for what the recipe says."""
