"""`dfbench leaderboard`: tables over all stored runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def leaderboard_command(
    protocol: Annotated[str, typer.Option("--protocol", "-p", help="The protocol.")] = "cross-dataset",
    corpus: Annotated[str, typer.Option(help="'official', 'demo', ...; one table each if empty.")] = "",
    runs: Annotated[
        Path | None, typer.Option(help="The folder of runs; the configured one if not given.")
    ] = None,
    over_seeds: Annotated[
        bool, typer.Option("--over-seeds", help="One row for entries that differ in their seed alone.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Rank the entries of all runs; demo and real corpora never share a table."""
    import json

    from dfbench.api import leaderboards
    from dfbench.cli import output
    from dfbench.results.figures import auc_figure
    from dfbench.results.leaderboard import render_leaderboard, write_leaderboard
    from dfbench.settings import load_settings

    tables = leaderboards(protocol=protocol, corpus=corpus or None, runs=runs, over_seeds=over_seeds)
    if as_json:
        typer.echo(
            json.dumps({name: json.loads(table.to_json(orient="records")) for name, table in tables.items()})
        )
        return
    for name, table in tables.items():
        label = f"{protocol}-{name}-over-seeds" if over_seeds else f"{protocol}-{name}"
        folder = (runs or load_settings().runs) / "leaderboards" / label
        folder.mkdir(parents=True, exist_ok=True)
        write_leaderboard(table, folder)
        figure = auc_figure(table, folder / "leaderboard.png")
        output.console().print(render_leaderboard(table))
        output.console().print(f"written to {folder} (csv, parquet, md, {figure.name})", soft_wrap=True)
