"""Define the hooks of dfbench. This file is the reference for authors of plugins.

A plugin is a module (or any object) registered under the entry-point group `dfbench`. It implements a hook by a function of
the same name, marked with `@hookimpl`; implement as many hooks as you need. Hooks that offer something return specs, which are
data: they must not read files, import torch or load weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    import pandas as pd
    import typer

    from dfbench.events import TrainingFacts
    from dfbench.runs.records.record import RunRecord
    from dfbench.specs import (
        CorpusSpec,
        DatasetSpec,
        DetectorSpec,
        FaceFinderSpec,
        ProtocolSpec,
        SynthesizerSpec,
    )

PROJECT = "dfbench"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def dfbench_datasets() -> Iterable[DatasetSpec]:  # type: ignore[empty-body] # a hookspec has no body
    """Return the datasets that the plugin offers. Do not read files: `DatasetSpec.build` is called when one is used."""


@hookspec
def dfbench_corpora() -> Iterable[CorpusSpec]:  # type: ignore[empty-body]
    """Return sets of datasets that this machine can generate, such as the demo corpora."""


@hookspec
def dfbench_synthesizers() -> Iterable[SynthesizerSpec]:  # type: ignore[empty-body]
    """Return generators of pseudo-fake clips, which detectors are trained with."""


@hookspec
def dfbench_detectors() -> Iterable[DetectorSpec]:  # type: ignore[empty-body]
    """Return detectors. Do not load weights: `DetectorSpec.build` is called when one is used."""


@hookspec
def dfbench_protocols() -> Iterable[ProtocolSpec]:  # type: ignore[empty-body]
    """Return evaluation protocols: which videos to train, validate and test on."""


@hookspec
def dfbench_face_finders() -> Iterable[FaceFinderSpec]:  # type: ignore[empty-body]
    """Return face finders for the preparation of videos."""


@hookspec
def dfbench_commands(cli: typer.Typer) -> None:
    """Add commands to `cli`, the typer application of `dfbench`, for example with `@cli.command()`.

    This is called whenever the command line starts, so import heavy modules only inside the body of a command.
    """


# Events. A plugin names those of the arguments that it wants. Each gets copies of its own, what it raises is a warning, and
# what it listens to goes on. A run or a training that started is finished or failed in the end, unless the process is killed;
# one that was complete before is not told of.


@hookspec
def dfbench_run_started(run: RunRecord, folder: Path, plan: dict[str, object]) -> None:
    """Called when scoring starts, or goes on where it was cut off.

    `run`: its record so far; `folder`: where it is stored. `plan` is the same record as the JSON of `run.json`, as in earlier
    versions (`run.to_json()`).
    """


@hookspec
def dfbench_run_finished(run: RunRecord, folder: Path, table: pd.DataFrame, result: pd.DataFrame) -> None:
    """Called when a run is complete, and its files are written. `table` is its result table, and so is `result`, as it was
    called in earlier versions."""


@hookspec
def dfbench_run_failed(run: RunRecord, folder: Path, error: BaseException) -> None:
    """Called when a run ends early: by an error, or by KeyboardInterrupt.

    `run`: its record as it ended, where `run.error` says why; it is "complete" if only its table could not be made. The folder
    is gone if nothing was scored.
    """


@hookspec
def dfbench_training_started(plan: TrainingFacts) -> None:
    """Called when a training starts, or goes on where it was cut off; its faces are prepared by then."""


@hookspec
def dfbench_training_round(plan: TrainingFacts, step: int, values: Mapping[str, float]) -> None:
    """Called after each round of a training, once its checkpoint is written. `step`: optimiser steps so far; `values`: what
    was logged, by name, such as "loss", and after a validation "val_auc"."""


@hookspec
def dfbench_training_finished(plan: TrainingFacts, weights: Path, outcome: Mapping[str, object]) -> None:
    """Called when the file `weights` is written. `outcome`: how the training went, as stored with the weights; empty for a
    trainer that writes its weights itself."""


@hookspec
def dfbench_training_failed(plan: TrainingFacts, error: BaseException) -> None:
    """Called when a training ends without weights: by an error, or by KeyboardInterrupt. Asked for again, it goes on."""
