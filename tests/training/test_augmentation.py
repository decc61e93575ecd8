"""Augmentation as data: what a recipe may say, what each step does to a clip, and that chance comes from the generator alone."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.training.lines import LineRecipe, line_recipe

from dfbench.errors import UsageError
from dfbench.training.augmentation import STEPS, Augmentation

Frames = NDArray[np.uint8]


def clip(seed: int = 0, *, frames: int = 3, side: int = 24) -> Frames:
    """Soft noise, so that blurring and shrinking have something to take away, and JPEG something to keep."""
    rng = np.random.default_rng(seed)
    rough = rng.integers(60, 200, (frames, side, side, 3), dtype=np.uint8)
    return np.stack([np.asarray(cv2.GaussianBlur(frame, (0, 0), 0.8), np.uint8) for frame in rough])


def applied(text: str, frames: Frames, seed: int = 0) -> Frames:
    return Augmentation.parse(text)(frames, np.random.default_rng(seed))


def sharpness(frames: Frames) -> float:
    return float(np.abs(np.diff(frames.astype(float), axis=2)).mean())


@pytest.mark.parametrize("step", STEPS)
def test_each_step_alters_all_frames_in_the_same_way(step: str) -> None:
    frames = np.repeat(clip(frames=1), 4, axis=0)
    before = frames.copy()
    altered = applied(f"{step}=1", frames)
    assert altered.shape == frames.shape
    assert altered.dtype == np.uint8
    assert not np.array_equal(altered, frames)
    assert all(np.array_equal(frame, altered[0]) for frame in altered)
    assert np.array_equal(frames, before)  # what was handed over is left alone


@given(
    seed=st.integers(0, 2**32 - 1),
    shares=st.dictionaries(st.sampled_from(sorted(STEPS)), st.sampled_from(["0", "0.5", "1"])),
)
@settings(max_examples=30, deadline=None)
def test_of_a_pair_the_fake_is_augmented_as_its_original(seed: int, shares: dict[str, str]) -> None:
    text = ",".join(f"{name}={share}" for name, share in shares.items())
    real, fake = clip(1), clip(2)
    both = applied(text, np.concatenate([real, fake]), seed)
    assert np.array_equal(both[: len(real)], applied(text, real, seed))
    assert np.array_equal(both[len(real) :], applied(text, fake, seed))


@given(order=st.permutations(sorted(STEPS)), seed=st.integers(0, 99))
@settings(max_examples=10, deadline=None)
def test_the_order_in_which_a_recipe_names_steps_changes_nothing(order: list[str], seed: int) -> None:
    text = ",".join(f"{name}=0.5" for name in order)
    assert np.array_equal(
        applied(text, clip(), seed), applied(",".join(f"{name}=0.5" for name in STEPS), clip(), seed)
    )


def test_steps_go_off_as_often_as_they_say() -> None:
    frames, rng, flip = clip(frames=1), np.random.default_rng(3), Augmentation.parse("flip=0.25")
    turned = sum(not np.array_equal(flip(frames, rng), frames) for _ in range(400))
    assert 70 <= turned <= 130
    assert Augmentation.parse("flip=0,light=0.0")(frames, rng) is frames
    assert Augmentation.parse("")(frames, rng) is frames


def test_a_flip_is_the_mirror_image() -> None:
    frames = clip()
    assert np.array_equal(applied("flip=1", frames), frames[:, :, ::-1])


@pytest.mark.parametrize("seed", range(5))
def test_light_changes_values_and_no_place(seed: int) -> None:
    frames = clip()
    altered = applied("light=1", frames, seed)
    # A table of values: equal ones stay equal, and the darker of two is not the brighter one afterwards.
    order = np.argsort(frames, axis=None, kind="stable")
    assert (np.diff(altered.reshape(-1)[order].astype(int)) >= 0).all()
    assert np.abs(altered.astype(int) - frames).max() <= 20 + 0.2 * 128 + 1


@pytest.mark.parametrize("step", ["blur", "small"])
@pytest.mark.parametrize("seed", range(3))
def test_detail_is_taken_and_brightness_stays(step: str, seed: int) -> None:
    frames = clip()
    altered = applied(f"{step}=1", frames, seed)
    assert sharpness(altered) < sharpness(frames)
    assert abs(float(altered.mean()) - float(frames.mean())) < 2


def test_jpeg_keeps_the_colours_where_they_were() -> None:
    frames = np.zeros((1, 32, 32, 3), np.uint8)
    frames[..., 0] = 200  # red
    altered = applied("jpeg=1", frames)
    assert np.abs(altered.astype(int) - frames).max() < 20
    assert sharpness(applied("jpeg=1", clip())) > 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("flop=1", "augmentation has no step 'flop'"),
        ("flip=2", "augmentation flip=2 is no probability"),
        ("flip=often", "augmentation flip=often is no probability"),
        ("flip=nan", "augmentation flip=nan is no probability"),
    ],
)
def test_what_is_no_augmentation_is_named(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        Augmentation.parse(text)
    assert caught.value.hints


@pytest.mark.parametrize("text", ["flip", "flip=", "flip=1,", "=1", "flip=1;light=1", "flip=-1"])
def test_what_is_no_list_is_refused_by_the_recipe(text: str) -> None:
    with pytest.raises(UsageError, match="augmentation"):
        line_recipe(augmentation=text)
    assert isinstance(line_recipe(augmentation="flip=0.5,jpeg=.1"), LineRecipe)
