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

    `recipe` is a name; `train` and `validation` count the videos that can be used. `dataset` and `compression`: what it trains
    on, as the record of the training and that of a run with its weights say it; "" where the dataset has no compressions.
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
    dataset: str = ""
    compression: str = ""
