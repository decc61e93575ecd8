"""The hooks of dfbench: this file is the plugin author's manual.

A plugin is a module (or any object) registered under the entry-point group `dfbench`, with functions that
have the names below and are marked with `@hookimpl`. Implement any subset. Hooks return specs, which are data:
they must not read files, import torch or load weights.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    import pandas as pd
    import typer

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
    """Offer datasets. Read no files yet: `DatasetSpec.build` is called with the root when one is asked for."""


@hookspec
def dfbench_corpora() -> Iterable[CorpusSpec]:  # type: ignore[empty-body]
    """Offer sets of datasets that can be made on this machine (the demo corpora are one)."""


@hookspec
def dfbench_synthesizers() -> Iterable[SynthesizerSpec]:  # type: ignore[empty-body]
    """Offer makers of pseudo-fake clips, used when a detector is trained."""


@hookspec
def dfbench_detectors() -> Iterable[DetectorSpec]:  # type: ignore[empty-body]
    """Offer detectors. Load no weights yet."""


@hookspec
def dfbench_protocols() -> Iterable[ProtocolSpec]:  # type: ignore[empty-body]
    """Offer evaluation protocols: what to train, validate and test on."""


@hookspec
def dfbench_face_finders() -> Iterable[FaceFinderSpec]:  # type: ignore[empty-body]
    """Offer face finders for the preparation stage."""


@hookspec
def dfbench_commands(cli: typer.Typer) -> None:
    """Add commands to the `dfbench` command line.

    `cli` is the typer application; use `@cli.command()`. Called when the command line starts, so import
    nothing heavy outside the command's own body.
    """


@hookspec
def dfbench_run_started(plan: dict[str, object]) -> None:
    """Called when scoring starts. `plan` is the content of `run.json` so far; changes to it are ignored."""


@hookspec
def dfbench_run_finished(result: pd.DataFrame) -> None:
    """Called when a run is complete. `result` is a copy of its result table."""
