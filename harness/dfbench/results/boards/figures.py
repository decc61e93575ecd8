"""Figures of a leaderboard: AUC with its interval, a panel a dataset, a line an entry."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np
import pandas as pd

from dfbench.errors import RunError
from dfbench.escaping import for_figure
from dfbench.results.boards.leaderboard import RANKED, marks
from dfbench.results.plotting import new_figure, save_figure
from dfbench.results.tables import MEAN

_INK = "#1b1f24"
_MUTED = "#8a929b"
_DOT = "#1f6feb"
_UNRANKED = "#9a6700"


def auc_figure(board: pd.DataFrame, path: Path) -> Path:
    """Draw `board` (from `dfbench.results.boards.leaderboard.leaderboard`) to `path`; the suffix says the format.

    Dots are video AUCs, bars their 95 % intervals, the dashed line is chance; an entry that is not ranked is hollow.
    Entries stand in the order of the board. Raises RunError for an empty board, StoreError if it cannot be written.
    """
    if board.empty:
        raise RunError("an empty leaderboard has no figure")
    names = list(board.attrs["datasets"])
    if len(names) > 1 and board[MEAN].notna().any():
        names.append(MEAN)
    figure = new_figure(2.6 + 2.1 * len(names), 1.35 + 0.5 * len(board), layout="constrained")
    panels = figure.subplots(1, len(names), sharey=True, sharex=True, squeeze=False)[0]
    low, high = _limits(board, names)
    height = np.arange(len(board))[::-1]
    records = board.to_dict("records")
    ranked = (board["section"] == RANKED).to_numpy()
    for panel, name in zip(panels, names, strict=True):
        value = board[name].to_numpy(dtype=np.float64)
        spread = board[[f"{name}_low", f"{name}_high"]].to_numpy(dtype=np.float64)
        panel.axvline(0.5, color=_MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
        for row in np.flatnonzero(~np.isnan(value)):
            colour = _DOT if ranked[row] else _UNRANKED
            panel.plot(spread[row], [height[row]] * 2, color=colour, linewidth=2.2, alpha=0.45, zorder=2)
            face = colour if ranked[row] else "white"
            panel.plot(
                value[row], height[row], "o", color=colour, markerfacecolor=face, markersize=6.5, zorder=3
            )
            panel.annotate(
                f"{value[row]:.3f}{marks(records[row], name)}",
                (value[row], height[row]),
                xytext=(0, 6.5),
                textcoords="offset points",
                ha="center",
                fontsize=8,
                color=_INK,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
            )
        for row in np.flatnonzero(np.isnan(value)):
            panel.text(
                (low + high) / 2, height[row], "no value", ha="center", va="center", fontsize=8, color=_MUTED
            )
        bold = "bold" if name == MEAN else "normal"
        panel.set_title(for_figure(name, letters=40), fontsize=10, color=_INK, fontweight=bold, pad=8)
        panel.set_xlim(low, high)
        panel.grid(axis="x", color="#e6e8eb", linewidth=0.8)
        panel.set_axisbelow(True)
        panel.tick_params(axis="both", length=0, labelsize=8.5, colors=_INK)
        for side in ("top", "right", "left"):
            panel.spines[side].set_visible(False)
        panel.spines["bottom"].set_color("#c9ced4")
    panels[0].set_ylim(-0.6, len(board) - 0.3)
    entries = ["\n".join(textwrap.wrap(for_figure(entry), 30)) for entry in board["entry"]]
    panels[0].set_yticks(height, entries)
    facts = board.attrs
    figure.suptitle(
        for_figure(f"{facts['protocol']} on the {facts['corpus']} corpus"),
        fontsize=11.5,
        color=_INK,
        fontweight="bold",
    )
    legend = "" if ranked.all() else ", hollow: not ranked"
    used = {mark for row in records for name in names for mark in marks(row, name)}
    legend += ", \u2020: trained on it" if "\u2020" in used else ""
    legend += ", \u2021: lists not as published" if "\u2021" in used else ""
    legend += ", \u00a7: others' plugins" if "\u00a7" in used else ""
    figure.supxlabel(
        f"{facts['level']} AUC with 95 % interval (dashed: chance{legend})", fontsize=8.5, color=_MUTED
    )
    save_figure(figure, path, dpi=160)
    return path


def _limits(board: pd.DataFrame, names: list[str]) -> tuple[float, float]:
    """A range shared by all panels that holds chance and every interval."""
    ends = board[[name + end for name in names for end in ("", "_low", "_high")]].to_numpy(dtype=np.float64)
    lowest = min(0.45, float(np.nanmin(ends)) if np.isfinite(ends).any() else 0.45)
    return float(max(np.floor(lowest * 20) / 20 - 0.02, -0.02)), 1.03
