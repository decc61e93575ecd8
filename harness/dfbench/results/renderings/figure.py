"""Boards as figures: AUC with its interval, a panel for each test, a line for each entry."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dfbench.errors import RunError
from dfbench.escaping import for_figure
from dfbench.results.boards.board import MEAN_COLUMN, Board, Cell, Column, Mark
from dfbench.results.plotting import new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK, _MUTED, _GRID, _EDGE = "#1b1f24", "#8a929b", "#e6e8eb", "#c9ced4"
_DOT, _UNRANKED = "#1f6feb", "#9a6700"
_MARKS = {
    Mark.TRAINED: "trained on it",
    Mark.LISTS: "lists not as published",
    Mark.PLUGINS: "others' plugins",
}


def draw_board(board: Board, path: Path) -> Path:
    """Draw a board to `path`, whose suffix says the format; returns the path.

    Dots are video AUCs, bars their 95 % intervals, the dashed line is chance; an entry that is not ranked is hollow.
    Raises RunError for an empty board, StoreError if it cannot be written.
    """
    rows = board.rows
    if not rows:
        raise RunError("an empty leaderboard has no figure")
    columns = [
        column
        for column in board.columns
        if column != MEAN_COLUMN or any(not math.isnan(row.mean.value) for row in rows)
    ]
    ranked = [section.ranked for section in board.sections for _ in section.rows]
    figure = new_figure(2.6 + 2.1 * len(columns), 1.35 + 0.5 * len(rows), layout="constrained")
    panels = figure.subplots(1, len(columns), sharey=True, sharex=True, squeeze=False)[0]
    limits = _limits([row.cells[column.key] for row in rows for column in columns])
    for panel, column in zip(panels, columns, strict=True):
        panel.axvline(0.5, color=_MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
        heights = range(len(rows) - 1, -1, -1)
        for row, height, solid in zip(rows, heights, ranked, strict=True):
            _draw_cell(panel, row.cells[column.key], height, solid=solid, middle=sum(limits) / 2)
        _dress(panel, column, limits)
    panels[0].set_ylim(-0.6, len(rows) - 0.3)
    entries = ["\n".join(textwrap.wrap(for_figure(row.entry), 30)) for row in rows]
    panels[0].set_yticks(np.arange(len(rows))[::-1], entries)
    title = for_figure(f"{board.protocol} on the {board.corpus} corpus")
    figure.suptitle(title, fontsize=11.5, color=_INK, fontweight="bold")
    used = {mark for row in rows for column in columns for mark in row.cells[column.key].marks}
    legend = "" if all(ranked) else ", hollow: not ranked"
    legend += "".join(f", {mark}: {words}" for mark, words in _MARKS.items() if mark in used)
    words = f"{board.level} AUC with 95 % interval (dashed: chance{legend})"
    figure.supxlabel(words, fontsize=8.5, color=_MUTED)
    save_figure(figure, path, dpi=160)
    return path


def _draw_cell(panel: Axes, cell: Cell, height: int, *, solid: bool, middle: float) -> None:
    if math.isnan(cell.value):
        panel.text(middle, height, "no value", ha="center", va="center", fontsize=8, color=_MUTED)
        return
    colour = _DOT if solid else _UNRANKED
    panel.plot([cell.low, cell.high], [height] * 2, color=colour, linewidth=2.2, alpha=0.45, zorder=2)
    face = colour if solid else "white"
    panel.plot(cell.value, height, "o", color=colour, markerfacecolor=face, markersize=6.5, zorder=3)
    panel.annotate(
        f"{cell.value:.3f}{''.join(cell.marks)}",
        (cell.value, height),
        xytext=(0, 6.5),
        textcoords="offset points",
        ha="center",
        fontsize=8,
        color=_INK,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
    )


def _dress(panel: Axes, column: Column, limits: tuple[float, float]) -> None:
    """Give a panel its title, its range and its grid."""
    weight = "bold" if column == MEAN_COLUMN else "normal"
    panel.set_title(for_figure(column.title, letters=40), fontsize=10, color=_INK, fontweight=weight, pad=8)
    panel.set_xlim(*limits)
    panel.grid(axis="x", color=_GRID, linewidth=0.8)
    panel.set_axisbelow(True)
    panel.tick_params(axis="both", length=0, labelsize=8.5, colors=_INK)
    for side in ("top", "right", "left"):
        panel.spines[side].set_visible(False)
    panel.spines["bottom"].set_color(_EDGE)


def _limits(cells: Sequence[Cell]) -> tuple[float, float]:
    """A range shared by all panels that holds chance and every interval."""
    ends = [end for cell in cells for end in (cell.value, cell.low, cell.high) if math.isfinite(end)]
    lowest = min([0.45, *ends])
    return float(max(np.floor(lowest * 20) / 20 - 0.02, -0.02)), 1.03
