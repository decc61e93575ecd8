"""`dfbench leaderboard`: tables over all stored runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dfbench.types import COVERAGE_LIMIT


def leaderboard_command(
    protocol: Annotated[str, typer.Option("--protocol", "-p", help="The protocol.")] = "cross-dataset",
    dataset: Annotated[
        str, typer.Option(help="The board of `dfbench run --dataset NAME` instead of a protocol's.")
    ] = "",
    split: Annotated[
        list[str] | None, typer.Option(help="With --dataset: of this split; repeatable.")
    ] = None,
    corpus: Annotated[str, typer.Option(help="'official', 'demo', ...; one table each if empty.")] = "",
    runs: Annotated[
        Path | None, typer.Option(help="The folder of runs; the configured one if not given.")
    ] = None,
    over_seeds: Annotated[
        bool, typer.Option("--over-seeds", help="One row for entries that differ in their seed alone.")
    ] = False,
    min_coverage: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Do not rank entries of which a smaller share was scored.")
    ] = COVERAGE_LIMIT,
    out: Annotated[
        Path | None,
        typer.Option(help="Write the boards below this folder; leaderboards/ in that of runs if not given."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Rank the entries of all runs; demo and real corpora never share a table."""
    import json

    from dfbench.api import leaderboards
    from dfbench.cli import output
    from dfbench.data.folders import below, require_below
    from dfbench.errors import RunError, StoreError
    from dfbench.results.boards.figures import auc_figure
    from dfbench.results.boards.leaderboard import render_leaderboard, write_leaderboard
    from dfbench.settings import load_settings
    from dfbench.text import folder_name

    tables = leaderboards(
        protocol,
        dataset=dataset,
        splits=split or (),
        corpus=corpus or None,
        runs=runs,
        over_seeds=over_seeds,
        min_coverage=min_coverage,
    )
    for name, table in tables.items():
        protocol = table.attrs["protocol"]
        if table.empty:
            where = f" on the {name} corpus" if name else ""
            raise RunError(
                f"there is no complete run of protocol {protocol!r}{where}", hints=table.attrs["left_out"]
            )
    if as_json:
        for sentence in dict.fromkeys(one for table in tables.values() for one in table.attrs["left_out"]):
            output.say(f"left out: {sentence}", error=True)
        rows = {name: json.loads(table.to_json(orient="records")) for name, table in tables.items()}
        output.say_json(rows, indent=None)
        return
    for name, table in tables.items():
        output.print_table(render_leaderboard(table))
        label = folder_name(f"{protocol}-{name}-over-seeds" if over_seeds else f"{protocol}-{name}")
        place = runs or load_settings().runs
        folder = below(out or place / "leaderboards", label)
        try:
            require_below(out or place, folder)
            write_leaderboard(table, folder)
            figure = auc_figure(table, folder / "leaderboard.png")
        except StoreError as error:
            if out is not None:
                raise
            # A colleague's runs may well be read-only: the board was asked for, and stands above.
            output.say(f"not written: {error.message}", error=True)
            output.say("  write it elsewhere: --out FOLDER", error=True)
        else:
            output.say(f"written to {folder} (csv, parquet, md, {figure.name})")
