from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from dfbench.errors import MetricError, SingleClassError
from dfbench.metrics import point
from dfbench.metrics.uncertainty import (
    Interval,
    Resampling,
    bootstrap_draws,
    interval_over_seeds,
    paired_bootstrap_draws,
    percentile_interval,
    resampling_of,
)

Sample = tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]


def grouped(
    rng: np.random.Generator, *, clusters: int = 25, each: int = 6, shift: float = 1.0, shared: float = 1.0
) -> Sample:
    """Videos of `clusters` people, half of each real; people differ in level by `shared`."""
    group = np.repeat(np.arange(clusters), each)
    label = np.tile(np.arange(each) % 2, clusters)
    offset = shared * rng.normal(size=clusters)[group] * np.where(label, 1, -1)
    return rng.normal(size=len(group)) + shift * label + offset, label, group


def interval(
    scores: NDArray[np.float64],
    labels: NDArray[np.int64],
    clusters: NDArray[np.int64],
    *,
    rng: np.random.Generator,
    draws: int = 2000,
    level: float = 0.95,
) -> Interval:
    """Of the AUC."""
    drawn = bootstrap_draws(scores, labels, clusters, metric=point.auc, rng=rng, draws=draws)
    return percentile_interval(point.auc(scores, labels), drawn, level=level)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32), st.sampled_from([3, 1000]), st.sampled_from([2, 7, 10**6]))
def test_interval_holds_the_point(seed: int, steps: int, people: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.append([0, 1], rng.integers(0, 2, size=int(rng.integers(2, 40))))
    scores = rng.integers(0, steps, size=len(labels)) / steps
    clusters = rng.integers(0, people, size=len(labels))
    found = interval(scores, labels, clusters, rng=rng, draws=100)
    assert 0 <= found.low <= found.point <= found.high <= 1
    assert found.point == point.auc(scores, labels)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("how", list(Resampling))
def test_the_fast_auc_is_the_plain_one(how: Resampling, tied: bool) -> None:
    scores, labels, clusters = grouped(np.random.default_rng(1), clusters=12)
    if tied:
        scores = np.round(scores)
    if how is Resampling.CLUSTERS_BY_CLASS:
        clusters = 2 * clusters + labels
    elif how is Resampling.VIDEOS:
        clusters = np.arange(len(labels))
    assert resampling_of(labels, clusters) is how

    def plain(scores: point.Scores, labels: point.Labels) -> float:
        return point.auc(scores, labels)

    fast, slow = (
        bootstrap_draws(scores, labels, clusters, metric=metric, rng=np.random.default_rng(3), draws=60)
        for metric in (point.auc, plain)
    )
    np.testing.assert_allclose(fast, slow, atol=1e-12)


def test_same_generator_same_interval() -> None:
    sample = grouped(np.random.default_rng(2))
    first, again, other = (interval(*sample, rng=np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert first == again
    assert first != other


def test_names_and_order_of_clusters_do_not_decide_how_it_resamples() -> None:
    _, labels, clusters = grouped(np.random.default_rng(2))
    assert resampling_of(labels, clusters) is Resampling.CLUSTERS
    assert resampling_of(labels[::-1], 7 - 3 * clusters[::-1]) is Resampling.CLUSTERS


@pytest.mark.parametrize(
    ("labels", "clusters", "how"),
    [
        ([0, 0, 1, 1], [0, 1, 2, 3], Resampling.VIDEOS),
        ([0, 1] * 4, [0, 0, 1, 1, 2, 2, 3, 3], Resampling.VIDEOS),  # four clusters are too few
        ([0, 1] * 5, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4], Resampling.CLUSTERS),
        ([0] * 5 + [1] * 10, [0, 1, 2, 3, 4, *range(5, 10), *range(5, 10)], Resampling.CLUSTERS_BY_CLASS),
        ([0] * 5 + [1] * 8, [0, 1, 2, 3, 4, *range(5, 9), *range(5, 9)], Resampling.VIDEOS),
    ],
)
def test_how_it_resamples(labels: list[int], clusters: list[int], how: Resampling) -> None:
    assert resampling_of(np.array(labels), np.array(clusters)) is how


def test_clusters_widen_the_interval() -> None:
    scores, labels, clusters = grouped(np.random.default_rng(4), clusters=30, each=20, shared=2.0)
    alone = np.arange(len(labels))
    by_cluster, by_video = (
        interval(scores, labels, which, rng=np.random.default_rng(0)) for which in (clusters, alone)
    )
    assert by_cluster.high - by_cluster.low > 2 * (by_video.high - by_video.low)


@pytest.mark.slow
def test_coverage_is_near_nominal() -> None:
    rng = np.random.default_rng(11)
    truth = point.auc(*grouped(rng, clusters=20_000, shared=0.7)[:2])
    sims = 200
    hits = {"clusters": 0, "videos": 0}
    for _ in range(sims):
        scores, labels, clusters = grouped(rng, clusters=30, each=10, shared=0.7)
        for name, which in (("clusters", clusters), ("videos", np.arange(len(labels)))):
            found = interval(scores, labels, which, rng=rng, draws=300)
            hits[name] += found.low <= truth <= found.high
    # 95 % nominal; percentile intervals of 30 clusters fall a little short, resampling videos far short.
    assert 0.89 <= hits["clusters"] / sims <= 0.99
    assert hits["videos"] / sims < 0.85


def test_a_rare_class_is_never_lost() -> None:
    # One cluster of six holds the only fakes: most draws lose them and must be redrawn.
    clusters = np.repeat(np.arange(6), 4)
    labels = np.zeros(24, dtype=np.int64)
    labels[:2] = 1
    scores = np.random.default_rng(0).normal(size=24)
    drawn = bootstrap_draws(
        scores, labels, clusters, metric=point.auc, rng=np.random.default_rng(1), draws=500
    )
    assert drawn.shape == (500,)
    assert np.isfinite(drawn).all()


def test_separated_classes_have_no_width() -> None:
    found = interval(np.arange(40.0), np.repeat([0, 1], 20), np.arange(40), rng=np.random.default_rng(0))
    assert found == Interval(1.0, 1.0, 1.0)


def test_percentiles_are_widened_to_the_point() -> None:
    drawn = np.linspace(0.4, 0.6, 101)
    outside, inside = (percentile_interval(value, drawn, level=0.9) for value in (0.7, 0.5))
    assert [outside.low, outside.high] == pytest.approx([0.41, 0.7])
    assert [inside.low, inside.high] == pytest.approx([0.41, 0.59])


def test_unusable_input_is_refused() -> None:
    rng = np.random.default_rng(0)
    scores, labels, clusters = grouped(rng)
    with pytest.raises(SingleClassError, match="reals and fakes"):
        interval(scores, np.zeros_like(labels), clusters, rng=rng)
    with pytest.raises(MetricError, match="clusters"):
        interval(scores, labels, clusters[1:], rng=rng)
    with pytest.raises(MetricError, match="draws"):
        interval(scores, labels, clusters, rng=rng, draws=0)
    with pytest.raises(MetricError, match="level"):
        interval(scores, labels, clusters, rng=rng, draws=5, level=95)


def test_paired_draws_use_one_resample_for_all() -> None:
    rng = np.random.default_rng(5)
    labels = np.tile([0, 1], 30)
    clusters = np.repeat(np.arange(15), 4)
    first, second = rng.normal(size=60) + labels, rng.normal(size=60)
    both = paired_bootstrap_draws(
        [first, second, first], labels, clusters, metric=point.auc, rng=np.random.default_rng(1), draws=50
    )
    assert both.shape == (3, 50)
    assert np.array_equal(both[0], both[2])
    for scores, drawn in zip((first, second), both[:2], strict=True):
        alone = bootstrap_draws(
            scores, labels, clusters, metric=point.auc, rng=np.random.default_rng(1), draws=50
        )
        assert np.array_equal(alone, drawn)
    # Scores that only change scale keep their ranks, so a paired difference is exactly nil.
    scaled = paired_bootstrap_draws(
        [first, 3 * first], labels, clusters, metric=point.auc, rng=np.random.default_rng(2), draws=50
    )
    assert np.array_equal(scaled[0], scaled[1])
    with pytest.raises(MetricError, match="no scores"):
        paired_bootstrap_draws([], labels, clusters, metric=point.auc, rng=rng)


def test_without_doubt_about_identities_the_interval_over_seeds_is_students() -> None:
    per_seed = np.array([0.70, 0.74, 0.68, 0.76])
    draws = np.full(200_000, per_seed.mean())
    interval = interval_over_seeds(per_seed, draws, rng=np.random.default_rng(0))
    expected = stats.t.interval(0.95, 3, loc=per_seed.mean(), scale=stats.sem(per_seed))
    assert (interval.low, interval.high) == pytest.approx(expected, abs=0.002)
    assert interval.point == pytest.approx(0.72)


def test_the_interval_over_seeds_stays_a_share_and_needs_two() -> None:
    wide = interval_over_seeds(np.array([0.5, 1.0]), np.full(500, 0.75), rng=np.random.default_rng(0))
    assert (wide.low, wide.high) == (0.0, 1.0)
    with pytest.raises(MetricError, match="two seeds"):
        interval_over_seeds(np.array([0.7]), np.full(10, 0.7), rng=np.random.default_rng(0))
