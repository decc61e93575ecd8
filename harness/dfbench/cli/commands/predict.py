"""`dfbench predict`: the probability that single files are fake."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dfbench.cli import flags
from dfbench.cli.shared import setup_of


def predict_command(
    context: typer.Context,
    files: Annotated[
        list[Path],
        typer.Argument(help="Video files, folders of frames, folders of frames in archives.", metavar="FILE"),
    ],
    detector: Annotated[str, typer.Option("--detector", "-d", help="The detector.")],
    weights: Annotated[
        Path | None, typer.Option(help="Weights of the detector; those that a run would find if not given.")
    ] = None,
    data: Annotated[
        str, typer.Option(help="'demo': use the weights of the demo data, trained now if need be.")
    ] = "",
    protocol: Annotated[
        str, typer.Option("--protocol", "-p", help="The protocol whose trained weights are meant.")
    ] = "cross-dataset",
    seed: Annotated[int, typer.Option(help="Seed of the training and of random detectors.")] = 0,
    device: flags.Device = "auto",
    precision: flags.Precision = "32",
    size: flags.Size = "full",
    recipe: Annotated[
        str, typer.Option(help="Recipe of the training, or for --weights that carry none.")
    ] = "",
    train_compression: Annotated[
        str, typer.Option(help="The compression that the training was on; the protocol's if empty.")
    ] = "",
    synthesizer: flags.Synthesizer = "",
    overrides: flags.Overrides = None,
    retry: Annotated[
        bool, typer.Option("--retry", help="Look for faces again in files that failed before.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
) -> None:
    """Score each FILE with a detector, to the same number as in a run; a file that cannot be scored is told with its reason.

    The largest face that is there throughout is scored. Faces are kept in the cache, so that the same command goes on
    where it was interrupted.
    """
    from dfbench.api import predictions_of
    from dfbench.cli import output
    from dfbench.errors import CoverageError
    from dfbench.progress import NotingProgress
    from dfbench.results.predictions import predictions_table, records_of, render_predictions
    from dfbench.runs.planning.recipes import parse_overrides
    from dfbench.runs.planning.requests import ScoringRequest
    from dfbench.training.launchers import refuse_several

    refuse_several("dfbench predict")
    request = ScoringRequest(
        detector=detector,
        protocol=protocol,
        data=data,
        weights=weights,
        seed=seed,
        device=device,
        precision=precision,
        size=size,
        recipe=recipe,
        train_compression=train_compression,
        synthesizer=synthesizer,
        overrides=parse_overrides(overrides or ()),
    )
    shown = NotingProgress() if as_json else output.progress_bars()
    predictions = predictions_of(files, request, setup_of(context), retry=retry, progress=shown)
    if as_json:
        output.say_json(records_of(predictions_table(predictions)))
    else:
        output.print_table(render_predictions(predictions))
    if failed := predictions.failed:
        told = ", ".join(f"{one.path.name} ({one.status})" for one in failed[:5])
        more = f" and {len(failed) - 5} more" if len(failed) > 5 else ""
        raise CoverageError(
            f"{len(failed)} of {len(predictions.files)} files could not be scored: {told}{more}",
            hints=("the reasons stand above",),
        )
