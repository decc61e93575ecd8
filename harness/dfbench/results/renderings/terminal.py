"""Boards on a terminal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from dfbench.results.boards.board import Board, Cell, Row
from dfbench.results.terminal import DataTable, styled

if TYPE_CHECKING:
    from rich.text import Text


def terminal_table(board: Board) -> DataTable:
    """Return a board as a table for the terminal: each cell the AUC over its interval, the best of a column starred."""
    title = f"{board.protocol} on the {board.corpus or 'unknown'} corpus: {board.level} AUC"
    legend = [*board.captions, *(f"left out: {sentence}" for sentence in board.left_out)]
    table = DataTable(heading=title, legend=legend, min_width=70)
    table.data_column("#", right=True, no_wrap=True)
    table.data_column("entry", max_width=36)
    for name in (*(column.title for column in board.columns), "scored"):
        table.data_column(name, right=True, no_wrap=True)
    for section in board.sections:
        if not section.ranked:
            table.add_section()
            blanks = [""] * (len(board.columns) + 1)
            table.add_row("", styled(f"not ranked: {section.title}", style="italic"), *blanks)
        for row in section.rows:
            table.add_row(*_cells(board, row))
    return table


def _cells(board: Board, row: Row) -> list[str | Text]:
    figures = [_figure(row.cells[column.key]) for column in board.columns]
    return ["" if row.rank is None else str(row.rank), row.entry, *figures, row.scored_words]


def _figure(cell: Cell) -> Text:
    if math.isnan(cell.value):
        return styled("-")
    text = f"{cell.value:.3f}{''.join(cell.marks)}"
    shown = (f"*{text}", "bold green") if cell.best else text
    if math.isnan(cell.low):
        return styled(shown)
    return styled(shown, "\n", (f"{cell.low:.2f}-{cell.high:.2f}", "dim"))
