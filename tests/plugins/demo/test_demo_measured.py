"""What `dfbench demo-figures` says of a board."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.benchmarks.demo_figures import rows_of
from typer.testing import CliRunner

from dfbench_plugins.demo.layouts import GENERATOR
from dfbench_plugins.demo.measured import COLUMNS, MEASURED, compare, expected, read_measured, told


def board(*rows: tuple[str, str, float]) -> pd.DataFrame:
    """Entries with their detector and the AUC that they have on all datasets."""
    return pd.DataFrame(
        [
            {"entry": entry, "detector": detector, **dict.fromkeys(COLUMNS, auc)}
            for entry, detector, auc in rows
        ]
    )


def measured(path: Path, *values: float, generator: str = GENERATOR) -> pd.DataFrame:
    """What is read back of runs of "good" with these AUCs, written as the benchmark writes them."""
    rows = rows_of(board(*(("good (seed 0)", "good", value) for value in values)), machine="a, b", threads=2)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(MEASURED.read_text().splitlines()[0].split(","))
        writer.writerows([generator, *row[1:]] for row in rows)
    return read_measured(path)


def test_figures_among_those_measured_are_inside(tmp_path: Path) -> None:
    runs = measured(tmp_path / "m.csv", 0.75, 0.77, 0.79, 0.76)
    found = compare(board(("good (seed 5)", "good", 0.74), ("other", "other", 0.1)), runs)
    assert [one.column for one in found] == list(COLUMNS)
    assert all(one.inside and one.runs == 4 and one.entry == "good (seed 5)" for one in found)
    assert told(found)[-1] == "all 4 figures lie where other machines, threads and seeds put them"


def test_a_figure_that_no_spread_explains_is_told(tmp_path: Path) -> None:
    runs = measured(tmp_path / "m.csv", 0.75, 0.77, 0.79, 0.76)
    one_low = board(("good (seed 0)", "good", 0.77)).assign(dfd=0.5)
    lines = told(compare(one_low, runs))
    assert [line for line in lines if "OUTSIDE" in line] == [lines[2]]
    assert lines[2].startswith("good (seed 0): dfd 0.500, expected 0.6")
    assert lines[4].startswith("1 of 4 figures lie outside")


def test_a_figure_that_is_not_there_is_left_out(tmp_path: Path) -> None:
    runs = measured(tmp_path / "m.csv", 0.75, 0.77, 0.79, 0.76)
    only_one = board(("good", "good", 0.77)).assign(dfdc=np.nan, mean=np.nan).drop(columns="dfd")
    assert [one.column for one in compare(only_one, runs)] == ["celeb_df_v2"]


@pytest.mark.parametrize("generator", [GENERATOR, "0"])
def test_without_enough_runs_on_these_corpora_nothing_is_said_to_be_right(
    tmp_path: Path, generator: str
) -> None:
    count = 3 if generator == GENERATOR else 5
    runs = measured(tmp_path / "m.csv", *np.linspace(0.7, 0.8, count).tolist(), generator=generator)
    assert compare(board(("good", "good", 0.75)), runs) == []
    assert "too few runs" in told([])[0]


def test_the_limits_hold_as_many_further_runs_as_they_say() -> None:
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(2000):
        *values, further = rng.normal(0.5, 0.02, 6).tolist()
        low, high = expected(values, [values])
        inside += low <= further <= high
    assert inside / 2000 == pytest.approx(0.99, abs=0.006)


def test_the_spread_is_that_of_all_detectors_together() -> None:
    rng = np.random.default_rng(1)
    inside = []
    for _ in range(2000):
        groups = [
            rng.normal(middle, 0.02, count).tolist() for middle, count in ((0.5, 3), (0.8, 3), (0.6, 4))
        ]
        *few, further = rng.normal(0.7, 0.02, 2).tolist()  # a detector that was measured once
        low, high = expected(few, [*groups, few])
        inside.append(low <= further <= high)
    assert np.mean(inside) == pytest.approx(0.99, abs=0.006)
    alone = expected([0.7, 0.72, 0.74], [[0.7, 0.72, 0.74]])
    together = expected([0.7, 0.72, 0.74], [[0.7, 0.72, 0.74]] * 4)
    assert together[1] - together[0] < 0.5 * (alone[1] - alone[0])


def test_limits_are_aucs() -> None:
    values = [0.99, 0.95, 1.0]
    low, high = expected(values, [values])
    assert 0.0 < low < 0.95
    assert high == 1.0
    wide = [0.0, 0.9, 0.3]
    assert expected(wide, [wide])[0] == 0.0


def test_what_stands_in_the_file_can_be_read() -> None:
    table = pd.read_csv(MEASURED)
    assert list(table.columns) == ["generator", "machine", "threads", "entry", "detector", *COLUMNS]
    assert len(table)
    assert ((table[list(COLUMNS)] >= 0) & (table[list(COLUMNS)] <= 1)).all(axis=None)


def test_the_command_says_that_there_are_no_runs(tmp_path: Path) -> None:
    from dfbench.cli.app import build_app

    done = CliRunner().invoke(build_app(), ["demo-figures", "--runs", str(tmp_path)])
    assert done.exit_code == 1
    assert "no runs" in str(done.exception)
