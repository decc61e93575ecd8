"""Localisation metrics against scikit-learn and scipy, and the interval of a mean over clusters."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from sklearn.metrics import roc_auc_score

from dfbench.errors import MetricError
from dfbench.metrics.localisation import border, centre_prior, grown, map_auc, pointing
from dfbench.metrics.uncertainty import mean_interval

RNG = np.random.default_rng(3)
MAP = np.round(RNG.normal(size=(9, 11)), 1)  # with ties
REGION = RNG.random((9, 11)) < 0.3


def test_auc_is_scikit_learns() -> None:
    assert map_auc(MAP, REGION) == pytest.approx(roc_auc_score(REGION.ravel(), MAP.ravel()), abs=1e-12)
    assert map_auc(np.zeros_like(MAP), REGION) == 0.5
    assert np.isnan(map_auc(MAP, np.zeros_like(REGION)))
    assert np.isnan(map_auc(MAP, np.ones_like(REGION)))


@pytest.mark.parametrize("reach", [0, 1, 1.5, 2, 3])
def test_growing_is_a_dilation_by_a_disc(reach: float) -> None:
    region = np.zeros((15, 17), np.bool_)
    region[4, 5] = region[12:, 14:] = True
    distance = ndimage.distance_transform_edt(~region)
    np.testing.assert_array_equal(grown(region, reach), distance <= reach)


def test_the_border_lies_on_both_sides() -> None:
    region = np.zeros((12, 12), np.bool_)
    region[3:9, 3:9] = True
    band = border(region, 1)
    assert band[3, 5]
    assert band[2, 5]
    assert not band[5, 5]
    assert not band[0, 0]


def test_pointing_with_and_without_tolerance() -> None:
    region = np.zeros((8, 8), np.bool_)
    region[2, 2] = True
    values = np.zeros((8, 8))
    values[2, 4] = 1
    assert pointing(values, region) == 0
    assert pointing(values, region, tolerance=2) == 1
    assert pointing(np.zeros((8, 8)), region) == pytest.approx(1 / 64)
    assert np.isnan(pointing(values, np.zeros((8, 8), np.bool_)))


def test_the_centre_prior_is_highest_in_the_middle_and_symmetric() -> None:
    prior = centre_prior((9, 9))
    assert int(np.argmax(prior)) == 4 * 9 + 4
    np.testing.assert_allclose(prior, prior[::-1, ::-1])
    np.testing.assert_allclose(prior, prior.T)


def test_wrong_shapes_and_nan_are_refused() -> None:
    with pytest.raises(MetricError, match="one shape"):
        map_auc(MAP, REGION[:, :3])
    with pytest.raises(MetricError, match="NaN"):
        pointing(np.full((9, 11), np.nan), REGION)


def test_the_interval_of_a_mean_is_that_of_its_clusters() -> None:
    values = np.repeat(RNG.normal(size=40), 5)
    clusters = np.repeat(np.arange(40), 5)
    found = mean_interval(values, clusters, rng=np.random.default_rng(0))
    error = np.std(values[::5]) / np.sqrt(40)
    assert found.point == pytest.approx(values.mean())
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.1)
    alone = mean_interval(values, np.arange(200), rng=np.random.default_rng(0))
    assert alone.high - alone.low < 0.6 * (found.high - found.low)


def test_the_interval_of_few_clusters_resamples_videos() -> None:
    values = RNG.normal(size=30)
    few = mean_interval(values, np.arange(30) % 2, rng=np.random.default_rng(0))
    each = mean_interval(values, np.arange(30), rng=np.random.default_rng(0))
    assert (few.low, few.high) == (each.low, each.high)


@pytest.mark.parametrize(
    ("values", "clusters"), [([], []), ([1.0, np.nan], [0, 1]), ([1.0, 2.0], [0]), ([[1.0]], [[0]])]
)
def test_a_mean_of_nothing_or_of_nan_is_refused(values: list[float], clusters: list[int]) -> None:
    with pytest.raises(MetricError):
        mean_interval(np.array(values), np.array(clusters), rng=np.random.default_rng(0))
