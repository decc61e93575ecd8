"""AUCs with their errors over identities: as others compute them, and true in 95 of 100 worlds."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from scipy.special import expit

from dfbench.errors import MetricError, SingleClassError
from dfbench.metrics.clustered import Combination, Identities, clustered_aucs, independent_sum
from dfbench.metrics.point import auc
from dfbench.metrics.uncertainty import bootstrap_draws, mean_of_draws, percentile_interval

ORACLE = json.loads((Path(__file__).parents[1] / "golden" / "statistics.json").read_text(encoding="utf-8"))
CLUSTERED = ORACLE["clustered"]


def of_set(name: str) -> tuple[list[NDArray[np.float64]], NDArray[np.int64], NDArray[np.int64]]:
    data = CLUSTERED["datasets"][name]
    clusters = np.unique(data["clusters"], return_inverse=True)[1]
    return [np.array(data["scores"][one]) for one in "ab"], np.array(data["labels"]), clusters


@pytest.mark.parametrize("name", list(CLUSTERED["obuchowski"]))
def test_variances_over_identities_are_obuchowskis(name: str) -> None:
    stored = CLUSTERED["obuchowski"][name]
    found = clustered_aucs(*of_set(name))
    assert found.aucs == pytest.approx(stored["auc"], rel=1e-12)
    assert np.diag(found.covariance) == pytest.approx(stored["var"], rel=1e-12, abs=1e-16)
    assert found.covariance[0, 1] == pytest.approx(stored["cov"], rel=1e-12, abs=1e-16)
    assert found.covariance[1, 0] == found.covariance[0, 1]
    difference = found.combined([1, -1])
    assert difference.value == pytest.approx(stored["difference"], rel=1e-12)
    assert difference.variance == pytest.approx(stored["var_difference"], rel=1e-12)
    counts = stored["counts"]
    assert found.identities == Identities(counts["I10"], counts["I01"], counts["I"])


def test_obuchowskis_sets_are_all_there() -> None:
    assert len(CLUSTERED["obuchowski"]) == 7


@pytest.mark.parametrize("name", list(ORACLE["roc"]))
def test_of_videos_that_share_nothing_they_are_delongs(name: str) -> None:
    data = ORACLE["datasets"][name]
    labels = np.array(data["labels"])
    for one, stored in ORACLE["roc"][name].items():
        found = clustered_aucs([np.array(data["scores"][one])], labels, np.arange(len(labels))).mean()
        assert found.value == pytest.approx(stored["auc"], rel=1e-12)
        assert found.variance == pytest.approx(stored["delong_var"], rel=1e-11, abs=1e-16)


@pytest.mark.parametrize("name", list(ORACLE["paired_delong"]))
def test_differences_are_delongs(name: str) -> None:
    data, stored = ORACLE["datasets"][name], ORACLE["paired_delong"][name]
    labels = np.array(data["labels"])
    both = clustered_aucs([np.array(data["scores"][one]) for one in "ab"], labels, np.arange(len(labels)))
    difference = both.combined([1, -1])
    assert difference.value == pytest.approx(stored["difference"], rel=1e-11, abs=1e-15)
    assert difference.variance == pytest.approx(stored["var_difference"], rel=1e-9, abs=1e-16)


def test_an_interval_is_the_logits_with_students_quantile() -> None:
    scores, labels, clusters = of_set("one_real_four_fakes")
    found = clustered_aucs(scores, labels, clusters).combined([1, 0])
    assert 30 < found.freedom <= 39
    interval = found.interval(level=0.9)
    scale = found.variance**0.5 / (found.value * (1 - found.value))
    ends = stats.t.interval(0.9, found.freedom, loc=np.log(found.value / (1 - found.value)), scale=scale)
    assert (interval.low, interval.high) == pytest.approx(tuple(expit(ends)), rel=1e-12)
    drawn = found.draws(np.random.default_rng(0), count=200_000)
    assert np.quantile(drawn, [0.05, 0.95]) == pytest.approx([interval.low, interval.high], abs=0.001)


def test_the_mean_of_detectors_is_known_no_worse_than_they_are() -> None:
    found = clustered_aucs(*of_set("one_real_four_fakes"))
    mean = found.mean()
    assert mean.value == pytest.approx(found.aucs.mean())
    assert mean.variance == pytest.approx(found.covariance.mean(), rel=1e-12)
    assert mean.variance < np.diag(found.covariance).mean()
    with pytest.raises(MetricError, match="2 AUCs cannot be summed"):
        found.combined([1])


def test_a_difference_stays_between_minus_one_and_one() -> None:
    wide = Combination(0.9, 0.25, 5.0, Identities(6, 6, 12))
    interval = wide.interval_of_difference()
    assert (interval.low, interval.high) == pytest.approx((0.9 - 2.570582 * 0.5, 1.0))
    drawn = wide.draws_of_difference(np.random.default_rng(0), count=50_000)
    assert drawn.max() == 1.0
    assert drawn.min() >= -1.0
    assert np.quantile(drawn, 0.025) == pytest.approx(interval.low, abs=0.03)


@pytest.mark.parametrize("people", [10, 40, 400])
def test_separated_classes_are_no_certainty(people: int) -> None:
    labels = np.repeat([0, 1], people)
    found = clustered_aucs([np.arange(2.0 * people)], labels, np.arange(2 * people)).mean()
    interval = found.interval()
    # Newcombe's bound falls by about 2 z^2 / 3 n from 1.
    quantile = stats.t.ppf(0.975, found.freedom)
    assert interval.high == interval.point == 1.0
    assert 1 - interval.low == pytest.approx(2 * quantile**2 / (3 * people), rel=0.35)
    mirrored = clustered_aucs([-np.arange(2.0 * people)], labels, np.arange(2 * people)).mean().interval()
    assert (mirrored.low, mirrored.point) == (0.0, 0.0)
    assert mirrored.high == pytest.approx(1 - interval.low)
    drawn = found.draws(np.random.default_rng(0), count=50_000)
    assert np.quantile(drawn, 0.025) == pytest.approx(interval.low, abs=0.01)
    assert drawn.max() == 1.0


def test_the_same_score_for_all_has_no_width() -> None:
    interval = clustered_aucs([np.full(40, 0.3)], np.tile([0, 1], 20), np.arange(40)).mean().interval()
    assert (interval.low, interval.point, interval.high) == (0.5, 0.5, 0.5)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32), st.sampled_from([3, 1000]), st.sampled_from([7, 10**6]))
def test_whatever_is_scored_the_interval_holds_the_auc(seed: int, steps: int, people: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.append([0, 1, 0, 1], rng.integers(0, 2, size=int(rng.integers(4, 40))))
    scores = rng.integers(0, steps, size=len(labels)) / steps
    clusters = rng.integers(0, people, size=len(labels))
    clusters[:4] = [0, 1, 2, 3]
    found = clustered_aucs([scores], labels, clusters).mean()
    interval = found.interval()
    assert interval.point == pytest.approx(auc(scores, labels), abs=1e-12)
    assert 0 <= interval.low <= interval.point <= interval.high <= 1
    order = rng.permutation(len(labels))
    again = clustered_aucs([3 * scores[order] - 1], labels[order], 5 - clusters[order]).mean().interval()
    assert (again.low, again.high) == pytest.approx((interval.low, interval.high), abs=1e-9)


def test_unusable_input_is_refused() -> None:
    scores, labels, clusters = np.arange(12.0), np.tile([0, 1], 6), np.arange(12)
    for wrong, message in (
        (([], labels, clusters), "no scores"),
        (([scores], labels, clusters[1:]), "clusters"),
        (([scores[1:]], labels, clusters), "shape"),
        (([scores, np.full(12, np.nan)], labels, clusters), "NaN"),
    ):
        with pytest.raises(MetricError, match=message):
            clustered_aucs(*wrong)
    with pytest.raises(SingleClassError, match="reals and fakes"):
        clustered_aucs([scores], np.zeros_like(labels), clusters)
    with pytest.raises(SingleClassError, match="two identities"):
        clustered_aucs([scores[:3]], np.array([0, 1, 1]), np.arange(3))
    mean = clustered_aucs([scores], labels, clusters).mean()
    for interval in (mean.interval, mean.interval_of_difference):
        with pytest.raises(MetricError, match="level"):
            interval(level=95)


@dataclass(frozen=True)
class World:
    """How the scores of a simulated test come about: `people` with so many reals and fakes each, of whom each shifts his videos
    by `shared` standard deviations; `spread`: of fakes, in those of reals."""

    people: int
    truth: float
    reals: int = 1
    fakes: int = 4
    shared: float = 0.7
    spread: float = 1.0
    apart: bool = False  # half of the people have reals alone, the others fakes alone

    def drawn(self, rng: np.random.Generator, detectors: int = 1) -> tuple[Any, Any, Any]:
        here = np.arange(self.people)
        reals = np.where(here % 2 == 0, self.reals, 0) if self.apart else np.full(self.people, self.reals)
        fakes = np.where(here % 2 == 1, self.fakes, 0) if self.apart else np.full(self.people, self.fakes)
        clusters = np.concatenate([np.repeat(here, reals), np.repeat(here, fakes)])
        labels = np.repeat([0, 1], [reals.sum(), fakes.sum()])
        level = self.shared * rng.normal(size=self.people)[clusters]
        shift = stats.norm.ppf(self.truth) * np.sqrt((1 + self.spread**2) * (1 + self.shared**2))
        common = rng.normal(size=len(labels))
        scores = [
            np.where(labels, self.spread, 1.0)
            * (level + np.sqrt(0.5) * common + np.sqrt(0.5) * rng.normal(size=len(labels)))
            + shift * labels
            for _ in range(detectors)
        ]
        return scores, labels, clusters


WORLDS = [
    *(World(people, truth) for people in (20, 50, 100) for truth in (0.65, 0.8, 0.9, 0.98)),
    *(World(44, truth, fakes=1) for truth in (0.6, 0.95)),
    *(World(50, truth, reals=3, shared=1.0, apart=True) for truth in (0.7, 0.98)),
    *(World(60, truth, fakes=1, shared=0.0, apart=True) for truth in (0.7, 0.9)),  # nothing is shared
    *(World(30, truth, spread=1.8) for truth in (0.7, 0.98)),
    *(World(28, truth, shared=1.5) for truth in (0.7, 0.98)),  # as many as DFD has actors
]


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS, ids=lambda world: f"{world.people} people, {world.truth}")
def test_of_95_percent_intervals_95_percent_hold_the_truth(world: World) -> None:
    rng = np.random.default_rng(20)
    held = 0
    for _ in range(2000):
        interval = clustered_aucs(*world.drawn(rng)).mean().interval()
        held += interval.low <= world.truth <= interval.high
    assert 0.93 <= held / 2000 <= 0.975, held / 2000


@pytest.mark.slow
@pytest.mark.parametrize(
    "world", [World(20, 0.8), World(50, 0.9), World(50, 0.97), World(28, 0.7, shared=1.5)]
)
def test_of_95_percent_intervals_of_a_difference_too(world: World) -> None:
    rng = np.random.default_rng(21)
    held = 0
    for _ in range(2000):
        interval = clustered_aucs(*world.drawn(rng, 2)).combined([1, -1]).interval_of_difference()
        held += interval.low <= 0 <= interval.high
    assert 0.93 <= held / 2000 <= 0.975, held / 2000


@pytest.mark.slow
def test_of_95_percent_intervals_of_a_mean_over_tests_too() -> None:
    rng = np.random.default_rng(23)
    worlds = [World(44, 0.8, fakes=1), World(28, 0.7, shared=1.5), World(50, 0.95)]
    truth = np.mean([world.truth for world in worlds])
    held: list[bool] = []
    for _ in range(1000):
        found = [clustered_aucs(*world.drawn(rng)).mean() for world in worlds]
        drawn = mean_of_draws([one.draws(rng, count=500) for one in found], ["a", "b", "c"])
        interval = percentile_interval(float(np.mean([one.value for one in found])), drawn)
        held.append(bool(interval.low <= truth <= interval.high))
    assert 0.93 <= np.mean(held) <= 0.975, np.mean(held)


@pytest.mark.parametrize("name", list(ORACLE["paired_delong"]))
def test_p_values_follow_delongs_z(name: str) -> None:
    data, stored = ORACLE["datasets"][name], ORACLE["paired_delong"][name]
    labels = np.array(data["labels"])
    scores = [np.array(data["scores"][one]) for one in "ab"]
    difference = clustered_aucs(scores, labels, np.arange(len(labels))).combined([1, -1])
    assert replace(difference, freedom=1e12).p_of_difference() == pytest.approx(
        stored["p_two_sided"], rel=1e-6
    )
    assert difference.p_of_difference() >= stored["p_two_sided"]  # Student's, of few videos
    ends = replace(difference, freedom=1e12).interval_of_difference()
    expected = np.clip(stored["ci95_difference"], -1, 1)
    assert (ends.low, ends.high) == pytest.approx(tuple(expected), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("name", list(CLUSTERED["obuchowski"]))
def test_p_values_of_clusters_follow_obuchowskis_z(name: str) -> None:
    stored = CLUSTERED["obuchowski"][name]
    difference = clustered_aucs(*of_set(name)).combined([1, -1])
    found = replace(difference, freedom=1e12).p_of_difference()
    assert found == pytest.approx(stored["p_two_sided"], rel=1e-5)


def test_the_smallest_difference_is_found_in_80_of_100_tests() -> None:
    error = Combination(0.0, 0.03**2, 40.0, Identities(41, 41, 41))
    smallest = error.smallest_difference()
    rng = np.random.default_rng(0)
    spreads = 0.03 * np.sqrt(rng.chisquare(40, size=20_000) / 40)
    values = rng.normal(smallest, 0.03, size=20_000)
    found = [
        replace(error, value=value, variance=spread**2).p_of_difference() < 0.05
        for value, spread in zip(values[:4000], spreads[:4000], strict=True)
    ]
    assert np.mean(found) == pytest.approx(0.8, abs=0.02)
    certain = replace(error, variance=0.0)
    assert np.isnan(certain.smallest_difference())
    assert certain.p_of_difference() == 1.0
    assert np.isnan(replace(certain, value=0.2).p_of_difference())


def test_independent_values_are_summed_with_their_errors() -> None:
    one, other = (Combination(value, 0.01, 20.0, Identities(5, 5, 10)) for value in (0.7, 0.9))
    mean = independent_sum([one, other], [0.5, 0.5])
    assert (mean.value, mean.variance, mean.freedom) == pytest.approx((0.8, 0.005, 40.0))
    few = replace(other, identities=Identities(2, 3, 4))
    assert independent_sum([one, few], [0.5, 0.5]).identities == few.identities
    sure = replace(one, variance=0.0)
    assert independent_sum([sure, sure], [0.5, 0.5]).freedom == 20.0
    assert independent_sum([one, sure], [1.0, 1.0]).freedom == pytest.approx(20.0)
    with pytest.raises(MetricError, match="1 values cannot be summed by 2 weights"):
        independent_sum([one], [0.5, 0.5])


@pytest.mark.slow
def test_where_classes_are_often_separated_the_interval_is_wide_enough() -> None:
    rng = np.random.default_rng(22)
    world = World(60, 0.98, fakes=1, shared=0.0, apart=True)
    found = [clustered_aucs(*world.drawn(rng)).mean() for _ in range(2000)]
    held = [one.interval().low <= world.truth <= one.interval().high for one in found]
    assert 0.02 < np.mean([one.value == 1.0 for one in found]) < 0.3
    assert 0.94 <= np.mean(held) <= 0.99


@pytest.mark.slow
@pytest.mark.parametrize(("world", "most"), [(World(20, 0.98), 0.86), (World(28, 0.98, shared=1.5), 0.9)])
def test_the_percentile_bootstrap_is_too_narrow_near_one(world: World, most: float) -> None:
    rng = np.random.default_rng(24)
    held = 0
    for _ in range(300):
        scores, labels, clusters = world.drawn(rng)
        drawn = bootstrap_draws(scores[0], labels, clusters, metric=auc, rng=rng, draws=400)
        interval = percentile_interval(auc(scores[0], labels), drawn)
        held += interval.low <= world.truth <= interval.high
    assert held / 300 < most, held / 300
