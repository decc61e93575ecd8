"""Which of several runs are better, and which cannot be told apart."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dfbench.errors import RunError, UsageError
from dfbench.metrics.clustered import clustered_aucs
from dfbench.metrics.several import holm
from dfbench.results.comparing import ComparedPair, compare_each, conclusions
from dfbench.results.renderings.comparison import comparison_figure, comparison_table, comparison_text
from dfbench.results.terminal import plain_console

PEOPLE = 60


def run(
    seed: int, shift: float, *, tests: tuple[str, ...] = ("dfdc", "dfd"), people: int = PEOPLE
) -> pd.DataFrame:
    """A real and two fakes of each person in each test; how hard a person is, is shared by all runs."""
    shared, own = np.random.default_rng(0), np.random.default_rng(seed)
    parts = []
    for test in tests:
        number = np.arange(3 * people)
        label = (number % 3 > 0).astype(int)
        level = shared.normal(size=people)[number // 3]
        logit = level + 0.5 * own.normal(size=len(number)) + shift * label
        parts.append(
            pd.DataFrame(
                {
                    "test": test,
                    "dataset": test.partition("/")[0],
                    "video_id": [f"v{one}" for one in number],
                    "label": label,
                    "manipulation": np.array(["real", "swap", "talk"])[number % 3],
                    "group": [f"g{one // 3}" for one in number],
                    "logit": logit,
                    "status": "ok",
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


@pytest.fixture
def three() -> dict[str, pd.DataFrame]:
    return {"good": run(1, 1.2), "as good": run(2, 1.2), "weak": run(3, 0.2)}


def test_each_pair_is_compared_in_each_test_and_in_the_mean(three: dict[str, pd.DataFrame]) -> None:
    pairs = compare_each(three)
    both = list(itertools.combinations(three, 2))
    assert [(one.found.test, one.first, one.second) for one in pairs] == [
        (test, *pair) for test in ("dfdc", "dfd", "mean") for pair in both
    ]
    for one in pairs:
        assert one.told_apart is ("weak" in (one.first, one.second))
        found = one.found
        assert found.difference.low < found.difference.point < found.difference.high
        assert (found.difference.low > 0 or found.difference.high < 0) is (found.p < 0.05)
        assert found.p <= one.p_holm
    wholes = [one for one in pairs if one.found.test != "mean"]
    assert [one.p_holm for one in wholes] == pytest.approx(holm([one.found.p for one in wholes]))
    mean, of_tests = pairs[-2], [pairs[1], pairs[4]]  # of "good" and "weak"
    assert mean.found.difference.point == pytest.approx(
        np.mean([one.found.difference.point for one in of_tests])
    )
    widths = [one.found.difference.high - one.found.difference.low for one in (mean, *of_tests)]
    assert widths[0] == pytest.approx(math.hypot(*widths[1:]) / 2, rel=0.05)  # of other people each
    assert mean.found.videos == 2 * 3 * PEOPLE


def test_p_values_are_those_of_the_difference_over_its_error(three: dict[str, pd.DataFrame]) -> None:
    pair = compare_each(three, tests=["dfd"])[0]
    videos = [table[table["test"] == "dfd"] for table in (three["good"], three["as good"])]
    error = clustered_aucs(
        [table["logit"].to_numpy() for table in videos],
        videos[0]["label"].to_numpy(),
        np.arange(3 * PEOPLE) // 3,
    ).combined([1, -1])
    assert pair.found.p == pytest.approx(error.p_of_difference())
    assert pair.found.smallest == pytest.approx(error.smallest_difference())
    assert pair.found.difference.point == pytest.approx(error.value)


def test_tests_of_one_dataset_are_taken_as_moving_together() -> None:
    tests = ("dfd/c23", "dfd/c40")
    mean = compare_each({"a": run(1, 1.0, tests=tests), "b": run(2, 0.6, tests=tests)})[-1].found
    apart = compare_each({"a": run(1, 1.0), "b": run(2, 0.6)})[-1].found
    assert mean.test == apart.test == "mean"
    assert mean.difference.point == pytest.approx(apart.difference.point)
    assert mean.difference.high - mean.difference.low > 1.3 * (apart.difference.high - apart.difference.low)


def test_manipulations_are_compared_against_the_reals_of_their_test(three: dict[str, pd.DataFrame]) -> None:
    pairs = compare_each(three, by_manipulation=True, tests=["dfd"])
    assert len(pairs) == 3 * 3
    talk = next(one for one in pairs if one.found.manipulation == "talk")
    kept = {name: table[table["manipulation"] != "swap"] for name, table in three.items()}
    alone = compare_each(kept, tests=["dfd"])[0]
    assert talk.found.difference == alone.found.difference
    assert talk.found.videos == 2 * PEOPLE
    parts = [one for one in pairs if one.found.manipulation != "all"]
    assert [one.p_holm for one in parts] == pytest.approx(holm([one.found.p for one in parts]))


def test_videos_that_only_one_run_scored_are_counted_and_left_out(three: dict[str, pd.DataFrame]) -> None:
    less = three["good"].copy()
    less.loc[[0, 1, 5], "status"] = "no_face"
    more = three["weak"].drop(index=[7]).reset_index(drop=True)
    found = compare_each({"less": less, "more": more}, tests=["dfdc"])[0].found
    assert (found.videos, found.only_first, found.only_second) == (3 * PEOPLE - 4, 1, 3)
    assert set(found.left_out) == {"v0", "v1", "v5", "v7"}
    text = shown([ComparedPair("less", "more", found, found.p)])
    assert "176, alone 1 and 3" in text


def test_runs_that_rank_alike_are_not_told_apart(three: dict[str, pd.DataFrame]) -> None:
    same = three["good"].assign(logit=3 * three["good"]["logit"] - 1)
    pairs = compare_each({"good": three["good"], "same": same})
    for one in pairs:
        assert (one.found.difference.point, one.found.p, one.p_holm) == (0.0, 1.0, 1.0)
        assert math.isnan(one.found.smallest)
    assert conclusions(pairs) == [
        "in the mean over tests, good and same cannot be told apart: they rank alike"
    ]


def test_conclusions_are_said_in_words(three: dict[str, pd.DataFrame]) -> None:
    lines = conclusions(compare_each(three))
    assert lines[1:] == [
        "in the mean over tests, good is better than weak",
        "in the mean over tests, as good is better than weak",
    ]
    assert lines[0].startswith(
        "in the mean over tests, good and as good cannot be told apart: a difference of 0.0"
    )
    assert lines[0].endswith("would be found in 80 of 100 such tests")
    swapped = conclusions(compare_each({"weak": three["weak"], "good": three["good"]}, tests=["dfd"]))
    assert swapped == ["on dfd, good is better than weak"]


def test_too_few_videos_leave_a_row_blank_with_its_reason() -> None:
    few = {"a": run(1, 1.0, people=4), "b": run(2, 1.0, people=4)}
    pairs = compare_each(few)
    assert {one.found.test for one in pairs} == {"dfdc", "dfd"}  # no mean of what is blank
    assert all(math.isnan(one.p_holm) and not one.told_apart for one in pairs)
    lines = comparison_text(pairs)
    assert len(lines) == 2  # each once
    assert all("4 real and 8 fake scored" in line for line in lines)
    assert pairs[0].to_json()["difference"] is None
    json.dumps([one.to_json() for one in pairs], allow_nan=False)
    assert " - " in shown(pairs)


def test_what_cannot_be_compared_is_refused(three: dict[str, pd.DataFrame]) -> None:
    with pytest.raises(UsageError, match="at least two runs"):
        compare_each({"good": three["good"]})
    with pytest.raises(UsageError, match="no two of the runs have the test dfdd") as caught:
        compare_each(three, tests=["dfdd"])
    assert "good has dfdc, dfd" in caught.value.hints
    with pytest.raises(RunError, match="no two of the runs have a test in common"):
        compare_each({"a": run(1, 1.0, tests=("x",)), "b": run(2, 1.0, tests=("y",))})


def shown(pairs: list[ComparedPair]) -> str:
    console = plain_console(width=140)
    with console.capture() as captured:
        console.print(comparison_table(pairs))
    return captured.get()


def test_a_comparison_is_shown_and_drawn(three: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    pairs = compare_each(three, by_manipulation=True)
    text = shown(pairs)
    assert "C: weak" in text
    assert "  talk" in text
    assert "< 0.001*" in text
    for name in ("a.png", "a.pdf", "a.svg"):
        comparison_figure(pairs, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")
    assert "dfd, talk: A - B" in (tmp_path / "a.svg").read_text(encoding="utf-8")
