from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dfbench_synthesis.photometric import (
    BrightnessContrast,
    DownScale,
    HueSaturationValue,
    Jpeg,
    RGBShift,
    Sharpen,
    Step,
    apply_steps,
    draw_blend_steps,
    draw_final_steps,
)


@pytest.fixture
def frames() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (3, 34, 41, 3), dtype=np.uint8)


def test_no_steps_change_nothing(frames: NDArray[np.uint8]) -> None:
    assert apply_steps(frames, ()) is frames


def test_fused_tables_are_the_steps_one_by_one(frames: NDArray[np.uint8]) -> None:
    steps: tuple[Step, ...] = (RGBShift(12.5, -30.2, 4), BrightnessContrast(1.2, -0.1), RGBShift(-3, 3, 0.5))
    expected = frames
    for step in steps:
        expected = apply_steps(expected, (step,))
    np.testing.assert_array_equal(apply_steps(frames, steps), expected)


@pytest.mark.parametrize("ratio", [2, 4])
def test_tables_before_a_downscaling_look_only_at_what_it_keeps(
    frames: NDArray[np.uint8], ratio: int
) -> None:
    contrast, down = BrightnessContrast(1.2, -0.1), DownScale(ratio)
    one_by_one = apply_steps(apply_steps(frames, (contrast,)), (down,))
    np.testing.assert_array_equal(apply_steps(frames, (contrast, down)), one_by_one)


def test_values_are_truncated_not_rounded(frames: NDArray[np.uint8]) -> None:
    shifted = apply_steps(frames, (RGBShift(0.9, -0.1, 20),))
    np.testing.assert_array_equal(shifted[..., 0], frames[..., 0])
    np.testing.assert_array_equal(shifted[..., 1], np.maximum(frames[..., 1], 1) - 1)
    np.testing.assert_array_equal(shifted[..., 2], np.minimum(frames[..., 2].astype(int) + 20, 255))


def test_hue_is_cyclic() -> None:
    red = np.zeros((1, 2, 2, 3), np.uint8)
    red[..., 0] = 200
    assert apply_steps(red, (HueSaturationValue(-1, 0, 0),))[..., 2].min() > 0  # towards magenta


def test_sharpening_a_flat_frame_scales_it() -> None:
    flat = np.full((1, 9, 9, 3), 100, np.uint8)
    step = Sharpen(strength=0.4, lightness=1.0)
    assert step.kernel().sum() == pytest.approx(1.0, abs=1e-6)
    assert (apply_steps(flat, (step,)) == 100).all()


@pytest.mark.parametrize("ratio", [2, 4])
def test_downscaling_loses_detail(frames: NDArray[np.uint8], ratio: int) -> None:
    blurred = apply_steps(frames, (DownScale(ratio),))
    assert blurred.shape == frames.shape
    assert (
        np.abs(np.diff(blurred.astype(int), axis=2)).mean()
        < np.abs(np.diff(frames.astype(int), axis=2)).mean()
    )
    assert apply_steps(frames[:, :3, :3], (DownScale(ratio),)).shape == (3, 3, 3, 3)


def test_jpeg_keeps_colours_apart() -> None:
    blue = np.zeros((1, 32, 32, 3), np.uint8)
    blue[..., 2] = 180
    for swapped in (False, True):
        again = apply_steps(blue, (Jpeg(quality=95, swapped=swapped),))
        assert np.abs(again.astype(int) - blue).max() < 12


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_drawn_steps_apply_to_all_frames_alike(seed: int) -> None:
    one = np.random.default_rng(1).integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    clip = np.repeat(one, 3, axis=0)
    for draw in (draw_blend_steps, draw_final_steps):
        steps = draw(np.random.default_rng(seed))
        before = clip.copy()
        out = apply_steps(clip, steps)
        assert out.dtype == np.uint8
        assert out.shape == clip.shape
        np.testing.assert_array_equal(clip, before)
        np.testing.assert_array_equal(out[0], out[2])
        assert steps == draw(np.random.default_rng(seed))


def test_every_blend_has_exactly_one_change_of_sharpness() -> None:
    rng = np.random.default_rng(2)
    kinds = [type(draw_blend_steps(rng)[-1]) for _ in range(200)]
    assert set(kinds) == {Sharpen, DownScale}
    assert 60 < kinds.count(Sharpen) < 140
