from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dfbench import SynthesisError
from dfbench_synthesis.hulls import HullKind, hull_mask
from dfbench_synthesis.landmarks import mirror_landmarks, reorder_forehead, smooth_landmarks

GOLDEN = Path(__file__).parents[1] / "golden" / "hulls.npz"


@given(
    seed=st.integers(0, 2**16),
    kind=st.sampled_from(HullKind),
    count=st.sampled_from([68, 81]),
    spread=st.floats(0, 1e7),
    shift=st.floats(-1e7, 1e7),
)
@settings(max_examples=40, deadline=None)
def test_any_finite_landmarks_give_a_binary_mask(
    seed: int, kind: HullKind, count: int, spread: float, shift: float
) -> None:
    points = np.random.default_rng(seed).normal(shift, spread, (count, 2))
    before = points.copy()
    mask = hull_mask(points, kind, (40, 50))
    assert mask.shape == (40, 50)
    assert mask.dtype == np.uint8
    assert set(np.unique(mask)) <= {0, 1}
    np.testing.assert_array_equal(points, before)


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("kind", HullKind)
@pytest.mark.parametrize("view", ["plain", "mirrored"])
def test_hulls_of_fractional_landmarks_are_the_released_ones(number: int, kind: HullKind, view: str) -> None:
    """Frames of three sizes, a face that leaves its frame, and a small one; stored by the released code."""
    with np.load(GOLDEN) as golden:
        height, width = golden[f"set{number}/shape"].tolist()
        points: NDArray[np.floating] = reorder_forehead(golden[f"set{number}/raw81"]).astype(np.float64)
        np.testing.assert_array_equal(points, golden[f"set{number}/reordered81"])
        if view == "mirrored":
            points = mirror_landmarks(points, width, exact=False)
            np.testing.assert_array_equal(points, golden[f"set{number}/mirrored81"])
        for count in (68, 81):
            of = f"set{number}/{view}/{count}"
            stored = np.unpackbits(golden[f"{of}/type{kind.value}"], count=height * width)
            mask = hull_mask(points[:count], kind, (height, width))
            assert mask.sum() == golden[f"{of}/area"][kind.value]
            np.testing.assert_array_equal(mask, stored.reshape(height, width))


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_landmarks_that_are_not_finite_are_refused(wrong: float) -> None:
    points = np.full((81, 2), 20.0)
    points[7, 1] = wrong
    with pytest.raises(SynthesisError, match="finite"):
        hull_mask(points, HullKind.FACEHULL, (40, 40))


def test_the_outline_of_81_points_holds_that_of_68() -> None:
    points = np.random.default_rng(3).uniform(5, 45, (81, 2))
    small = hull_mask(points[:68], HullKind.FACEHULL, (50, 50))
    large = hull_mask(points, HullKind.FACEHULL, (50, 50))
    assert (small <= large).all()


@pytest.mark.parametrize("count", [68, 81])
@pytest.mark.parametrize("exact", [True, False])
def test_mirroring_twice_changes_nothing(count: int, exact: bool) -> None:
    points = np.random.default_rng(4).uniform(0, 60, (3, count, 2))
    twice = mirror_landmarks(mirror_landmarks(points, 60, exact=exact), 60, exact=exact)
    np.testing.assert_allclose(twice, points, atol=1e-12)


def test_a_mirrored_point_stays_on_its_pixel() -> None:
    points = np.zeros((68, 2))
    assert (mirror_landmarks(points, 60)[:, 0] == 59).all()
    assert (mirror_landmarks(points, 60, exact=False)[:, 0] == 60).all()


def test_small_moves_stay_and_jumps_are_shortened() -> None:
    first = np.random.default_rng(5).uniform(20, 200, (81, 2))
    # Every point moves by (3, 4): norm 5 * sqrt(81), over 81 that is 5 / 9 = 0.56, so a third of it remains.
    jump = smooth_landmarks(np.stack([first, first + np.array((3, 4))]))
    np.testing.assert_allclose(jump[1], first + np.array((1, 4 / 3)))
    still = np.stack([first, first + np.array((1.5, 2))])
    np.testing.assert_array_equal(smooth_landmarks(still), still)
    # On a crop of twice the size, the same number of pixels is no jump.
    larger = np.stack([first, first + np.array((3, 4))])
    np.testing.assert_array_equal(smooth_landmarks(larger, scale=2.0), larger)
