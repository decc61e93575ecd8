"""The tables of the demo in README.md and results/README.md follow from the runs in `results/demo`."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.demo_board import FILES, RUNS, blocks, written

from dfbench import list_runs, verify_runs


@pytest.mark.parametrize("file", FILES, ids=lambda path: str(path.parent.name))
def test_the_tables_of_the_demo_are_those_of_its_runs(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert blocks(text)
    assert written(text) == text  # `python -m tests.demo_board` writes them anew


def test_the_runs_of_the_demo_follow_from_their_records() -> None:
    runs = list_runs(RUNS)
    assert len(runs) >= 7
    assert set(verify_runs(RUNS)["state"]) == {"follows"}
    assert sum(path.stat().st_size for path in RUNS.rglob("*") if path.is_file()) < 2_000_000
