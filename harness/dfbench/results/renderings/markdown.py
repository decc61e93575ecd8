"""Boards in Markdown."""

from __future__ import annotations

from collections.abc import Callable

from dfbench.results import markdown
from dfbench.results.boards.board import Board, Cell, Row
from dfbench.results.markdown import Own
from dfbench.results.numbers import number_with_interval


def markdown_of(board: Board, *, told: Callable[[str], str]) -> str:
    """Return a board as a Markdown table with its captions.

    `told` takes from the sentences on runs that were left out what readers need not know, such as folders of this machine.
    """
    where = f"{board.protocol} on the {board.corpus} corpus"
    titles = [Own("#"), "entry", *(column.title for column in board.columns), "scored"]
    right = [True, False, *[True] * (len(board.columns) + 1)]
    rows = [
        _cells(board, row, "" if section.ranked else section.title)
        for section in board.sections
        for row in section.rows
    ]
    left_out = [f"left out: {told(sentence)}" for sentence in board.left_out]
    text = [
        markdown.heading(where, Own(": "), board.level, Own(" AUC [95 %]")),
        "",
        *markdown.table(titles, rows, right=right),
        "",
        *markdown.lines([*board.captions, *left_out]),
    ]
    return "\n".join([*text, ""])


def _cells(board: Board, row: Row, unranked: str) -> list[str]:
    """The cells of a row; `unranked` says why it has no rank, "" if it is in the ranked section."""
    entry = markdown.written(row.entry)
    if unranked:
        entry += f" (not ranked: {markdown.written(unranked)})"
    figures = [_figure(row.cells[column.key]) for column in board.columns]
    return ["" if row.rank is None else str(row.rank), Own(entry), *figures, Own(row.scored_words)]


def _figure(cell: Cell) -> Own:
    number = number_with_interval(cell.value, cell.low, cell.high)
    return Own(f"{f'**{number}**' if cell.best else number}{''.join(cell.marks)}")
