"""A board warns of a data set whose labels show in its files."""

from __future__ import annotations

import math

from dfbench.results.boards.board import Cell, Column, Row
from dfbench.results.boards.captions import captions_of
from dfbench.results.tables import MEAN

TESTS = (Column("dfd", "DFD"), Column("dfdc", "DFDC"), Column("kodf", "KoDF"), Column("empty", "Empty"))


def row(detector: str) -> Row:
    cells = {
        "dfd": Cell(0.71, 0.62, 0.8),
        "dfdc": Cell(0.52, 0.47, 0.57),
        "kodf": Cell(0.3, 0.2, 0.4),
        "empty": Cell(blank="not tested"),
        MEAN: Cell(math.nan),
    }
    return Row(
        entry=f"{detector} (demo)",
        detector=detector,
        section="ranked",
        cells=cells,
        coverage=1.0,
        scored=9,
        expected=9,
        trained_on="ffpp",
        plugins="",
        older_hidden=0,
        note="",
        runs=("one",),
    )


def test_files_that_tell_labels_are_warned_of_in_either_direction_and_of_no_other_detector() -> None:
    told = captions_of([row("metadata"), row("sharpness")], TESTS, over_seeds=False)
    assert [line for line in told if "give labels away" in line] == [
        "warning: DFD: its files give labels away: metadata (demo), which sees no pixel, has 0.710 [0.62, 0.80]",
        "warning: KoDF: its files give labels away: metadata (demo), which sees no pixel, has 0.300 [0.20, 0.40]",
    ]
