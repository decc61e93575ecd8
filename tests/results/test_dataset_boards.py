"""The board of the runs on a dataset alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.stored_records import record_of

from dfbench.errors import RunError
from dfbench.results.boards.dataset_boards import board_of_dataset
from dfbench.results.boards.stored import BoardRun
from dfbench.runs.records.stored_run import StoredRun

RUNS = Path("runs")


def found(protocols: Sequence[str], dataset: str, splits: Sequence[str] = ()) -> str:
    """The board of a dataset among runs of these protocols."""
    stored = [StoredRun(RUNS / name, record_of(protocol=name)) for name in protocols]
    runs = [BoardRun(run.folder, stored=run) for run in stored]
    return board_of_dataset(runs, dataset, splits, where=RUNS)


def test_the_only_board_of_a_dataset_needs_no_split() -> None:
    runs = ("cross-dataset", "dataset:folder", "dataset:folder2", "dataset:ffiw:val")
    assert found(runs, "folder") == "dataset:folder"
    assert found(runs, "ffiw") == "dataset:ffiw:val"
    assert found(runs, "folder", ["test"]) == "dataset:folder"


def test_several_parts_of_a_dataset_have_boards_of_their_own() -> None:
    runs = ("dataset:ffpp", "dataset:ffpp:test:c40", "dataset:ffpp:val")
    assert found(runs, "ffpp", ["val"]) == "dataset:ffpp:val"
    for splits, count in (((), 3), (("test",), 2)):
        with pytest.raises(RunError, match="several parts of dataset 'ffpp'") as caught:
            found(runs, "ffpp", splits)
        assert len(caught.value.hints) == count
        assert caught.value.hints[0] == "dfbench leaderboard --protocol dataset:ffpp"


def test_a_dataset_without_runs_is_told_with_what_there_is() -> None:
    runs = ("cross-dataset", "dataset:folder")
    with pytest.raises(RunError, match="no runs of dataset 'uadfv' alone in runs") as caught:
        found(runs, "uadfv")
    assert caught.value.hints == ("make one: dfbench run --detector fakestormer --dataset uadfv",)
    with pytest.raises(RunError, match="'folder' on val") as caught:
        found(runs, "folder", ["val"])
    assert caught.value.hints[0] == "there are runs of:  --protocol dataset:folder"
