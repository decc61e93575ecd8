"""What plugins are told of a training, as data: which one it is, and everything that is known of it by then."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OnRound = Callable[[int, Mapping[str, float]], None]  # the step, and the values that were logged in the round


def nobody(step: int, values: Mapping[str, float]) -> None:
    """Tell nobody of a round of a training."""


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
