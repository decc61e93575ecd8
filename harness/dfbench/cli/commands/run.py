"""`dfbench run`: score detectors by a protocol and print the result tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dfbench.cli import flags
from dfbench.cli.shared import setup_of
from dfbench.escaping import for_shell
from dfbench.types import COVERAGE_LIMIT

if TYPE_CHECKING:
    import pandas as pd


def run_command(
    context: typer.Context,
    detector: Annotated[
        list[str],
        typer.Option(
            "--detector",
            "-d",
            help="A detector; repeat for several. 'all': each that can be scored without training it first.",
        ),
    ],
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
        list[str] | None,
        typer.Option(metavar="FILE", help="Weights of the detector; of several, NAME=FILE for each."),
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
    """Score DETECTOR on every test set of PROTOCOL, or on DATASET; a second identical run computes nothing.

    Of several detectors, each video is decoded once, and each is scored into a run of its own, as if it were alone; those that
    must be trained are, one after another, before. One that fails is told at the end, and the others go on.
    """
    import json

    from dfbench.cli import output
    from dfbench.progress import NotingProgress
    from dfbench.results.evaluating import evaluate_all, require_all_scored
    from dfbench.results.renderings.run_table import render_table
    from dfbench.results.renderings.side_by_side import side_by_side
    from dfbench.results.table_notes import warnings_of
    from dfbench.runs.planning.recipes import parse_overrides
    from dfbench.runs.planning.requests import ScoringRequest, request_each
    from dfbench.runs.scoring.several import FailedRun
    from dfbench.training.launchers import refuse_several

    refuse_several("dfbench run")
    import pandas as pd

    shared = ScoringRequest(
        detector="",
        protocol=protocol,
        data=data,
        only=tuple(only or ()),
        dataset=dataset,
        splits=tuple(split or ()),
        compression=compression,
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
    requests = request_each(detector, weights or (), shared)
    tables, stored, failed = [], [], []
    # one for all, so that a warning comes once
    shown = NotingProgress() if as_json else output.progress_bars()
    for done in evaluate_all(requests, setup_of(context), progress=shown):
        if isinstance(done, FailedRun):
            failed.append(done)
            if done.left_out:
                output.say(done.left_out, error=as_json)
            continue
        run, table = done
        tables.append(table)
        stored.append(run.name)
        if not as_json:
            output.print_table(render_table(table, width=output.console().width))
            output.say(f"stored in {run.folder}")
    if tables:
        merged = pd.concat(tables, ignore_index=True)
        if as_json:
            for sentence in warnings_of(merged):
                output.say(f"warning: {sentence}", error=True)
            output.say_json(json.loads(merged.to_json(orient="records")))
        elif len(tables) > 1:
            output.print_table(side_by_side(merged))
    require_all_scored(failed, stored)
    _require_coverage(merged, min_coverage)


def _require_coverage(table: pd.DataFrame, least: float) -> None:
    """Raise CoverageError if less than this share of the expected videos of a row was scored."""
    from dfbench.errors import CoverageError
    from dfbench.results.eligibility import share
    from dfbench.results.table_notes import short_of
    from dfbench.results.tables import MEAN

    if short := short_of(table, least):
        unlisted = table[table["n_unlisted_real"] + table["n_unlisted_fake"] > 0]
        raise CoverageError(
            f"fewer than {share(least)} of the expected videos were scored: {'; '.join(short)}",
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
