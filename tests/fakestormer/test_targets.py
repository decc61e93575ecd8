from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfbench_fakestormer.targets import (
    hide_patches,
    mask_out,
    temporal_heatmaps,
    vulnerability,
    vulnerability_grid,
)


def test_vulnerability_is_highest_at_equal_shares() -> None:
    shares = np.array([0, 0.25, 0.5, 0.75, 1], np.float32)
    assert vulnerability(shares).tolist() == [0, 191, 255, 191, 0]


def test_a_band_thinner_than_a_cell_is_not_lost_by_areas() -> None:
    masks = np.zeros((2, 70, 70), np.float32)
    masks[:, 6] = 0.5  # between the samples at rows 0 and 11.5
    assert not vulnerability_grid(masks, 7, cells="point").any()
    grid = vulnerability_grid(masks, 7)
    assert (grid[:, 0] == 255).all()
    assert not grid[:, 1:].any()
    assert not vulnerability_grid(np.ones((1, 70, 70), np.float32), 7).any()


def test_the_mended_derivative_does_not_wrap() -> None:
    maps = np.zeros((3, 2, 2), np.uint8)
    maps[:, 0, 0] = (10, 9, 9)
    maps[:, 1, 1] = (0, 4, 4)
    mended, _ = temporal_heatmaps(maps, derivative="mended")
    absolute, _ = temporal_heatmaps(maps, derivative="absolute")
    released, _ = temporal_heatmaps(maps, derivative="released")
    assert mended[1, 0, 0] < mended[0, 0, 0] < mended[1, 1, 1]
    assert absolute[0, 0, 0] < absolute[1, 0, 0] < absolute[1, 1, 1]
    assert released[1, 0, 0] > released[1, 1, 1]  # a fall by one counts as 255


def test_the_derivative_is_normalised_without_the_leading_zeros() -> None:
    maps = np.random.default_rng(0).integers(0, 256, (4, 7, 7), dtype=np.uint8)
    fake, real = temporal_heatmaps(maps)
    assert fake[1:].mean() == pytest.approx(0, abs=1e-12)
    assert fake[1:].std() == pytest.approx(1, abs=1e-12)
    assert np.ptp(fake[0]) == 0
    np.testing.assert_allclose(real, fake[0, 0, 0], rtol=0, atol=1e-12)


def test_gaussian_peaks_stand_on_the_largest_change() -> None:
    maps = np.zeros((3, 5, 5), np.uint8)
    maps[2, 1, 3] = 50
    fake, real = temporal_heatmaps(maps, kind="gaussian")
    assert int(fake.argmax()) == np.ravel_multi_index((2, 1, 3), fake.shape)
    assert fake.max() == 1
    assert fake[1, 1, 3] == pytest.approx(np.exp(-2))
    assert not real.any()


def test_the_vulnerability_itself_can_be_the_target() -> None:
    maps = np.random.default_rng(0).integers(0, 256, (3, 7, 7), dtype=np.uint8)
    maps[:, 0, 0] = 0
    fake, real = temporal_heatmaps(maps, kind="vulnerability")
    assert fake.std() == pytest.approx(1)
    assert np.corrcoef(fake.ravel(), maps.ravel())[0, 1] == pytest.approx(1)
    np.testing.assert_allclose(real, fake[0, 0, 0])  # a real clip has no vulnerable cell


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("kind", ["gaussian", "m_std_normalized"])
def test_nothing_that_changes_gives_zeros(frames: int, kind: str) -> None:
    maps = np.full((frames, 4, 4), 77, np.uint8)
    for heatmap in temporal_heatmaps(maps, kind="gaussian" if kind == "gaussian" else "m_std_normalized"):
        assert heatmap.shape == maps.shape
        assert not heatmap.any()


@given(seed=st.integers(0, 2**16), intensity=st.floats(0.5, 1), top=st.integers(0, 255))
@settings(max_examples=60, deadline=None)
def test_what_is_hidden_bounds_what_is_left(seed: int, intensity: float, top: int) -> None:
    rng = np.random.default_rng(seed)
    maps = rng.integers(0, top + 1, (4, 7, 7)).astype(np.uint8)
    hidden = mask_out(maps, intensity=intensity, rng=rng)
    assert hidden.keep.shape == (7, 7)
    assert hidden.labels.shape == (4,)
    assert (hidden.labels >= 1 / 255 - 1e-12).all()
    assert (hidden.labels <= 1).all()
    visible = maps[0][hidden.keep == 1]
    assert not visible.size or visible.max() <= max(1, 255 * intensity)
    for t in (1, 2, 3):
        assert hidden.labels[t] == pytest.approx(max(1, int((maps[t] * hidden.keep).max())) / 255)


def test_a_share_of_cells_is_hidden_even_where_nothing_is_vulnerable() -> None:
    hidden = mask_out(
        np.zeros((4, 10, 10), np.uint8), intensity=0.8, rng=np.random.default_rng(1), share=0.25
    )
    assert (hidden.keep == 0).sum() == 25


def test_hidden_cells_are_painted_black() -> None:
    frames = np.full((2, 12, 12, 3), 9, np.uint8)
    keep = np.ones((3, 3), np.uint8)
    keep[1, 2] = 0
    hide_patches(frames, keep)
    assert not frames[:, 4:8, 8:12].any()
    assert (frames == 0).sum() == 2 * 4 * 4 * 3
