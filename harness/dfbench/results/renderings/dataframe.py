"""Boards as DataFrames, and the rows of these as JSON."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from dfbench.results.boards.board import Board, Row
from dfbench.results.tables import MEAN

_FIRST = {"rank": "Int64", "entry": "str", "detector": "str", "section": "str"}
_FIGURE = {"": "float64", "_low": "float64", "_high": "float64"}
_TEST = {**_FIGURE, "_cross": "boolean", "_lists": "str"}
_LAST = {
    "coverage": "float64",
    "scored": "int64",
    "expected": "int64",
    "trained_on": "str",
    "plugins": "str",
    "older_hidden": "int64",
    "note": "str",
    "run": "str",
}


def frame_of(board: Board) -> pd.DataFrame:
    """Return a board as a DataFrame, a row for each entry, in the order of the board.

    Columns: rank (<NA> outside of the section "ranked"), entry, detector, section; for each test T, by its key: T, T_low and
    T_high (video AUC with its 95 % interval, NaN if there is none), T_cross (was the entry not trained on it; <NA> if unknown)
    and T_lists (how its lists differ from what was published, "" if they do not); mean, mean_low, mean_high (only if every
    test has a value); coverage (the lowest), scored and expected (videos of that test), trained_on, plugins (of others,
    that took part), older_hidden (other runs of the same entry), note, run (folder names, joined by "+").
    """
    kinds = {
        **_FIRST,
        **{test.key + end: kind for test in board.tests for end, kind in _TEST.items()},
        **{MEAN + end: kind for end, kind in _FIGURE.items()},
        **_LAST,
    }
    rows = [_record(board, row) for row in board.rows]
    return pd.DataFrame(rows, columns=list(kinds)).astype(kinds)


def records_of(board: Board) -> list[dict[str, Any]]:
    """Return the rows of `frame_of(board)` as JSON has them: what is not known or not defined is None."""
    records: list[dict[str, Any]] = json.loads(frame_of(board).to_json(orient="records"))
    return records


def _record(board: Board, row: Row) -> dict[str, Any]:
    record: dict[str, Any] = {name: getattr(row, name) for name in (*_FIRST, *_LAST) if name != "run"}
    for key, cell in row.cells.items():
        record |= {key: cell.value, f"{key}_low": cell.low, f"{key}_high": cell.high}
    for test in board.tests:
        cell = row.cells[test.key]
        record |= {f"{test.key}_cross": cell.cross, f"{test.key}_lists": cell.lists}
    return {**record, "run": "+".join(row.runs)}
