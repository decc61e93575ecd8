from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import ndtri

from dfbench_plugins.demo import exact
from dfbench_plugins.demo.encode import _planes
from dfbench_plugins.demo.manipulations.blend import _with_gradients, blend
from dfbench_plugins.demo.manipulations.recipes import draw_recipe
from dfbench_plugins.demo.pixels import blur_finely, enlarge, hill, smooth_noise, strokes, with_levels
from dfbench_plugins.demo.warp import look_up, move, on_grid, spread

Function = Callable[[NDArray[Any]], NDArray[Any]]
FUNCTIONS: list[tuple[str, Function, Function, float]] = [
    ("exp", exact.exp, np.exp, 8.0),
    ("log", lambda x: exact.log(np.abs(x)), lambda x: np.log(np.abs(x)), 100.0),
    ("sin", exact.sin, np.sin, 100.0),
    ("cos", exact.cos, np.cos, 100.0),
    ("tanh", exact.tanh, np.tanh, 100.0),
    ("sqrt", lambda x: exact.power(np.abs(x), 0.5), lambda x: np.sqrt(np.abs(x)), 100.0),
    ("2.3", lambda x: exact.power(np.abs(x), 2.3), lambda x: np.abs(x) ** 2.3, 2.0),
    ("arctan2", lambda x: exact.arctan2(x, x[::-1]), lambda x: np.arctan2(x, x[::-1]), 100.0),
]


@pytest.mark.parametrize(("name", "ours", "theirs", "reach"), FUNCTIONS, ids=[row[0] for row in FUNCTIONS])
def test_functions_agree_with_numpy(name: str, ours: Function, theirs: Function, reach: float) -> None:
    x = np.random.default_rng(0).uniform(-reach, reach, 20_000)
    x[0] = 1.0  # arctan2 takes them from both ends
    np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-7, atol=1e-7)
    single = x.astype(np.float32)
    found = ours(single)
    assert found.dtype == np.float32
    wide = single.astype(np.float64)
    np.testing.assert_allclose(found, theirs(wide), rtol=2e-6, atol=4e-6)


def test_functions_at_their_edges() -> None:
    assert exact.exp(0.0) == 1.0
    assert exact.exp(-1e9) < 1e-37
    assert np.isfinite(exact.exp(np.float32(1e9)))
    assert exact.power(0.0, 0.62) == 0.0
    assert exact.power(-1.0, 0.62) == 0.0
    assert exact.power(1.0, 2.3) == 1.0
    assert exact.arctan2(0.0, 0.0) == 0.0
    assert exact.arctan2(0.0, -1.0) == pytest.approx(math.pi)
    np.testing.assert_allclose(exact.turn(0.3), (math.sin(0.3), math.cos(0.3)), rtol=1e-7)


@given(st.lists(st.integers(-32768, 32767), min_size=1, max_size=50))
def test_deviation_is_the_standard_deviation(values: list[int]) -> None:
    whole = np.array(values, dtype=np.int16)
    assert exact.deviation(whole) == pytest.approx(float(whole.astype(np.float64).std()), abs=1e-9)
    small = (whole / 4096).astype(np.float32)
    assert exact.deviation(small) == pytest.approx(float(small.astype(np.float64).std()), abs=1e-9)


def test_quantiles_of_the_noise_round_in_one_way() -> None:
    """No other implementation of the quantile, good to 1e-9, gives another table."""
    steps = np.abs(ndtri((np.arange(65536) + 0.5) / 65536.0)) * exact.STEPS
    assert np.abs(steps - np.floor(steps) - 0.5).min() > 1e-6
    noise = exact.noise((400, 500), np.random.default_rng(0)) / exact.STEPS
    assert noise.mean() == pytest.approx(0.0, abs=0.01)
    assert noise.std() == pytest.approx(1.0, abs=0.01)
    assert (np.abs(noise) < 1.0).mean() == pytest.approx(0.6827, abs=0.005)


@given(st.floats(-1e4, 1e4))
def test_settled_forgives_the_last_bit(value: float) -> None:
    settled = exact.settled(value)
    assert settled == pytest.approx(value, abs=2.0**-21)
    assert exact.settled(settled) == settled
    assert exact.settled(np.nextafter(settled, 1e9)) == settled
    assert exact.settled(np.array([settled, value])).tolist() == [settled, settled]


def test_hill_is_nearly_a_gaussian() -> None:
    distance = np.linspace(0.0, 40.0, 400, dtype=np.float32)
    np.testing.assert_allclose(hill(distance), np.exp(-distance), atol=0.01)


@pytest.mark.parametrize("step", [2, 4, 8])
def test_places_are_spread_without_any_rounding(step: int) -> None:
    coarse = on_grid(np.random.default_rng(step).uniform(-600, 600, (23, 31, 2)).astype(np.float32))
    wide = cv2.resize(
        coarse.astype(np.float64), (31 * step, 23 * step), interpolation=cv2.INTER_LINEAR
    )  # has digits to spare
    np.testing.assert_array_equal(spread(coarse, step), wide)


def test_look_up_is_bilinear_to_a_level() -> None:
    rng = np.random.default_rng(0)
    image = cv2.GaussianBlur(rng.integers(0, 256, (60, 70, 3), dtype=np.uint8), (0, 0), 2.0)
    places = rng.uniform(2.0, 57.0, (40, 50, 2)).astype(np.float32)
    x, y = (np.floor(places[..., axis]).astype(int) for axis in range(2))
    right, down = (places[..., axis, None] - np.floor(places[..., axis, None]) for axis in range(2))
    above = image[y, x] * (1 - right) + image[y, x + 1] * right
    below = image[y + 1, x] * (1 - right) + image[y + 1, x + 1] * right
    np.testing.assert_allclose(look_up(image, places), above * (1 - down) + below * down, atol=1.6)


def test_move_agrees_with_opencv() -> None:
    image = cv2.GaussianBlur(
        np.random.default_rng(0).integers(0, 256, (90, 80, 3), dtype=np.uint8), (0, 0), 3.0
    )
    how = np.array([[1.2, -0.3, 4.3], [0.2, 0.9, -7.7]])
    theirs = cv2.warpAffine(image, how, (100, 95), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    ours = move(image, how, (100, 95), border=cv2.BORDER_REPLICATE)
    assert np.abs(ours.astype(int) - theirs).max() <= 2


def test_noise_has_unit_variance_and_its_scale() -> None:
    rng = np.random.default_rng(0)
    field = smooth_noise((300, 320), scale=9.0, rng=rng)
    assert field.std() == pytest.approx(1.0, abs=1e-3)
    assert np.abs(np.diff(field, axis=1)).mean() < 0.2
    lines = strokes((300, 320), across=1.0, along=6.0, rng=rng)
    assert lines.std() == pytest.approx(1.0 / math.sqrt(4.0 * math.pi * 6.0), rel=0.1)
    assert np.abs(np.diff(lines, axis=0)).mean() < 0.4 * np.abs(np.diff(lines, axis=1)).mean()


def test_enlarge_agrees_with_opencv() -> None:
    small = np.random.default_rng(0).standard_normal((13, 17)).astype(np.float32)
    theirs = cv2.resize(small, (120, 90), interpolation=cv2.INTER_CUBIC)
    np.testing.assert_allclose(enlarge(small, (90, 120)), theirs, atol=1e-4)


def test_fine_blur_agrees_with_opencv() -> None:
    image = np.random.default_rng(0).random((50, 60)).astype(np.float32)
    theirs = cv2.GaussianBlur(image, (0, 0), 2.0, borderType=cv2.BORDER_REFLECT)
    np.testing.assert_allclose(blur_finely(image, 2.0), theirs, atol=1e-4)
    full = np.full((9, 9, 3), 300.0, dtype=np.float32)  # above the top
    np.testing.assert_allclose(blur_finely(full, 1.0, top=255.0), 255.0)


def test_levels_are_looked_up_by_channel() -> None:
    image = np.arange(256, dtype=np.uint8).reshape(16, 16)[..., None].repeat(3, axis=2)
    levels = np.arange(256.0)[:, None] * np.array([1.0, 0.5, 2.0]) + np.array([0.0, 1.0, -3.0])
    np.testing.assert_array_equal(
        with_levels(image, levels), np.clip(np.rint(levels[image[..., 0], :]), 0, 255)
    )


def test_feathering_follows_the_mask() -> None:
    rng = np.random.default_rng(0)
    target, face = rng.integers(0, 256, (2, 30, 40, 3), dtype=np.uint8)
    mask = np.tile(np.linspace(0, 255, 40).astype(np.uint8), (30, 1))
    recipe = draw_recipe("Deepfakes", rng=rng)
    found = blend(target, face, mask, recipe)
    share = mask[..., None] / 255.0
    np.testing.assert_allclose(found, face * share + target * (1.0 - share), atol=1.6)
    np.testing.assert_array_equal(found[:, 0], target[:, 0])
    np.testing.assert_array_equal(found[:, -1], face[:, -1])


def test_cloned_gradients_forget_the_colour_and_keep_the_border() -> None:
    rng = np.random.default_rng(0)
    target = cv2.GaussianBlur(rng.integers(60, 160, (70, 61, 3), dtype=np.uint8), (0, 0), 3.0)
    hard = np.zeros((70, 61), dtype=np.uint8)
    hard[5:-5, 5:-5] = 1
    np.testing.assert_array_equal(_with_gradients(target, target + np.uint8(40), hard), target)
    other = target.copy()
    other[30:40, 25:35] += np.uint8(50)  # a spot of the face is carried over
    found = _with_gradients(target, other + np.uint8(30), hard)
    np.testing.assert_array_equal(found[[0, -1]], target[[0, -1]])
    spot = found.astype(int) - target
    assert spot[33:37, 28:32].mean() > 40
    assert np.abs(spot[:15]).max() <= 1


def test_cloned_gradients_solve_poissons_equation() -> None:
    rng = np.random.default_rng(0)
    target, face = rng.integers(100, 156, (2, 24, 31, 3), dtype=np.uint8)
    hard = np.ones((24, 31), dtype=np.uint8)
    hard[[0, -1], :] = 0
    hard[:, [0, -1]] = 0
    found = _with_gradients(target, face, hard).astype(np.float64)
    # Well inside the mask the Laplacian is that of the face; each of five bytes is rounded.
    inner = np.s_[6:-6, 6:-6]
    np.testing.assert_allclose(_laplacian(found)[inner], _laplacian(face.astype(np.float64))[inner], atol=4.1)


def _laplacian(image: NDArray[np.float64]) -> NDArray[np.float64]:
    inner = -4.0 * image[1:-1, 1:-1]
    return inner + image[:-2, 1:-1] + image[2:, 1:-1] + image[1:-1, :-2] + image[1:-1, 2:]


def test_colours_are_encoded_by_bt601_in_limited_range() -> None:
    colours = np.array([[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 0, 255]], dtype=np.uint8)
    expected = [(16, 128, 128), (235, 128, 128), (82, 90, 240), (41, 240, 110)]
    for colour, (luma, blue, red) in zip(colours, expected, strict=True):
        planes = _planes(np.broadcast_to(colour, (6, 10, 3)).copy())
        assert planes.shape == (9, 10)
        np.testing.assert_allclose(planes[:6], luma, atol=1)
        np.testing.assert_allclose(planes.ravel()[60:75], blue, atol=1)
        np.testing.assert_allclose(planes.ravel()[75:], red, atol=1)
    grey = _planes(np.array([[0, 255], [255, 0]], dtype=np.uint8))
    np.testing.assert_array_equal(grey, [[16, 235], [235, 16], [128, 128]])
