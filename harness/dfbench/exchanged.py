"""What plugins and the harness hand to one another, as frozen dataclasses; `interfaces` says who does what with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dfbench.events import OnRound, nobody
from dfbench.text import storable
from dfbench.types import PrepareSpec, Video, World

if TYPE_CHECKING:
    from torch import Tensor

    from dfbench.interfaces import Progress, Synthesizer


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


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What a detector saw in B clips of T frames, all of it float, on the CPU.

    logits (B,): what `Detector.score` returns for these clips; frame_logits (B, T), how fake each frame is by itself,
    or None if the detector does not say; maps: each (B, T, h, w) over the whole clip, row 0 at the top, any h and w.
    """

    logits: Tensor
    frame_logits: Tensor | None
    maps: Mapping[str, Tensor]


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
    to start from. `world`: where several processes train together, each gets this request, and the first one writes.
    `on_round` is called by the first one after each round, with the step and the values that were logged, so that plugins
    can follow the training.
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
