"""Options that several commands share, each with its flags and its help."""

from __future__ import annotations

import math
from typing import Annotated

import typer


def finite(value: float | None) -> float | None:
    """Return the value of an option. Raises BadParameter for infinity, which an option without an upper bound lets through."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is no number")
    return value


Data = Annotated[str, typer.Option(help="'demo', or empty for the configured data roots.")]
Size = Annotated[str, typer.Option(help="Size of a made corpus such as demo.")]
Dataset = Annotated[str, typer.Argument(help="A dataset.")]
Splits = Annotated[list[str] | None, typer.Option("--split", help="Only this split; repeatable.")]
Compression = Annotated[str, typer.Option(help="raw, c23, c40; the default if empty.")]
Seed = Annotated[int, typer.Option(help="Seed of training and of random detectors.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps or auto.")]
Precision = Annotated[
    str, typer.Option(help="Precision of scoring: 32, or bf16 or int8 where the detector offers it.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="Recipe field, e.g. --set lr=1e-4; with --weights, one that changes scoring alone."
    ),
]
Synthesizer = Annotated[
    str,
    typer.Option(
        help="Train on pseudo-fakes of this synthesizer; 'none': on the fakes of the dataset; the recipe's if empty."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
