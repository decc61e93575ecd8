"""Bootstrap intervals for video-level metrics, clustered by source identity.

Fakes made from one source video are not independent, so resampling videos one by one makes intervals
too narrow (DFD: 28 actors stand behind 3,431 videos). We resample clusters, then take their videos.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from dfbench.errors import MetricError, SingleClassError
from dfbench.metrics.point import Labels, Metric, Scores, auc, checked

FEWEST_CLUSTERS = 5
_CELLS_AT_ONCE = 2_000_000  # draws x videos held in memory together: about 100 MB in all


class Resampling(StrEnum):
    """What is drawn with replacement.

    CLUSTERS: clusters that hold both classes, all together. CLUSTERS_BY_CLASS: no cluster holds both classes, so
    real and fake clusters are drawn apart, as many of each as there are. VIDEOS: each video alone, by class:
    every video is its own cluster, or there are fewer than FEWEST_CLUSTERS to draw from (then the interval
    says nothing about new identities and is likely too narrow).
    """

    CLUSTERS = "clusters"
    CLUSTERS_BY_CLASS = "clusters_by_class"
    VIDEOS = "videos"


@dataclass(frozen=True, slots=True)
class Interval:
    """A two-sided interval; `low <= point <= high` unless the metric is undefined (all NaN)."""

    point: float
    low: float
    high: float


def resampling_of(labels: Labels, clusters: NDArray[np.int64]) -> Resampling:
    """Return what `bootstrap_draws` draws of these videos. Shapes: (n,) each."""
    fake = np.asarray(labels) == 1
    with_real, with_fake = np.unique(clusters[~fake]), np.unique(clusters[fake])
    mixed = len(np.intersect1d(with_real, with_fake))
    total = len(with_real) + len(with_fake) - mixed
    if total == len(clusters):
        return Resampling.VIDEOS
    if mixed:
        return Resampling.CLUSTERS if total >= FEWEST_CLUSTERS else Resampling.VIDEOS
    few = min(len(with_real), len(with_fake)) < FEWEST_CLUSTERS
    return Resampling.VIDEOS if few else Resampling.CLUSTERS_BY_CLASS


def bootstrap_draws(
    scores: Scores,
    labels: Labels,
    clusters: NDArray[np.int64],
    *,
    metric: Metric,
    rng: np.random.Generator,
    draws: int = 2000,
) -> NDArray[np.float64]:
    """Compute `metric` on `draws` resamples of `clusters`; returns (draws,) float64. See `percentile_interval`.

    Shapes: scores, labels, clusters are (n,); labels are 0 (real) or 1 (fake); higher score = more fake. `resampling_of` says
    what is drawn. `metric` is called on each resample; `auc` has a vectorised path. Draws that lose a class are redrawn.
    Raises SingleClassError if only one class is present, MetricError for arrays of other shapes.
    Source: Davison & Hinkley 1997, section 3.8.
    """
    drawn: NDArray[np.float64] = paired_bootstrap_draws(
        [scores], labels, clusters, metric=metric, rng=rng, draws=draws
    )[0]
    return drawn


def paired_bootstrap_draws(
    scores: Sequence[Scores],
    labels: Labels,
    clusters: NDArray[np.int64],
    *,
    metric: Metric,
    rng: np.random.Generator,
    draws: int = 2000,
) -> NDArray[np.float64]:
    """`metric` of k scorers of the same n videos, each draw on one resample for all: (k, draws) float64.

    `scores` holds k arrays (n,). Other arguments and errors as for `bootstrap_draws`.
    """
    if not len(scores):
        raise MetricError("there are no scores to resample")
    ordered = []
    for one in scores:
        values, fake = checked(one, labels)
        if np.shape(clusters) != values.shape:
            raise MetricError(
                f"clusters {np.shape(clusters)} and scores {values.shape} must be of one shape (n,)"
            )
        # Sorted once, so that each draw is only a new set of weights on the same order.
        order = np.argsort(values, kind="stable")
        ordered.append((order, values[order], fake[order]))
    if fake.all() or not fake.any():
        raise SingleClassError("an interval needs reals and fakes")
    if draws < 1:
        raise MetricError(f"draws must be at least 1, got {draws}")
    blocks: list[list[NDArray[np.float64]]] = [[] for _ in ordered]
    for weights in _resampled_weights(fake, np.asarray(clusters), rng=rng, draws=draws):
        for drawn, (order, values, truth) in zip(blocks, ordered, strict=True):
            drawn.append(_weighted(metric, values, truth, weights[:, order]))
    return np.array([np.concatenate(drawn) for drawn in blocks])


def percentile_interval(point: float, draws: NDArray[np.float64], *, level: float = 0.95) -> Interval:
    """Return the central `level` of `draws`, widened if need be so that it holds `point`.

    Perfectly separated classes give an interval of width 0, since no resample of them can overlap: it is no certainty.
    """
    if not 0.0 < level < 1.0:
        raise MetricError(f"level must be between 0 and 1, got {level}")
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Interval(point, min(float(low), point), max(float(high), point))


def mean_interval(
    values: NDArray[np.float64],
    clusters: NDArray[np.int64],
    *,
    rng: np.random.Generator,
    draws: int = 2000,
    level: float = 0.95,
) -> Interval:
    """Percentile interval of the mean of `values` (n,), one a video, over resamples of `clusters` (n,).

    With fewer than FEWEST_CLUSTERS clusters, videos are resampled instead. For a paired difference, pass the
    differences. Raises MetricError for wrong shapes, no values, or values that are not finite.
    """
    if np.shape(values) != np.shape(clusters) or np.ndim(values) != 1 or not len(values):
        raise MetricError(
            f"values {np.shape(values)} and clusters {np.shape(clusters)} must both be (n,), n > 0"
        )
    if not np.isfinite(values).all():
        raise MetricError("a mean needs finite values")
    _, unit = np.unique(clusters, return_inverse=True)
    units = int(unit.max()) + 1
    if units < FEWEST_CLUSTERS:
        unit, units = np.arange(len(values)), len(values)
    picks = rng.integers(units, size=(draws, units)) + units * np.arange(draws)[:, None]
    counts = np.bincount(picks.ravel(), minlength=draws * units).reshape(draws, units)
    sums, sizes = np.bincount(unit, weights=values), np.bincount(unit)
    return percentile_interval(float(np.mean(values)), (counts @ sums) / (counts @ sizes), level=level)


def interval_over_seeds(
    per_seed: NDArray[np.float64],
    draws: NDArray[np.float64],
    *,
    rng: np.random.Generator,
    level: float = 0.95,
    bounds: tuple[float, float] = (0.0, 1.0),
) -> Interval:
    """Interval of the mean over training seeds, which are as random as the identities in the test set.

    `per_seed` (k,), k at least 2: the metric of each seed, within `bounds` (of a difference: -1 to 1). `draws`:
    bootstrap draws of the mean over these seeds, on resampled identities. To each is added an error of the mean of k
    seeds, drawn by Student's t with k - 1 degrees of freedom: few seeds make it wide. Raises MetricError if k is below
    2.
    """
    count = len(per_seed)
    if count < 2:
        raise MetricError("an interval over seeds needs at least two seeds")
    spread = float(np.std(per_seed, ddof=1)) / math.sqrt(count)
    moved = draws + spread * rng.standard_t(count - 1, size=draws.shape)
    return percentile_interval(float(np.mean(per_seed)), np.clip(moved, *bounds), level=level)


def _resampled_weights(
    fake: NDArray[np.bool_], clusters: NDArray[np.int64], *, rng: np.random.Generator, draws: int
) -> Iterator[NDArray[np.int64]]:
    """How often each video is in each draw, in blocks (some draws, n)."""
    how = resampling_of(fake.astype(np.int8), clusters)
    if how is Resampling.VIDEOS:
        unit = np.arange(len(fake))
    else:
        _, unit = np.unique(clusters, return_inverse=True)
    together = how is Resampling.CLUSTERS
    strata = [np.unique(unit)] if together else [np.unique(unit[~fake]), np.unique(unit[fake])]
    block = max(1, _CELLS_AT_ONCE // len(fake))
    fakes_of = np.bincount(unit, weights=fake)
    size_of = np.bincount(unit).astype(np.float64)
    left = draws
    while left:
        counts = _draw_units(strata, rng=rng, draws=min(block, left))
        if together:  # drawn by class, no class can get lost
            n_fake = counts @ fakes_of
            counts = counts[(n_fake > 0) & (n_fake < counts @ size_of)]
        left -= len(counts)
        if len(counts):
            yield counts[:, unit]


def _draw_units(
    strata: list[NDArray[np.int64]], *, rng: np.random.Generator, draws: int
) -> NDArray[np.int64]:
    """How often each unit is drawn when each stratum is resampled to its own size: (draws, units)."""
    total = sum(len(stratum) for stratum in strata)
    counts = np.zeros((draws, total), dtype=np.int64)
    for stratum in strata:
        size = len(stratum)
        picks = rng.integers(size, size=(draws, size)) + size * np.arange(draws)[:, None]
        counts[:, stratum] = np.bincount(picks.ravel(), minlength=draws * size).reshape(draws, size)
    return counts


def _weighted(
    metric: Metric, values: Scores, fake: NDArray[np.bool_], weights: NDArray[np.int64]
) -> NDArray[np.float64]:
    """`metric` of each row of `weights` (k, n) over ascending `values` (n,): (k,)."""
    if metric is auc:
        return _weighted_auc(values, fake, weights)
    truth = fake.astype(np.int8)
    return np.array([metric(np.repeat(values, row), np.repeat(truth, row)) for row in weights])


def _weighted_auc(values: Scores, fake: NDArray[np.bool_], weights: NDArray[np.int64]) -> NDArray[np.float64]:
    """AUC of each row of `weights` (k, n) over ascending `values` (n,): (k,)."""
    starts = np.flatnonzero(np.append(True, values[1:] != values[:-1]))
    tied = len(starts) < len(values)
    fakes = weights * fake
    reals = weights - fakes
    if tied:
        fakes = np.add.reduceat(fakes, starts, axis=1)
        reals = np.add.reduceat(reals, starts, axis=1)
    below = np.cumsum(reals, axis=1)
    n_reals = below[:, -1]
    twice_won = np.einsum("kn,kn->k", fakes, 2 * below - reals)
    n_fakes = fakes.sum(axis=1)
    return np.asarray(twice_won / (2.0 * n_reals * n_fakes), dtype=np.float64)


def mean_of_draws(draws: Sequence[NDArray[np.float64]], datasets: Sequence[str]) -> NDArray[np.float64]:
    """Return draws of the mean over several tests, from the draws (n,) of each and the name of its dataset.

    Tests of different datasets are independent, so that the mean of their draws is a draw of the mean. Those of one dataset
    share people and source videos by an amount that nobody knows: they are taken as moving together altogether, which no
    dependence can exceed, so that the interval of the mean is never too narrow.
    """
    first = {dataset: draws[list(datasets).index(dataset)] for dataset in dict.fromkeys(datasets)}
    ranks = {dataset: np.argsort(np.argsort(drawn, kind="stable")) for dataset, drawn in first.items()}
    together = [np.sort(drawn)[ranks[dataset]] for drawn, dataset in zip(draws, datasets, strict=True)]
    mean: NDArray[np.float64] = np.mean(together, axis=0)
    return mean
