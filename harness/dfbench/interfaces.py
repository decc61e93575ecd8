"""What a plugin's objects must be able to do, as typing.Protocol: nobody has to inherit from anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from dfbench.events import OnRound, nobody
from dfbench.specs import EvidenceMap
from dfbench.text import storable
from dfbench.types import ClipSpec, Faces, PrepareSpec, PseudoFake, Video, World

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


@dataclass(frozen=True, slots=True)
class DatasetIndex:
    """What the official files of a dataset say.

    `videos`: every expected video, in a fixed order. `problems`: one sentence for each line or entry of the
    official files that could not be used (file, line number, content, remedy). `notes`: what is right, and still
    worth knowing when numbers are read, such as a known leak between splits. Both are made `storable`, as the names of
    files in them need not be. `lists`: the official files that were read; the inventory tells their SHA-256. `unlisted`:
    splits that no list names, so that what is on disk is what is expected (without any list, all of them).
    """

    videos: tuple[Video, ...]
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    lists: tuple[Path, ...] = ()
    unlisted: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "problems", tuple(map(storable, self.problems)))
        object.__setattr__(self, "notes", tuple(map(storable, self.notes)))


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


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What a detector saw in B clips of T frames, all of it float, on the CPU.

    logits (B,): what `Detector.score` returns for these clips; frame_logits (B, T), how fake each frame is by itself,
    or None if the detector does not say; maps: each (B, T, h, w) over the whole clip, row 0 at the top, any h and w.
    """

    logits: Tensor
    frame_logits: Tensor | None
    maps: Mapping[str, Tensor]


@runtime_checkable
class Explainer(Protocol):
    """A detector that can say where and when it saw a forgery."""

    def maps(self) -> Sequence[EvidenceMap]:
        """The maps that it can make, at least one; the first is shown when nobody names another."""

    def explain(self, clips: Tensor, names: Sequence[str]) -> Evidence:
        """uint8 (B, T, H, W, 3) RGB in; evidence with the maps of these names out. What is said of a clip must not
        depend on what else is in the batch."""


@dataclass(frozen=True, slots=True)
class FaceFile:
    """A prepared video: its row and its file in the face store."""

    video: Video
    path: Path


@dataclass(frozen=True, slots=True)
class TrainingNeeds:
    """What a trainer wants the harness to prepare.

    `prepare` for the training videos and `prepare_validation` for the validation videos; `labels` are the
    labels it trains on (a detector of the pseudo-fake family takes reals only), `validation_labels` those it
    validates on (None: the same). `synthesizer_options`: what the synthesizer is built with.
    """

    prepare: PrepareSpec
    prepare_validation: PrepareSpec
    labels: frozenset[int]
    synthesizer: str = ""
    synthesizer_options: Mapping[str, str] = field(default_factory=dict)
    validation_labels: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class StartWeights:
    """A file with weights that a training starts from; `read_as` says how, where a detector knows several ways (HOW=FILE)."""

    path: Path
    read_as: str = ""


@dataclass(frozen=True, slots=True)
class Started:
    """What is known of the weights that a training started from: a sentence about them, the datasets that they had been
    trained on, and the corpora of those (None if they are unknown)."""

    says: str
    trained_on: frozenset[str] = frozenset()
    corpora: frozenset[str] | None = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """The best weights of a training, which the harness writes to a file.

    `state`: tensors by name; rank 0 alone holds them. `outcome`: how the training went, JSON-ready, stored with them.
    `family`: what can read the file, such as the name of a method ("": the detector's).
    """

    state: Mapping[str, Tensor]
    outcome: Mapping[str, Any] = field(default_factory=dict)
    started: Started | None = None
    family: str = ""


@dataclass(frozen=True, slots=True)
class TrainingRequest:
    """One training: prepared videos in, a folder to work in, everything else that decides the outcome.

    `folder` may hold the remains of an interrupted training of the same identity: go on from there.
    `synthesizer` is the one that `TrainingNeeds` named, or None. `provenance` is stored with the weights. `start`: weights
    to start from. `world`: where several processes train together, each gets this request, and
    the first one writes. `on_round` is called by the first one after each round, with the step and the values that were
    logged, so that plugins can follow the training.
    """

    train: Sequence[FaceFile]
    validation: Sequence[FaceFile]
    folder: Path
    device: str
    workers: int
    seed: int
    synthesizer: Synthesizer | None
    provenance: Mapping[str, Any]
    progress: Progress
    start: StartWeights | None = None
    world: World = field(default_factory=World)
    on_round: OnRound = nobody


@runtime_checkable
class Trainer(Protocol):
    """Trains a detector by a recipe."""

    def recipe(self) -> Mapping[str, Any]:
        """The resolved recipe, JSON-ready: part of the identity of the training."""

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


TrainerFactory = Callable[[str, Mapping[str, str]], Trainer]
