"""What it costs a board to check the runs that it is made of. No timed assertions: compare the two with one another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.benchmarks.conftest import InTurns
from tests.results.made_runs import expected, store_run

from dfbench.results.boards.stored import collect
from dfbench.results.tables import read_table
from dfbench.runs.planning.setup import Setup
from dfbench.runs.records.record import RunRecord
from dfbench.runs.records.run_file import run_folders

RUNS, FULL_RUNS, SMOKE_RUNS = 6, 60, 2  # FULL_RUNS with --full-depth
VIDEOS, SMOKE_VIDEOS = 500, 20  # of each of two datasets


@pytest.fixture(scope="module")
def stored(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, smoke: bool
) -> tuple[Path, Path]:
    """A folder of runs, and the cache in which what came of checking them is kept."""
    root = tmp_path_factory.mktemp("boards")
    videos = {name: expected(name, SMOKE_VIDEOS if smoke else VIDEOS) for name in ("dfdc", "dfd")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DFBENCH_CACHE", str(root / "cache"))
        full = request.config.getoption("--full-depth", default=False)
        for number in range(SMOKE_RUNS if smoke else FULL_RUNS if full else RUNS):
            rng = np.random.default_rng(number)
            record = {
                "detector": {"name": "net", "weights_sha256": f"{number:064x}"},
                "entry": f"net {number}",
                "protocol": "p",
                "corpus": "demo",
                "trained_on": ["ffpp"],
                "started": "2026-01-01T00:00:00+00:00",
                "finished": "2026-01-02T00:00:00+00:00",
            }
            logits = {
                (name, one.video_id): rng.normal(size=4) + int(one.label)
                for name, rows in videos.items()
                for one in rows
            }
            store_run(root / "runs" / f"run-{number}", record, videos, logits)
    return root / "runs", root / "cache"


def test_checked_runs_of_a_board(in_turns: InTurns, stored: tuple[Path, Path]) -> None:
    runs, cache = stored
    setup = Setup(cache=cache)

    def taken_at_their_word() -> None:
        for folder in run_folders(runs):
            RunRecord.read(folder)
            read_table(folder / "table.parquet")

    found = in_turns(lambda: collect(runs, setup), rounds=5, unchecked=taken_at_their_word)
    assert {one.problem for one in found} == {""}
