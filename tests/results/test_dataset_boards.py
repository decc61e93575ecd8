"""The board of the runs on a dataset alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dfbench.errors import RunError
from dfbench.results.boards import dataset_boards
from dfbench.results.boards.dataset_boards import board_of_dataset
from dfbench.results.boards.stored import RunResult

Known = Callable[..., None]


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Known:
    def set_protocols(*names: str) -> None:
        runs = [RunResult(Path(name), protocol=name) for name in names]
        monkeypatch.setattr(dataset_boards, "collect", lambda _: runs)

    return set_protocols


RUNS = Path("runs")


def test_the_only_board_of_a_dataset_needs_no_split(known: Known) -> None:
    known("cross-dataset", "dataset:folder", "dataset:folder2", "dataset:ffiw:val")
    assert board_of_dataset(RUNS, "folder") == "dataset:folder"
    assert board_of_dataset(RUNS, "ffiw") == "dataset:ffiw:val"
    assert board_of_dataset(RUNS, "folder", ["test"]) == "dataset:folder"


def test_several_parts_of_a_dataset_have_boards_of_their_own(known: Known) -> None:
    known("dataset:ffpp", "dataset:ffpp:test:c40", "dataset:ffpp:val")
    assert board_of_dataset(RUNS, "ffpp", ["val"]) == "dataset:ffpp:val"
    for splits, count in (((), 3), (("test",), 2)):
        with pytest.raises(RunError, match="several parts of dataset 'ffpp'") as caught:
            board_of_dataset(RUNS, "ffpp", splits)
        assert len(caught.value.hints) == count
        assert caught.value.hints[0] == "dfbench leaderboard --protocol dataset:ffpp"


def test_a_dataset_without_runs_is_told_with_what_there_is(known: Known) -> None:
    known("cross-dataset", "dataset:folder")
    with pytest.raises(RunError, match="no runs of dataset 'uadfv' alone in runs") as caught:
        board_of_dataset(RUNS, "uadfv")
    assert caught.value.hints == ("make one: dfbench run --detector fakestormer --dataset uadfv",)
    with pytest.raises(RunError, match="'folder' on val") as caught:
        board_of_dataset(RUNS, "folder", ["val"])
    assert caught.value.hints[0] == "there are runs of:  --protocol dataset:folder"
