"""What has a figure, and what is ranked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.results.made_runs import expected, rewrite, store_run
from tests.stored_records import record_of

from dfbench.data.datasets.official import shortfall
from dfbench.results.boards.leaderboard import leaderboard
from dfbench.results.boards.stored import collect
from dfbench.results.checked import OTHER_CODE, RUN_FILES
from dfbench.results.eligibility import list_notes, too_few
from dfbench.results.renderings.dataframe import frame_of
from dfbench.results.table_notes import short_of, warnings_of
from dfbench.results.tables import MEASURES, result_table
from dfbench.results.writing import write_parquet
from dfbench.runs.planning.setup import Setup
from dfbench.runs.records.facts import ListFacts
from dfbench.runs.records.score_table import sigmoid
from dfbench.runs.records.stored_run import StoredRun
from dfbench.runs.records.verification import content_of
from dfbench.types import Counts

META: Mapping[str, Any] = {
    "detector": {"name": "net"},
    "entry": "net (seed 0)",
    "protocol": "p",
    "corpus": "official",
}


def table_of(
    real: int,
    fake: int,
    *,
    people: int = 30,
    failed: int = 0,
    lists: Mapping[str, Any] | None = None,
    draws: int = 50,
) -> pd.DataFrame:
    """The table of a dataset "d" of which all but the first `failed` fakes were scored."""
    label = np.repeat([0, 1], [real, fake])
    logit = np.random.default_rng(1).normal(size=real + fake) + label
    status = np.where((label == 1) & (np.arange(real + fake) < real + failed), "no_face", "ok")
    logit[status != "ok"] = math.nan
    videos = pd.DataFrame(
        {
            "dataset": "d",
            "video_id": [str(number) for number in range(real + fake)],
            "label": label,
            "manipulation": np.where(label, "swap", "real"),
            "group": [f"id{number % people}" for number in range(real + fake)],
            "logit": logit,
            "score": sigmoid(logit),
            "status": status,
        }
    )
    meta = {**META, "datasets": {"d": {}}, "lists": {} if lists is None else {"d": lists}}
    return result_table(videos, record=record_of(meta), draws=draws)


def listing(listed: tuple[int, int], official: tuple[int, int] | None, problems: int = 0) -> dict[str, Any]:
    names = ("real", "fake")
    return {
        "listed": dict(zip(names, listed, strict=True)),
        "official": None if official is None else dict(zip(names, official, strict=True)),
        "n_problems": problems,
    }


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(real=st.integers(0, 30), fake=st.integers(0, 30), people=st.integers(1, 12), failed=st.integers(0, 30))
def test_a_figure_stands_exactly_where_there_are_enough_videos_and_identities(
    real: int, fake: int, people: int, failed: int
) -> None:
    failed = min(failed, fake)
    row = table_of(real, fake, people=people, failed=failed, draws=5).iloc[0]
    # Videos are numbered through, and go round the people in turn.
    behind = [
        len({number % people for number in part}) for part in (range(real), range(real + failed, real + fake))
    ]
    enough = min(real, fake - failed) >= 10 and min(behind) >= 5
    for name in (*MEASURES, "auc_low", "auc_high"):
        assert math.isfinite(row[name]) == enough, name
    assert bool(row["note"]) == (failed > 0 or not enough)
    assert (row["n_scored_real"], row["n_scored_fake"]) == (real, fake - failed)


def test_reasons_name_the_counts() -> None:
    def reason(real: int, fake: int, people: int) -> str:
        labels = np.repeat([0, 1], [real, fake])
        return too_few(labels, np.arange(real + fake) % people)

    assert reason(0, 0, 1) == "nothing scored"
    assert reason(3, 0, 9) == "no fake scored"
    assert reason(0, 3, 9) == "no real scored"
    assert reason(12, 9, 9) == "too few to show: 12 real and 9 fake scored, 10 of each are needed"
    assert reason(12, 12, 4) == (
        "too few to show: 4 source identities of reals and 4 of fakes scored, 5 of each are needed"
    )
    assert reason(10, 10, 5) == ""


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(
    listed=st.tuples(st.integers(10, 60), st.integers(10, 60)),
    official=st.tuples(st.integers(0, 90), st.integers(0, 90)),
    failed=st.integers(0, 5),
)
def test_coverage_is_that_of_the_published_videos(
    listed: tuple[int, int], official: tuple[int, int], failed: int
) -> None:
    row = table_of(*listed, failed=failed, lists=listing(listed, official), draws=5).iloc[0]
    expected = [max(pair) for pair in zip(listed, official, strict=True)]
    assert [row["n_real"], row["n_fake"]] == expected
    assert row["coverage"] == pytest.approx((sum(listed) - failed) / sum(expected))
    assert row["coverage"] <= 1
    for label in ("real", "fake"):
        parts = [row[f"n_{part}_{label}"] for part in ("scored", "failed", "unlisted")]
        assert sum(parts) == row[f"n_{label}"]
    assert ("listed" in row["note"]) == (listed != official)
    if not math.isnan(row["auc"]):
        assert row["auc_if_missing_worst"] <= row["auc"] <= row["auc_if_missing_best"]
        wider = row["auc_if_missing_best"] > row["auc_if_missing_worst"]
        assert wider == (row["coverage"] < 1) or row["auc"] in (0.0, 1.0)


def test_unlisted_videos_widen_the_bounds_as_failed_ones_do() -> None:
    failed = table_of(20, 30, failed=10).iloc[0]
    unlisted = table_of(20, 30, failed=10, lists=listing((20, 30), (20, 50))).iloc[0]
    assert unlisted["auc"] == failed["auc"]
    assert unlisted["auc_if_missing_worst"] == pytest.approx(failed["auc"] * 20 / 50)
    assert unlisted["auc_if_missing_best"] == pytest.approx((failed["auc"] * 20 + 30) / 50)


def test_notes_of_lists() -> None:
    assert list_notes(None) == []
    assert list_notes(ListFacts()) == []
    assert list_notes(ListFacts(Counts(3, 4))) == []
    assert list_notes(ListFacts(Counts(3, 4), Counts(3, 4))) == []
    assert list_notes(ListFacts(Counts(3, 4), Counts(5, 9), n_problems=2)) == [
        "listed 7 of 14 (3 of 5 real, 4 of 9 fake)",
        "2 entries of its lists or folders cannot be used",
    ]
    assert shortfall(Counts(4, 3), Counts(3, 4)) == "listed 7 of 7 (4 of 3 real, 3 of 4 fake)"


def test_a_run_without_counts_of_its_lists_expects_what_was_listed() -> None:
    row = table_of(12, 12).iloc[0]
    assert (row["n_real"], row["n_fake"], row["coverage"], row["note"]) == (12, 12, 1.0, "")
    row = table_of(12, 12, lists=listing((12, 12), None, 1)).iloc[0]
    assert (row["coverage"], row["note"]) == (1.0, "1 entry of its lists or folders cannot be used")


def test_what_is_short_is_named_once_and_warned_of() -> None:
    table = table_of(20, 20, failed=9)
    assert short_of(table, 0.95) == ["net on d: 31/40 (77.5%)"]  # its only manipulation says the same
    assert short_of(table, 0.7) == []
    (sentence,) = warnings_of(table)
    assert sentence.startswith("d: not scored: 0 real, 9 fake; AUC 0.")
    assert warnings_of(table_of(20, 20)) == []


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A complete run with its scores, and no table."""
    return of_24(tmp_path / "runs" / "one")


def of_24(folder: Path, *, failed: int = 0, **changes: Any) -> Path:
    """Store a run of 24 videos, of which the first `failed` have no face; returns its folder."""
    record = {
        **META,
        "detector": {"name": "net"},
        "trained_on": [],
        "started": "2026-01-01T00:00:00+00:00",
        "finished": "2026-01-02T00:00:00+00:00",
        **changes,
    }
    rng = np.random.default_rng(0)
    videos = expected("d", 24)
    logits = {
        ("d", video.video_id): None if number < failed else rng.normal(size=1) + int(video.label)
        for number, video in enumerate(videos)
    }
    store_run(folder, record, {"d": videos}, logits, table=False, draws=2000)
    return folder


@pytest.mark.parametrize("state", ["gone", "damaged", "of version 1", "of wrong types"])
def test_a_table_that_cannot_be_read_is_made_anew_of_the_scores(stored: Path, state: str) -> None:
    rewrite(stored, content={**content_of(stored, RUN_FILES), "measured_by": "an earlier version"})
    written = StoredRun.read(stored)
    table = result_table(written.videos(), record=written.record)
    path = stored / "table.parquet"
    if state == "damaged":
        path.write_bytes(b"PAR1")
    elif state != "gone":
        bad = table.drop(columns=["n_scored_real"]) if state == "of version 1" else table.assign(n_real="x")
        write_parquet(path, bad, kind="table", version=1 if state == "of version 1" else 2)
    rewrite(stored, content={**content_of(stored, RUN_FILES), "measured_by": "an earlier version"})
    before = path.read_bytes() if path.exists() else b""
    (run,) = collect(stored.parent, Setup())
    assert run.problem == ""
    assert run.notes == (() if state == "gone" else (OTHER_CODE,))
    assert run.table is not None
    pd.testing.assert_frame_equal(run.table, table)
    assert (path.read_bytes() if path.exists() else b"") == before  # the runs may be somebody else's


def test_a_run_of_nothing_takes_no_board_down(stored: Path) -> None:
    store_run(stored.parent / "nothing", {**META, "detector": {"name": "net"}, "trained_on": []}, {}, {})
    board = leaderboard(collect(stored.parent, Setup()), where=stored.parent, protocol="p")
    frame = frame_of(board)
    assert frame["run"].tolist() == ["one"]
    assert board.left_out == ("nothing: its table holds no dataset",)


def test_a_later_run_of_low_coverage_does_not_hide_a_complete_one(stored: Path) -> None:
    of_24(stored.parent / "two", failed=3, finished="2026-02-01T00:00:00+00:00")
    board = leaderboard(collect(stored.parent, Setup()), where=stored.parent, protocol="p")
    frame = frame_of(board)
    assert frame[["run", "rank", "older_hidden"]].to_numpy().tolist() == [["one", 1, 1]]
    board = leaderboard(collect(stored.parent, Setup()), where=stored.parent, protocol="p", min_coverage=0.5)
    frame = frame_of(board)
    assert frame["run"].tolist() == ["two"]
    assert frame[["scored", "expected"]].to_numpy().tolist() == [[21, 24]]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"pooling": "sum"}, "its pooling is 'sum', and none that this version knows"),
        ({"pooling": None}, "it does not say how scores are pooled"),
        ({"entry": ""}, "run.json is incomplete: it does not say its protocol, corpus and entry"),
    ],
)
def test_a_record_of_which_no_table_can_be_made_is_a_problem_of_that_run(
    stored: Path, change: dict[str, Any], told: str
) -> None:
    rewrite(stored, **change)
    (run,) = collect(stored.parent, Setup())
    assert told in run.problem
    assert run.table is None
