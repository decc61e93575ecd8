"""Boards in every format, held against golden files.

DFBENCH_GOLDEN=write python -m pytest tests/cli/test_cli_golden_boards.py     # writes them anew: read the difference
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.cli.command import Dfbench
from tests.results.golden_board import store_golden_runs

from dfbench.csv_text import csv_of

GOLDEN = Path(__file__).parents[1] / "golden" / "boards"


def rounded(text: str) -> str:
    """`text` with its long fractions at ten digits: the last ones of a mean depend on the processor."""
    return re.sub(r"\d+\.\d{10,}", lambda found: f"{float(found[0]):.10g}", text)


def written_boards(dfbench: Dfbench, out: Path, *options: str) -> dict[str, str]:
    """What the command shows and writes, by the ending of the golden file that it is held against."""
    shown = dfbench("leaderboard", "--corpus", "demo", "--out", out, *options)
    told = dfbench("leaderboard", "--corpus", "demo", "--json", *options)
    assert (shown.code, told.code, shown.err) == (0, 0, ""), told.err
    (folder,) = out.iterdir()
    files = {one.suffix: one for one in folder.iterdir()}
    assert set(files) == {".csv", ".md", ".parquet", ".png"}
    csv = files[".csv"].read_text(encoding="utf-8")
    stored = pq.read_table(files[".parquet"])
    assert sorted(stored.schema.metadata) == [b"dfbench.leaderboard", b"dfbench.version", b"pandas"]
    assert csv_of(stored.to_pandas()) == csv
    return {
        "txt": shown.out,
        "md": files[".md"].read_text(encoding="utf-8"),
        "csv": csv,
        "schema": stored.schema.to_string(show_schema_metadata=False) + "\n",
        "json": told.err + told.out,
    }


@pytest.mark.slow
def test_boards_are_shown_and_written_as_ever(dfbench: Dfbench, tmp_path: Path) -> None:
    store_golden_runs(tmp_path / "runs")
    for name, options in (("plain", ()), ("seeds", ("--over-seeds",))):
        for kind, text in written_boards(dfbench, Path(name), *options).items():
            path = GOLDEN / f"{name}.{kind}"
            if os.environ.get("DFBENCH_GOLDEN") == "write":
                path.write_text(rounded(text), encoding="utf-8")
            assert rounded(text) == path.read_text(encoding="utf-8"), path.name
