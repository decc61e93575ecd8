"""Several runs on the same videos."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score
from tests.results.made_runs import expected, store_run

from dfbench.errors import RunError, StoreError, UsageError
from dfbench.results.paired import Aligned, aligned, compare_runs, difference, scored_videos
from dfbench.runs.records.stored_run import StoredRun

COUNT = 24
CLUSTERED: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "golden" / "clustered.json").read_text(encoding="utf-8")
)


def scores(
    seed: int, *, ids: list[int] | None = None, unscored: frozenset[int] = frozenset(), shift: float = 1.0
) -> pd.DataFrame:
    """A row for each of the videos `ids` of the tests "a" and "b", in this order: the same facts whatever the order."""
    ids = list(range(COUNT)) if ids is None else ids
    logits = np.random.default_rng(seed).normal(size=COUNT) + shift * (np.arange(COUNT) % 2)
    part = pd.DataFrame(
        {
            "video_id": [f"v{number}" for number in ids],
            "label": [number % 2 for number in ids],
            "group": [f"g{number // 4}" for number in ids],
            "logit": [np.nan if number in unscored else logits[number] for number in ids],
            "status": ["no_face" if number in unscored else "ok" for number in ids],
        }
    )
    return pd.concat([part.assign(test="a"), part.iloc[::-1].assign(test="b", logit=-part["logit"])])


orders = st.permutations(range(COUNT))
subsets = st.frozensets(st.integers(0, COUNT - 1), max_size=10)


@settings(max_examples=40, deadline=None)
@given(first=orders, second=orders, lost=st.tuples(subsets, subsets), unlisted=subsets)
def test_videos_stand_in_one_order_whatever_that_of_the_runs_and_whichever_are_missing(
    first: list[int],
    second: list[int],
    lost: tuple[frozenset[int], frozenset[int]],
    unlisted: frozenset[int],
) -> None:
    runs = [
        scores(0, ids=first, unscored=lost[0]),
        scores(1, ids=[number for number in second if number not in unlisted], unscored=lost[1]),
    ]
    found = aligned(runs, "a")
    missing = lost[0] | lost[1] | unlisted
    kept = [number for number in first if number not in missing]
    assert found.videos == tuple(f"v{number}" for number in kept)
    assert found.left_out == tuple(sorted(f"v{number}" for number in missing))
    assert found.labels.tolist() == [number % 2 for number in kept]
    people = [number // 4 for number in kept]
    assert (found.clusters[:, None] == found.clusters).tolist() == [
        [one == other for other in people] for one in people
    ]
    for run, table in zip(found.logits, runs, strict=True):
        by_id = table[table["test"] == "a"].set_index("video_id")["logit"]
        assert run.tolist() == [by_id[f"v{number}"] for number in kept]


@pytest.mark.parametrize(("fact", "value"), [("label", 1), ("group", "g5")])
def test_runs_that_tell_other_facts_of_a_video_are_refused(fact: str, value: str | int) -> None:
    other = scores(1, unscored=frozenset({4}))
    other.loc[(other["video_id"] == "v4") & (other["test"] == "a"), fact] = value  # scored or not
    with pytest.raises(
        RunError, match=rf"the runs differ in the {fact} of the video 'v4' of a: \w+ and {value}"
    ):
        aligned([scores(0), other], "a")
    assert aligned([scores(0), other], "b").videos


def test_a_video_with_two_scores_is_refused() -> None:
    twice = pd.concat([scores(0), scores(1).iloc[:1]])
    with pytest.raises(RunError, match="two scores of the video 'v0' of a"):
        aligned([twice], "a")
    with pytest.raises(UsageError, match="no runs"):
        aligned([], "a")


def test_scores_of_stored_runs_are_pooled(tmp_path: Path) -> None:
    videos = {"d": expected("d", 20)}
    logits = {("d", str(number)): np.array([number, number + 2.0]) for number in range(20)}
    record = {"detector": {"name": "net"}, "entry": "net", "protocol": "p", "corpus": "demo"}
    store_run(tmp_path / "run", record, videos, logits)
    run = StoredRun.read(tmp_path / "run")
    found = aligned([scored_videos(run)] * 2, "d")
    assert found.logits.tolist() == [[number + 1.0 for number in range(20)]] * 2
    (tmp_path / "run" / "scores.parquet").unlink()
    with pytest.raises(StoreError, match="gone"):
        scored_videos(run)


def seeds(count: int, *, shift: float, start: int = 0) -> list[pd.DataFrame]:
    return [scores(start + seed, shift=shift) for seed in range(count)]


def test_a_difference_is_that_of_the_mean_aucs() -> None:
    better, worse = seeds(6, shift=2.5), seeds(6, shift=0.0, start=10)
    both = aligned([*better, *worse], "a")
    found = difference(both, seed=3)
    means = [np.mean([roc_auc_score(both.labels, run) for run in half]) for half in np.split(both.logits, 2)]
    assert both.aucs()[:6].mean() == pytest.approx(means[0])
    assert found.point == pytest.approx(means[0] - means[1])
    assert 0 < found.low < found.point < found.high <= 1
    back = difference(aligned([*worse, *better], "a"), seed=3)
    assert back.point == pytest.approx(-found.point)
    assert -1 <= back.low < back.high < 0
    none = difference(aligned([*better, *better], "a"))
    assert (none.low, none.point, none.high) == (0, 0, 0)


def test_few_seeds_make_it_wide_and_a_pair_is_not_wider_than_either() -> None:
    def width(*runs: pd.DataFrame) -> float:
        found = difference(aligned(runs, "a"), draws=500)
        return found.high - found.low

    ones, others = seeds(8, shift=1.0), seeds(8, shift=1.0, start=20)
    assert width(*ones[:2], *others[:2]) > width(*ones, *others)
    near = ones[0].assign(logit=ones[0]["logit"] + 1e-3 * others[0]["logit"])
    assert width(near, ones[0]) < 0.1 < width(others[0], ones[0])


def test_runs_that_cannot_be_halved_are_refused() -> None:
    for count in (1, 3):
        with pytest.raises(UsageError, match=f"{count} runs cannot be compared half by half"):
            difference(aligned(seeds(count, shift=1.0), "a"))


def test_too_few_videos_are_told() -> None:
    few = Aligned((), np.zeros((2, 0)), np.zeros(0, np.int64), np.zeros(0, np.int64))
    assert few.blank == "nothing scored"
    assert aligned(seeds(2, shift=1.0), "a").blank == ""


def test_groups_of_runs_are_compared_in_each_test_that_all_have() -> None:
    better, worse = seeds(2, shift=2.0), seeds(2, shift=0.0, start=10)
    worse[1] = worse[1][worse[1]["video_id"] != "v3"]
    found = {one.test: one for one in compare_runs(better, worse)}
    assert list(found) == ["a", "b"]
    both = aligned([*better, *worse], "a")
    assert (found["a"].videos, found["a"].left_out, found["a"].blank) == (COUNT - 1, ("v3",), "")
    assert (found["a"].first, found["a"].second) == pytest.approx(
        tuple(both.aucs().reshape(2, 2).mean(axis=1))
    )
    assert found["a"].difference.point == pytest.approx(found["a"].first - found["a"].second)
    assert found["a"].difference.low < found["a"].difference.point < found["a"].difference.high
    only = [run[run["test"] == "b"] for run in worse]
    assert [one.test for one in compare_runs(better, only)] == ["b"]
    with pytest.raises(RunError, match="no test in common"):
        compare_runs([better[0][better[0]["test"] == "a"]], only[:1])
    with pytest.raises(UsageError, match="2 and 1 runs cannot be compared in pairs"):
        compare_runs(better, worse[:1])


@pytest.mark.parametrize("name", CLUSTERED)
def test_a_difference_varies_as_the_formula_for_clustered_aucs_says(name: str) -> None:
    """The numbers are those of Obuchowski (Biometrics 1997; 53:567-578), computed by other programs."""
    golden = CLUSTERED[name]
    clusters = np.unique(golden["clusters"], return_inverse=True)[1]
    videos = tuple(map(str, range(len(clusters))))
    both = Aligned(videos, np.array([golden["a"], golden["b"]]), np.array(golden["labels"]), clusters)
    assert both.aucs() == pytest.approx(golden["auc"], abs=1e-12)
    found = difference(both)
    assert found.point == pytest.approx(golden["difference"], abs=1e-12)
    errors = both.errors
    assert np.diag(errors.covariance) == pytest.approx(golden["var"], rel=1e-9, abs=1e-15)
    half = stats.t.ppf(0.975, errors.combined([1, -1]).freedom) * math.sqrt(golden["var_difference"])
    assert found.high - found.low == pytest.approx(2 * half, rel=1e-9)
