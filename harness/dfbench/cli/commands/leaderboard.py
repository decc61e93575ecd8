"""`dfbench leaderboard`: tables over all stored runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dfbench.cli import flags
from dfbench.cli.shared import setup_of
from dfbench.types import COVERAGE_LIMIT

if TYPE_CHECKING:
    from dfbench.results.boards.board import Board
    from dfbench.settings import Settings


def leaderboard_command(
    context: typer.Context,
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
    as_json: flags.Json = False,
) -> None:
    """Rank the entries of all runs; demo and real corpora never share a table."""
    from dfbench.api import boards_in
    from dfbench.cli import output
    from dfbench.errors import RunError
    from dfbench.results.renderings.dataframe import records_of
    from dfbench.results.renderings.terminal import terminal_table

    setup = setup_of(context)
    found = boards_in(
        setup,
        runs=runs,
        protocol=protocol,
        dataset=dataset,
        splits=split or (),
        corpora=[corpus] if corpus else None,
        over_seeds=over_seeds,
        min_coverage=min_coverage,
    )
    for board in found:
        if not board.rows:
            where = f" on the {board.corpus} corpus" if board.corpus else ""
            raise RunError(
                f"there is no complete run of protocol {board.protocol!r}{where}", hints=board.left_out
            )
    if as_json:
        for sentence in dict.fromkeys(sentence for board in found for sentence in board.left_out):
            output.say(f"left out: {sentence}", error=True)
        output.say_json({board.corpus: records_of(board) for board in found}, indent=None)
        return
    for board in found:
        output.print_table(terminal_table(board))
        _write(board, setup.settings, runs, out)


def _write(board: Board, settings: Settings, runs: Path | None, out: Path | None) -> None:
    """Write a board in all formats below `out`, or else in the folder of runs, and say where it is."""
    from dfbench.cli import output
    from dfbench.data.folders import below, require_below
    from dfbench.errors import StoreError
    from dfbench.results.renderings.figure import draw_board
    from dfbench.results.renderings.files import write_board
    from dfbench.runs.records.private import redaction
    from dfbench.text import folder_name

    place = runs or settings.runs
    name = f"{board.protocol}-{board.corpus}{'-over-seeds' if board.over_seeds else ''}"
    folder = below(out or place / "leaderboards", folder_name(name))
    try:
        require_below(out or place, folder)
        write_board(board, folder, told=redaction(settings).text)
        figure = draw_board(board, folder / "leaderboard.png")
    except StoreError as error:
        if out is not None:
            raise
        # A colleague's runs may well be read-only: the board was asked for, and stands above.
        output.say(f"not written: {error.message}", error=True)
        output.say("  write it elsewhere: --out FOLDER", error=True)
    else:
        output.say(f"written to {folder} (csv, parquet, md, {figure.name})")
