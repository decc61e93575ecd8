"""Two ranks on gloo train what one process does, agree on when to end, and see one folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.training.children import Ranks
from tests.training.toy import Toy, equal, farthest, fit, rows_of

from dfbench import UsageError

# In double precision, and without Adam's division by gradients that are zero but for rounding.
EXACT = Toy(rounds=3, precision="64", batch_norm=True, lr=0.01)


@pytest.mark.slow
def test_two_ranks_train_what_one_process_does(tmp_path: Path, ranks: Ranks) -> None:
    (first, score), (second, other) = ranks.train({0: tmp_path / "two", 1: tmp_path / "two"}, EXACT)
    assert equal(first, second)
    alone, module = fit(tmp_path / "one", EXACT)
    assert (
        farthest(first, module.states[-1]) < 1e-9
    )  # the running statistics of the batch norm are among them
    assert score == other == alone.score
    logs = [[{k: float(v) for k, v in row.items()} for row in rows_of(tmp_path / n)] for n in ("one", "two")]
    assert logs[1] == [pytest.approx(row, abs=1e-6) for row in logs[0]]


@pytest.mark.slow
def test_two_ranks_go_on_exactly(tmp_path: Path, ranks: Ranks) -> None:
    (whole, score), _ = ranks.train({0: tmp_path / "whole", 1: tmp_path / "whole"}, EXACT)
    (cut, other), _ = ranks.train({0: tmp_path / "cut", 1: tmp_path / "cut"}, EXACT, cut=7)
    assert equal(whole, cut)
    assert score == other
    assert rows_of(tmp_path / "whole") == rows_of(tmp_path / "cut")


@pytest.mark.slow
def test_two_ranks_end_together(tmp_path: Path, ranks: Ranks) -> None:
    toy = replace(EXACT, rounds=6, patience=1, scores=(0.5, 0.4, 0.9, 0.9, 0.9, 0.9))
    (first, score), (second, other) = ranks.train({0: tmp_path, 1: tmp_path}, toy)
    assert equal(first, second)
    assert score == other == 0.5
    assert len(rows_of(tmp_path)) == 2


@pytest.mark.slow
def test_ranks_that_see_different_folders_are_told_of_the_disk(tmp_path: Path, ranks: Ranks) -> None:
    fit(tmp_path / "a", replace(EXACT, rounds=1))
    with pytest.raises(UsageError, match="see different checkpoints") as caught:
        ranks.train({0: tmp_path / "a", 1: tmp_path / "b"}, EXACT)
    assert "DFBENCH_CACHE" in caught.value.hints[0]
