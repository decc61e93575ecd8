"""Whether probabilities mean what they say: Brier score, log loss and expected calibration errors, in pure numpy.

All functions: probabilities of "fake" (n,) float64 in [0, 1], n at least 1, and labels (n,) 0 (real) or 1 (fake). They raise
MetricError for others.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dfbench.errors import MetricError
from dfbench.metrics.point import Labels, Scores, checked

BINS = 15


def brier(probabilities: Scores, labels: Labels) -> float:
    """Mean squared difference of probability and label, in [0, 1]; 0.25 for 0.5 everywhere. Source: Brier 1950."""
    values, fake = _checked(probabilities, labels)
    return float(np.mean((values - fake) ** 2))


def log_loss(probabilities: Scores, labels: Labels) -> float:
    """Mean negative logarithm (nats) of the probability of the label; infinite if a probability of 0 or 1 is wrong."""
    values, fake = _checked(probabilities, labels)
    with np.errstate(divide="ignore"):
        return float(-np.mean(np.log(np.where(fake, values, 1 - values))))


def calibration_error(probabilities: Scores, labels: Labels, *, bins: int = BINS) -> float:
    """Expected calibration error over `bins` bins of equal width, in [0, 1].

    The mean over videos of the distance between mean probability and share of fakes in their bin. A bin holds its right edge,
    the first one 0 too. Source: Naeini, Cooper & Hauskrecht 2015, for the probability of "fake".
    """
    values, fake = _checked(probabilities, labels)
    edges = np.linspace(0, 1, bins + 1)
    return _distance(values, fake, np.clip(np.searchsorted(edges, values, "left") - 1, 0, bins - 1))


def calibration_error_by_mass(probabilities: Scores, labels: Labels, *, bins: int = BINS) -> float:
    """Expected calibration error over `bins` bins of equally many videos, in [0, 1], in ascending order of their probability.

    Where there are fewer videos than bins, each is a bin. Source: Nixon et al. 2019 (adaptive calibration error).
    """
    values, fake = _checked(probabilities, labels)
    order = np.argsort(values, kind="stable")
    parts = np.array_split(order, bins)
    where = np.empty(len(values), dtype=np.int64)
    for number, part in enumerate(parts):
        where[part] = number
    return _distance(values, fake, where)


def _distance(values: Scores, fake: NDArray[np.bool_], where: NDArray[np.int64]) -> float:
    gaps = np.bincount(where, weights=values - fake)
    return float(np.abs(gaps).sum() / len(values))


def _checked(probabilities: Scores, labels: Labels) -> tuple[Scores, NDArray[np.bool_]]:
    values, fake = checked(probabilities, labels)
    if not len(values):
        raise MetricError("there are no probabilities")
    if ((values < 0) | (values > 1)).any():
        raise MetricError("probabilities must lie in [0, 1]")
    return values, fake
