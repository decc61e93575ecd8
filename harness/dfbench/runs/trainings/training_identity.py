"""What decides the weights that a training leaves: the digest of it names the folder of the training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dfbench.exchanged import TrainingNeeds
from dfbench.identity import identity_of, neutral
from dfbench.runs.records.provenance import run_identity
from dfbench.types import CROPPING, TRAINING_LOOP


@dataclass(frozen=True, slots=True)
class SynthesizerVersion:
    """Which synthesizer makes the pseudo-fakes of a training, and its version; its options stand in the needs."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class StartingWeights:
    """The weights file that a training starts from: the SHA-256 (hex) of it, and as what the detector reads it."""

    read_as: str
    sha256: str


@dataclass(frozen=True, slots=True)
class TrainingIdentity:
    """Everything that decides the weights of a training.

    `version`: of the detector. `recipe`: as its trainer gives it. `train` and `validation`: digests of the lists of videos,
    `files`: that of their files. `loop`: the version of what dfbench itself does in a training.
    """

    detector: str
    version: str
    recipe: Mapping[str, Any]
    corpus: str
    train: str
    validation: str
    files: str
    needs: TrainingNeeds
    seed: int
    cropping: int = CROPPING
    synthesizer: SynthesizerVersion | None = field(default=None, metadata=neutral(None))
    start: StartingWeights | None = field(default=None, metadata=neutral(None))
    loop: int = field(default=TRAINING_LOOP, metadata=neutral(1))

    def to_json(self) -> dict[str, Any]:
        """The fields that count, JSON-ready, as the record of the training and its weights keep them."""
        # Sets as their text, which the records of all earlier versions have.
        stored: dict[str, Any] = json.loads(json.dumps(identity_of(self), default=str))
        return stored

    def digest(self) -> str:
        """Twelve hex digits that change with whatever can change the weights."""
        return run_identity(**identity_of(self))[:12]
