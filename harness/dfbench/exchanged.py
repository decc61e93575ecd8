"""Define what plugins and the harness pass to each other, as frozen dataclasses; `interfaces` defines the methods that do so."""

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
    """Holds what the official files of a dataset list.

    `videos` contains every expected video, in a fixed order. `problems` has one sentence for each line or entry of the
    official files that could not be used: file, line number, content, remedy. `notes` states facts that matter when results
    are read but are no error, such as a known leak between splits. `lists` are the official files that were read; `dfbench
    data check` prints their SHA-256. `unlisted` names splits that no list covers, for which the videos on disk are the
    expected ones.

    Problems and notes may quote names of files, so both are converted by `storable`.
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
    """Holds what an explainer found in B clips of T frames, as float tensors on the CPU.

    `logits` (B,) are what `Detector.score` returns for these clips. `frame_logits` (B, T) rate each frame by itself, or are
    None if the detector cannot do that. `maps` holds tensors (B, T, h, w) by name; they cover the whole clip, row 0 is the
    top, and h and w may be any size.
    """

    logits: Tensor
    frame_logits: Tensor | None
    maps: Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class FaceFile:
    """Holds a prepared video: the video and the path of its file in the face store."""

    video: Video
    path: Path


@dataclass(frozen=True, slots=True)
class TrainingNeeds:
    """States what a trainer needs to have prepared.

    `prepare` applies to the training videos, `prepare_validation` to the validation videos. `labels` selects the training
    videos by label (detectors trained on pseudo-fakes use real videos only), `validation_labels` the validation videos (None:
    the same labels). `synthesizer` names the synthesizer to build, with `synthesizer_options`; "" builds none.

    The fields are flat, not grouped by part, because they are part of the identity of every stored training: another shape
    would orphan weights.
    """

    prepare: PrepareSpec
    prepare_validation: PrepareSpec
    labels: frozenset[int]
    synthesizer: str = ""
    synthesizer_options: Mapping[str, str] = field(default_factory=dict)
    validation_labels: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class StartWeights:
    """Names a weights file that a training starts from. `read_as` says how to read it, if the detector knows several ways.

    On the command line: `--start FILE`, or `--start HOW=FILE`.
    """

    path: Path
    read_as: str = ""


@dataclass(frozen=True, slots=True)
class Started:
    """Describes the weights that a training started from.

    `says` is a sentence about them. `trained_on` names the datasets that they had been trained on, `corpora` the corpora of
    these (None if unknown).
    """

    says: str
    trained_on: frozenset[str] = frozenset()
    corpora: frozenset[str] | None = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """Holds the best weights of a training, which the harness writes to a file.

    `state` maps names to tensors; only rank 0 fills it. `outcome` describes how the training went; it must be JSON-ready and
    is stored with the weights. `started` describes the weights that the training started from, if any. `family` says what can
    read the file, such as the name of a method; "" is the name of the detector.
    """

    state: Mapping[str, Tensor]
    outcome: Mapping[str, Any] = field(default_factory=dict)
    started: Started | None = None
    family: str = ""


@dataclass(frozen=True, slots=True)
class TrainingRequest:
    """Asks a trainer for one training: prepared videos, a folder to work in, and all settings that affect the result.

    `train` and `validation` are the usable videos of the two sets. `folder` may contain checkpoints of an interrupted training
    with the same identity; the trainer continues from there. `device` is the device of this process ("cpu", "cuda:1"),
    `workers` the number of processes that may load data. `synthesizer` is the one that `TrainingNeeds` named, or None.
    `provenance` (JSON-ready) is to be stored with the weights by a trainer that writes them itself. `start`: weights to start
    from.

    `world`: rank and size of the process group. Every rank receives this request; rank 0 writes the files. `on_round(step,
    values)` is called by rank 0 after each round, with the number of optimiser steps and the logged values, so that other
    plugins can follow the training.
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
