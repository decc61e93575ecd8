"""`dfbench run`: score detectors by a protocol and print the result tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dfbench.cli import flags
from dfbench.cli.shared import setup_of
from dfbench.escaping import for_shell
from dfbench.types import COVERAGE_LIMIT


def run_command(
    context: typer.Context,
    detector: Annotated[list[str], typer.Option("--detector", "-d", help="A detector; repeat for several.")],
    protocol: Annotated[
        str,
        typer.Option("--protocol", "-p", help="An evaluation protocol; with --dataset, the one to train by."),
    ] = "cross-dataset",
    dataset: Annotated[
        str, typer.Option(help="Test this dataset alone, such as 'folder', your own videos.")
    ] = "",
    split: Annotated[
        list[str] | None, typer.Option(help="With --dataset: this split; repeatable. 'test' if not given.")
    ] = None,
    compression: Annotated[
        str, typer.Option(help="With --dataset: raw, c23, c40; its default if empty.")
    ] = "",
    data: flags.Data = "",
    only: Annotated[
        list[str] | None, typer.Option(help="Only this dataset of the protocol; repeatable.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Weights of the detector (needs a single --detector).")
    ] = None,
    seed: flags.Seed = 0,
    device: flags.Device = "auto",
    precision: flags.Precision = "32",
    size: flags.Size = "full",
    recipe: Annotated[
        str, typer.Option(help="Recipe, if the detector must be trained first, or --weights carry none.")
    ] = "",
    train_compression: Annotated[
        str, typer.Option(help="Train on videos of this compression; the protocol's if empty.")
    ] = "",
    synthesizer: flags.Synthesizer = "",
    overrides: flags.Overrides = None,
    min_coverage: Annotated[
        float,
        typer.Option(
            min=0.0, max=1.0, help="Exit with 3 if a smaller share of the expected videos was scored."
        ),
    ] = COVERAGE_LIMIT,
    force: Annotated[
        bool, typer.Option("--force", help="Score again what is scored; the run that was there is set aside.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the tables as JSON.")] = False,
) -> None:
    """Score DETECTOR on every test set of PROTOCOL, or on DATASET; a second identical run computes nothing."""
    import json

    from dfbench.api import evaluate
    from dfbench.cli import output
    from dfbench.errors import CoverageError, UsageError
    from dfbench.progress import NotingProgress
    from dfbench.results.eligibility import share
    from dfbench.results.renderings.run_table import render_table
    from dfbench.results.table_notes import short_of, warnings_of
    from dfbench.results.tables import MEAN
    from dfbench.runs.planning.recipes import parse_overrides
    from dfbench.runs.planning.refusals import check_requests
    from dfbench.runs.planning.requests import ScoringRequest
    from dfbench.training.launchers import refuse_several

    refuse_several("dfbench run")
    if weights is not None and len(detector) != 1:
        raise UsageError(
            "--weights goes with exactly one --detector", hints=("run the detectors one by one",)
        )
    import pandas as pd

    requests = [
        ScoringRequest(
            detector=name,
            protocol=protocol,
            data=data,
            only=tuple(only or ()),
            dataset=dataset,
            splits=tuple(split or ()),
            compression=compression,
            weights=weights,
            seed=seed,
            device=device,
            precision=precision,
            size=size,
            recipe=recipe,
            train_compression=train_compression,
            synthesizer=synthesizer,
            overrides=parse_overrides(overrides or ()),
            force=force,
        )
        for name in detector
    ]
    setup = setup_of(context)
    requests = check_requests(requests, setup)
    tables = []
    shown = (
        NotingProgress() if as_json else output.progress_bars()
    )  # one for all, so that a warning comes once
    for request in requests:
        run, table = evaluate(request, setup, progress=shown)
        tables.append(table)
        if not as_json:
            output.print_table(render_table(table, width=output.console().width))
            output.say(f"stored in {run.folder}")
    merged = pd.concat(tables, ignore_index=True)
    if as_json:
        for sentence in warnings_of(merged):
            output.say(f"warning: {sentence}", error=True)
        output.say_json(json.loads(merged.to_json(orient="records")))
    if short := short_of(merged, min_coverage):
        unlisted = merged[merged["n_unlisted_real"] + merged["n_unlisted_fake"] > 0]
        raise CoverageError(
            f"fewer than {share(min_coverage)} of the expected videos were scored: {'; '.join(short)}",
            hints=(
                *(
                    f"its lists name too few: dfbench data check {for_shell(name)}"
                    for name in dict.fromkeys(unlisted["dataset"])
                    if name != MEAN
                ),
                "why videos failed stands in scores.parquet of the run, column 'reason'",
                "accept it with --min-coverage; a leaderboard does not rank it",
            ),
        )
