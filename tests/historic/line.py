"""The second plugin of the historic files: a detector that dfbench trains, and a protocol that tests one data set twice.

As toy.py, it is part of what the files were made by, so that no spec in it may change.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from torch import nn

from dfbench import ClipSpec, DetectorSpec, ProtocolSpec, TestSet, TrainingFacts, VideoSelection, hookimpl
from dfbench.training import Method, Recipe, drawing_from

if TYPE_CHECKING:
    from collections.abc import Mapping

CUT = "HISTORIC_CUT_TRAINING"  # the environment's: at which step a training is interrupted, once it is stored
FITTED = Path("fitted.log")  # below the working directory: a line for each round that was trained


class LineRecipe(Recipe):
    """Any training."""

    package: ClassVar[str] = "tests.historic.recipes"


def network(recipe: LineRecipe, *, seed: int) -> nn.Module:
    """Build a linear layer on clips (B, 3, T, S, S), with one number a clip."""
    with drawing_from(seed):
        return nn.Sequential(nn.Flatten(), nn.Linear(3 * recipe.frames * recipe.size**2, 1))


METHOD = Method(name="historic_line", recipe=LineRecipe, network=network)


@hookimpl
def dfbench_detectors() -> list[DetectorSpec]:
    """Offer the detectors."""
    return [
        DetectorSpec(
            name="historic_line",
            summary="A linear layer.",
            method=f"{__name__}:METHOD",
            recipes=("small",),
            clips=ClipSpec(frames=2, size=8, per_video=2, margin=0.25),
        ),
        DetectorSpec(
            name="historic_dim",
            summary="Bright is fake, on the frames that the linear layer wants.",
            build="tests.historic.toy:Brightness",
            clips=ClipSpec(frames=2, size=16, per_video=2),
            trained_on=frozenset(),
        ),
    ]


@hookimpl
def dfbench_protocols() -> list[ProtocolSpec]:
    """Offer the protocol."""
    return [
        ProtocolSpec(
            name="historic-twice",
            summary="Train, validate and test on the splits of one's own list, and on a second one under a name.",
            train=VideoSelection("folder", ("train",)),
            validation=VideoSelection("folder", ("val",)),
            tests=(
                VideoSelection("folder", ("test",)),
                TestSet(VideoSelection("folder", ("later",)), name="later-ones"),
            ),
        )
    ]


@hookimpl
def dfbench_training_round(plan: TrainingFacts, step: int, values: Mapping[str, float]) -> None:
    """Log the round, and raise KeyboardInterrupt if this is the step at which the environment wants it."""
    del plan, values
    with FITTED.open("a", encoding="utf-8") as log:
        log.write(f"{step}\n")
    if os.environ.get(CUT) == str(step):
        raise KeyboardInterrupt
