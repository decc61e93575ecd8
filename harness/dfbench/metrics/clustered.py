"""AUCs of several detectors on the same videos, with what is known of their errors when videos share identities.

DeLong's variance takes videos as independent. Fakes of one source video are not, so the placement of each video among those of
the other class is summed over its identity first (Obuchowski). Where each identity has one video, this is DeLong's variance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, stdtr, stdtrit

from dfbench.errors import MetricError, SingleClassError
from dfbench.metrics.point import Labels, Scores, checked
from dfbench.metrics.uncertainty import Interval, Resampling, resampling_of

_HALVINGS = 60  # of [0, 1], when a bound is looked for
_ROUNDING = 1e-14


@dataclass(frozen=True, slots=True)
class Identities:
    """The source identities behind the fakes and the reals of a test: how many there are, and whether some have both."""

    of_fakes: int
    of_reals: int
    total: int

    @property
    def mixed(self) -> bool:
        """Whether an identity has both reals and fakes."""
        return self.total < self.of_fakes + self.of_reals


@dataclass(frozen=True, eq=False)
class ClusteredAucs:
    """The AUCs of k detectors on the same n videos, and how far each of the c identities moves them.

    aucs (k,) float64 in [0, 1]. `from_fakes`, `from_reals` (k, c) float64: by how much the fakes (reals) of an identity make an
    AUC larger than it would be if they were placed as the others are; the rows sum to 0. `identities` counts those.
    """

    aucs: NDArray[np.float64]
    from_fakes: NDArray[np.float64]
    from_reals: NDArray[np.float64]
    identities: Identities

    @cached_property
    def covariance(self) -> NDArray[np.float64]:
        """Covariances of the k AUCs over other identities: (k, k) float64, symmetric.

        Source: Obuchowski 1997, Biometrics 53:567-578. DeLong, DeLong & Clarke-Pearson 1988 if each video has an identity of
        its own.
        """
        return _covariance(self.from_fakes, self.from_reals, self.identities)

    def combined(self, weights: Sequence[float] | NDArray[np.float64]) -> Combination:
        """Return the sum of the AUCs by `weights` (k,), as a mean or a difference of detectors is one, with its variance."""
        shares = np.asarray(weights, dtype=np.float64)
        if shares.shape != self.aucs.shape:
            raise MetricError(f"{len(self.aucs)} AUCs cannot be summed by weights {shares.shape}")
        fakes, reals = (_without_rounding(shares @ moved) for moved in (self.from_fakes, self.from_reals))
        return Combination(
            value=float(_without_rounding(shares @ self.aucs)),
            variance=max(0.0, float(_covariance(fakes[None], reals[None], self.identities)[0, 0])),
            freedom=_freedom(fakes, reals, self.identities),
            identities=self.identities,
        )

    def mean(self) -> Combination:
        """Return the mean of the AUCs, with its variance."""
        return self.combined(np.full(len(self.aucs), 1 / len(self.aucs)))


@dataclass(frozen=True, slots=True)
class Combination:
    """An AUC, a mean of AUCs or a difference of them, with its variance over other identities.

    `freedom`: the degrees of freedom of Student's t that the variance is worth.
    """

    value: float
    variance: float
    freedom: float
    identities: Identities

    def interval(self, *, level: float = 0.95) -> Interval:
        """Return the interval of an AUC or of a mean of AUCs, within [0, 1].

        On the scale of logits, with quantiles of Student's t. If the classes are separated, the variance says nothing: see
        `_bounds_of_separated`. A detector that gives every video the same score gets an interval without width.
        """
        _check_level(level)
        low, high = self._at(np.array([-1.0, 1.0]) * stdtrit(self.freedom, (1 + level) / 2))
        return Interval(self.value, min(float(low), self.value), max(float(high), self.value))

    def draws(self, rng: np.random.Generator, *, count: int = 2000) -> NDArray[np.float64]:
        """Draw AUCs so that each interval holds its share of them: (count,) float64 in [0, 1].

        They are to be combined with those of other tests, whose identities are others.
        """
        return self._at(rng.standard_t(self.freedom, size=count))

    def interval_of_difference(self, *, level: float = 0.95) -> Interval:
        """Return the interval of a difference of AUCs, within [-1, 1], with quantiles of Student's t."""
        _check_level(level)
        reach = float(stdtrit(self.freedom, (1 + level) / 2)) * self.variance**0.5
        return Interval(self.value, max(-1.0, self.value - reach), min(1.0, self.value + reach))

    def draws_of_difference(self, rng: np.random.Generator, *, count: int = 2000) -> NDArray[np.float64]:
        """Draw differences of AUCs so that each interval holds its share of them: (count,) float64 in [-1, 1]."""
        moved = self.value + self.variance**0.5 * rng.standard_t(self.freedom, size=count)
        return np.asarray(np.clip(moved, -1.0, 1.0))

    def p_of_difference(self) -> float:
        """Return the two-sided p value of a difference of AUCs against none, by Student's t, in [0, 1].

        1 if the detectors rank alike; NaN if both are certain, so that no test is possible.
        """
        if not self.variance:
            return 1.0 if self.value == 0.0 else math.nan
        return float(2 * stdtr(self.freedom, -abs(self.value) / self.variance**0.5))

    def smallest_difference(self, *, power: float = 0.8, level: float = 0.95) -> float:
        """Return the smallest true difference of AUCs that such a test finds with probability `power`; NaN if it has no error.

        Found means that the two-sided p value is below 1 - `level`.
        """
        _check_level(level)
        _check_level(power)
        if not self.variance:
            return math.nan
        reach = stdtrit(self.freedom, (1 + level) / 2) + stdtrit(self.freedom, power)
        return float(reach * self.variance**0.5)

    def _at(self, deviates: NDArray[np.float64]) -> NDArray[np.float64]:
        """The AUCs that lie `deviates` standard errors from this one."""
        if self.value in (0.0, 1.0):
            bounds = _bounds_of_separated(np.abs(deviates), self.identities)
            inside = np.where(deviates < 0, bounds, 1.0)
            return inside if self.value == 1.0 else 1.0 - np.where(deviates > 0, bounds, 1.0)
        scale = self.variance**0.5 / (self.value * (1 - self.value))
        return np.asarray(expit(logit(self.value) + scale * deviates))


def independent_sum(
    parts: Sequence[Combination], weights: Sequence[float] | NDArray[np.float64]
) -> Combination:
    """Return the sum by `weights` (k,) of k values whose errors are independent, as those of tests of different people are.

    Its degrees of freedom are those of a sum of variances (Satterthwaite 1946; Welch 1947), its identities those of the part with
    the fewest. Raises MetricError without a value, or for another number of weights.
    """
    if not parts or len(parts) != len(weights):
        raise MetricError(f"{len(parts)} values cannot be summed by {len(weights)} weights")
    shares = np.asarray(weights, dtype=np.float64)
    variances = shares**2 * np.array([part.variance for part in parts])
    worth = float((variances**2 / np.array([part.freedom for part in parts])).sum())
    total = float(variances.sum())
    return Combination(
        value=float(_without_rounding(shares @ np.array([part.value for part in parts]))),
        variance=total,
        freedom=total**2 / worth if worth else min(part.freedom for part in parts),
        identities=min((part.identities for part in parts), key=lambda counts: counts.total),
    )


def clustered_aucs(
    scores: Sequence[Scores] | NDArray[np.float64], labels: Labels, clusters: NDArray[np.int64]
) -> ClusteredAucs:
    """Compute the AUCs of k detectors and what each identity adds to them; returns these.

    `scores`: k arrays (n,), higher is more fake. labels (n,) 0 (real) or 1 (fake). clusters (n,): the identity of each video;
    too few of them (`resampling_of`) are taken as one for each video. Takes n log n steps. Raises SingleClassError if a class is
    absent or has a single identity, MetricError for arrays of other shapes and for NaN.
    """
    if not len(scores):
        raise MetricError("there are no scores")
    first, fake = checked(scores[0], labels)
    if np.shape(clusters) != first.shape:
        raise MetricError(f"clusters {np.shape(clusters)} and scores {first.shape} must be of one shape (n,)")
    if fake.all() or not fake.any():
        raise SingleClassError("an interval needs reals and fakes")
    apart = resampling_of(labels, np.asarray(clusters)) is Resampling.VIDEOS
    _, unit = (None, np.arange(len(fake))) if apart else np.unique(clusters, return_inverse=True)
    total = int(unit.max()) + 1
    identities = Identities(len(np.unique(unit[fake])), len(np.unique(unit[~fake])), total)
    if min(identities.of_fakes, identities.of_reals) < 2:
        raise SingleClassError("an interval needs two identities with reals and two with fakes")
    aucs, from_fakes, from_reals = [], [], []
    for one in scores:
        values, _ = checked(one, labels)
        reals, fakes = np.sort(values[~fake]), np.sort(values[fake])
        of_fakes = _share_below(reals, values[fake])
        of_reals = 1.0 - _share_below(fakes, values[~fake])
        found = float(of_fakes.mean())
        aucs.append(found)
        from_fakes.append(np.bincount(unit[fake], (of_fakes - found) / len(fakes), minlength=total))
        from_reals.append(np.bincount(unit[~fake], (of_reals - found) / len(reals), minlength=total))
    return ClusteredAucs(np.array(aucs), np.array(from_fakes), np.array(from_reals), identities)


def _share_below(ascending: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of `ascending` below each of `values`, a tie counting one half."""
    twice = np.searchsorted(ascending, values, "left") + np.searchsorted(ascending, values, "right")
    return np.asarray(twice / (2.0 * len(ascending)))


def _covariance(
    from_fakes: NDArray[np.float64], from_reals: NDArray[np.float64], identities: Identities
) -> NDArray[np.float64]:
    both = from_fakes @ from_reals.T
    found = _enlarged(identities.of_fakes) * (from_fakes @ from_fakes.T)
    found += _enlarged(identities.of_reals) * (from_reals @ from_reals.T)
    found += _enlarged(identities.total) * (both + both.T)
    return np.asarray((found + found.T) / 2)


def _without_rounding(moved: NDArray[np.float64]) -> NDArray[np.float64]:
    """What cancels between detectors that rank alike is nothing; the least that a video can move an AUC is far more."""
    return np.where(np.abs(moved) < _ROUNDING, 0.0, moved)


def _enlarged(count: int) -> float:
    """What makes a mean square of `count` deviations from their own mean a variance."""
    return count / (count - 1)


def _freedom(
    from_fakes: NDArray[np.float64], from_reals: NDArray[np.float64], identities: Identities
) -> float:
    """The degrees of freedom that a variance over identities is worth, at least 1.

    A variance of c independent influences has c - 1 of them if these are normal, and 2 c / (kurtosis - 1) if a few of them
    decide, as near an AUC of 1. If no identity has both classes, those of fakes and of reals are combined (Welch 1947).
    """
    if identities.mixed:
        most: float = identities.total - 1
    else:
        parts = [
            (_enlarged(count) * float(moved @ moved), count - 1)
            for moved, count in ((from_fakes, identities.of_fakes), (from_reals, identities.of_reals))
        ]
        sizes = sum(part**2 / freedom for part, freedom in parts)
        most = sum(part for part, _ in parts) ** 2 / sizes if sizes else identities.total - 2
    moved = from_fakes + from_reals
    squares = float(moved @ moved)
    if not squares:
        return float(most)
    kurtosis = identities.total * float((moved**4).sum()) / squares**2
    return max(1.0, min(most, 2 * identities.total / (kurtosis - 1) if kurtosis > 1 else most))


def _bounds_of_separated(deviates: NDArray[np.float64], identities: Identities) -> NDArray[np.float64]:
    """The AUCs of which one of 1 lies `deviates` (k,) standard errors above: (k,).

    The standard error is that of the AUC in question, for as many videos as there are identities, in Newcombe's form of
    Hanley and McNeil's variance. Source: Newcombe 2006, Statistics in Medicine 25:559-573, method 5.
    """
    fakes, reals = identities.of_fakes, identities.of_reals
    others = (fakes + reals) / 2 - 1
    low, high = np.zeros_like(deviates), np.ones_like(deviates)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        spread = 1 + others * ((1 - middle) / (2 - middle) + middle / (1 + middle))
        too_low = (1 - middle) > deviates**2 * middle * spread / (
            fakes * reals
        )  # both sides squared, by 1 - x
        low, high = np.where(too_low, middle, low), np.where(too_low, high, middle)
    return (low + high) / 2


def _check_level(level: float) -> None:
    if not 0.0 < level < 1.0:
        raise MetricError(f"level must be between 0 and 1, got {level}")
