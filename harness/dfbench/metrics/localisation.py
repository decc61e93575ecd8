"""How well a map marks a region: pointing and area under the ROC curve, in pure numpy.

Maps and regions are arrays of the same shape (h, w): a map float, higher where there is more evidence; a region bool.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfbench.errors import MetricError
from dfbench.metrics.point import auc

Region = NDArray[np.bool_]
Map = NDArray[np.floating[Any]]


def map_auc(values: Map, region: Region) -> float:
    """P(a cell of the region is higher than one outside) + P(tie) / 2; NaN where the region is empty or everything.

    Raises MetricError for shapes that differ.
    """
    _check(values, region)
    if region.all() or not region.any():
        return float("nan")
    return auc(np.asarray(values, dtype=np.float64).ravel(), region.ravel().astype(np.int8))


def pointing(values: Map, region: Region, *, tolerance: float = 0.0) -> float:
    """Share of the map's highest cells that lie at most `tolerance` cells from the region; NaN for an empty region.

    One highest cell makes that 0 or 1. Source: the pointing game, Zhang et al., IJCV 2018.
    """
    _check(values, region)
    if not region.any():
        return float("nan")
    highest = values == np.max(values)
    return float(grown(region, tolerance)[highest].mean())


def grown(region: Region, reach: float) -> Region:
    """The region and every cell whose centre is at most `reach` cells from one of its centres."""
    steps = int(reach)
    rows, columns = region.shape
    padded = np.pad(region, steps)
    out = np.zeros_like(region)
    for down in range(-steps, steps + 1):
        for across in range(-steps, steps + 1):
            if down**2 + across**2 <= reach**2:
                out |= padded[steps + down : steps + down + rows, steps + across : steps + across + columns]
    return out


def border(region: Region, reach: float) -> Region:
    """Cells at most `reach` from the line between the region and what is outside: where a blend shows."""
    return np.asarray(grown(region, reach) & grown(~region, reach), dtype=np.bool_)


def centre_prior(shape: tuple[int, int], *, sigma: float = 0.25) -> NDArray[np.float64]:
    """A Gaussian in the middle, `sigma` as a share of the side: what one says who knows where faces are, (h, w)."""
    down, across = (((np.arange(n) + 0.5) / n - 0.5) / sigma for n in shape)
    return np.asarray(np.exp(-(down[:, None] ** 2 + across**2) / 2), dtype=np.float64)


def _check(values: Map, region: Region) -> None:
    if np.ndim(values) != 2 or np.shape(values) != np.shape(region):
        raise MetricError(
            f"a map {np.shape(values)} and a region {np.shape(region)} must be of one shape (h, w)"
        )
    if np.isnan(values).any():
        raise MetricError("a map with NaN cannot be compared")
