"""What plugins are told of a run or a training, as data: which one it is, and everything that is known of it by then."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OnRound = Callable[[int, Mapping[str, float]], None]  # the step, and the values that were logged in the round


def nobody(step: int, values: Mapping[str, float]) -> None:
    """Tell nobody of a round of a training."""


@dataclass(frozen=True, slots=True, eq=False)
class RunFacts:
    """A run, as its record says. `identity`: hex digits that change with everything that can change a score.

    `entry` is its name on a board; `tests` are the keys of its tests; `seed` is that of the training, or of a detector without
    weights that of the command, None if unknown. `record`: the whole content of `run.json` by now, JSON-ready.
    """

    identity: str
    entry: str
    detector: str
    protocol: str
    corpus: str
    tests: tuple[str, ...]
    seed: int | None
    record: Mapping[str, Any]

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> RunFacts:
        """The facts in the record of a run of this version."""
        return cls(
            identity=str(record["identity"]),
            entry=str(record["entry"]),
            detector=str(record["detector"]["name"]),
            protocol=str(record["protocol"]),
            corpus=str(record["corpus"]),
            tests=tuple(record["datasets"]),
            seed=record.get("training_seed"),
            record=record,
        )


@dataclass(frozen=True, slots=True, eq=False)
class TrainingFacts:
    """A training. `identity`: everything that can change its weights, JSON-ready; `folder`: where it works and leaves them.

    `recipe` is a name; `train` and `validation` count the videos that can be used.
    """

    detector: str
    recipe: str
    corpus: str
    seed: int
    device: str
    folder: Path
    train: int
    validation: int
    identity: Mapping[str, Any]
