"""`dfbench train`: train a detector by a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dfbench.cli import flags
from dfbench.cli.shared import setup_of


def train_command(
    context: typer.Context,
    detector: Annotated[str, typer.Option("--detector", "-d", help="A trainable detector.")],
    protocol: Annotated[
        str, typer.Option("--protocol", "-p", help="Its train and validation sets are used.")
    ] = "cross-dataset",
    data: flags.Data = "",
    recipe: Annotated[str, typer.Option(help="The recipe; the detector's default if empty.")] = "",
    train_compression: Annotated[
        str,
        typer.Option(
            "--train-compression", "--compression", help="Train on these videos; the protocol's if empty."
        ),
    ] = "",
    synthesizer: flags.Synthesizer = "",
    seed: Annotated[int, typer.Option(help="Seed of the training.")] = 0,
    device: flags.Device = "auto",
    start: Annotated[
        str,
        typer.Option(
            help="Start from these weights: a file, or timm:MODEL=FILE to read it as timm's weights of MODEL."
        ),
    ] = "",
    devices: Annotated[int, typer.Option(min=1, help="Devices of this kind on each machine.")] = 1,
    nodes: Annotated[int, typer.Option(min=1, help="Machines; start it there with srun or torchrun.")] = 1,
    size: flags.Size = "full",
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="Recipe field, e.g. --set lr=1e-4.")
    ] = None,
    asked: Annotated[
        Path | None,
        typer.Option("--request", hidden=True, help="All of this in a file, as processes get it."),
    ] = None,
) -> None:
    """Train DETECTOR, or go on with an interrupted training; prints the path of the weights."""
    from dfbench.cli import output
    from dfbench.runs.planning.recipes import parse_overrides
    from dfbench.runs.planning.requests import TrainingOptions
    from dfbench.runs.trainings.processes import train_detector

    if asked is not None:
        output.say(
            train_detector(TrainingOptions.read(asked), setup_of(context), progress=output.progress_bars())
        )
        return
    options = TrainingOptions(
        detector=detector,
        protocol=protocol,
        data=data,
        seed=seed,
        device=device,
        size=size,
        recipe=recipe,
        train_compression=train_compression,
        synthesizer=synthesizer,
        overrides=parse_overrides(overrides or ()),
        start=start,
        devices=devices,
        nodes=nodes,
    )
    output.say(train_detector(options, setup_of(context), progress=output.progress_bars()))
