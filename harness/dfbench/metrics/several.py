"""Tests of several hypotheses at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dfbench.errors import MetricError


def holm(p_values: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Adjust the p values (k,) of k tests, so that the chance of any wrong finding stays below the level; returns (k,).

    NaN stays NaN and counts as no test. Raises MetricError for what is no probability. Source: Holm 1979, Scandinavian Journal of
    Statistics 6:65-70.
    """
    found = np.asarray(p_values, dtype=np.float64)
    known = np.flatnonzero(~np.isnan(found))
    if ((found[known] < 0) | (found[known] > 1)).any():
        raise MetricError("p values must lie in [0, 1]")
    order = known[np.argsort(found[known], kind="stable")]
    steps = np.arange(len(order), 0, -1) * found[order]
    adjusted = np.full(found.shape, np.nan)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps)) if len(order) else steps
    return adjusted
