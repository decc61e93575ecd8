"""Samples: what the network sees of a training crop, pairs of a clip and its pseudo-fake, and batches that lose nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.training.lines import Brighter, line_recipe

from dfbench import Label, PluginError, PseudoFake, SynthesisError
from dfbench.training.module import _parts
from dfbench.training.samples import (
    Batch,
    FaceClip,
    Sample,
    batch_of,
    check_pair,
    join,
    margin_to_cut,
    seen,
    standard_samples,
)

RNG = np.random.default_rng(4)
PSEUDO = line_recipe(fakes="pseudo", validation_fakes="pseudo", synthesizer="any", balance="none")


def face_clip(label: Label = Label.REAL, *, side: int = 16, frames: int = 2) -> FaceClip:
    values = RNG.integers(40, 160, (frames, side, side, 3), dtype=np.uint8)
    return FaceClip(values, np.zeros((frames, 81, 2), np.float32), label)


def batch(samples: int, each: int) -> Batch:
    """Every clip has its own value, which is its label and its target too."""
    values = torch.arange(samples * each)
    return Batch(values[:, None, None, None, None].expand(-1, 2, 4, 4, 3), values, {"place": values}, samples)


@given(samples=st.integers(1, 9), each=st.integers(1, 3), count=st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_parts_of_a_batch_are_whole_samples_and_make_the_batch_again(
    samples: int, each: int, count: int
) -> None:
    whole = batch(samples, each)
    parts = _parts(whole, count)
    assert len(parts) == min(count, samples)
    assert all(len(part.clips) == each * part.samples > 0 for part in parts)
    assert max(part.samples for part in parts) - min(part.samples for part in parts) <= 1
    again = join(parts)
    assert again.samples == samples
    for one, other in (
        (again.clips, whole.clips),
        (again.labels, whole.labels),
        (again.targets["place"], whole.targets["place"]),
    ):
        assert torch.equal(one, other)


def test_samples_of_different_sizes_do_not_make_a_batch() -> None:
    with pytest.raises(PluginError, match="different numbers of clips"):
        join([batch(2, 1), batch(1, 2)])


def test_a_batch_of_one_sample_shares_its_memory() -> None:
    sample = Sample(face_clip().frames[None], np.array([1], np.int64), {"map": np.zeros((1, 2), np.float32)})
    made = batch_of(sample)
    sample.clips[0, 0, 0, 0, 0] = 7
    assert int(made.clips[0, 0, 0, 0, 0]) == 7
    assert (made.samples, made.labels.tolist(), list(made.targets)) == (1, [1], ["map"])


@pytest.mark.parametrize(("clip_margin", "train_margin"), [(0.0, 0.0), (0.0, 0.5), (0.25, 0.5), (0.1, 0.3)])
def test_what_is_cut_from_a_training_crop_leaves_the_margin_of_scoring(
    clip_margin: float, train_margin: float
) -> None:
    recipe = line_recipe(clip_margin=clip_margin, train_margin=train_margin)
    face = 1 / (1 + 2 * train_margin)  # share of the crop's side
    left = 1 - 2 * margin_to_cut(recipe)
    assert left == pytest.approx(face * (1 + 2 * clip_margin))


@pytest.mark.parametrize("side", [8, 12, 16, 40])
def test_the_network_sees_the_middle_in_its_own_size(side: int) -> None:
    recipe = line_recipe(clip_margin=0, train_margin=0.5, size=8)
    frames = np.zeros((2, side, side, 3), np.uint8)
    quarter = side // 4
    frames[:, quarter : side - quarter, quarter : side - quarter] = 255
    found = seen(frames, recipe)
    assert found.shape == (2, 8, 8, 3)
    assert found.dtype == np.uint8
    assert (found == 255).all()  # the outer half is gone


def test_a_labelled_clip_keeps_its_label_and_is_augmented_in_training_alone() -> None:
    recipe = line_recipe(augmentation="flip=1")
    clip = face_clip(Label.FAKE)
    made = standard_samples(recipe, None, training=True)(clip, np.random.default_rng(0))
    plain = seen(clip.frames, recipe)
    assert made.labels.tolist() == [1]
    assert np.array_equal(made.clips[0], plain[:, :, ::-1])
    held_out = standard_samples(
        replace_fields(recipe, fakes="pseudo", synthesizer="any", balance="none"), Brighter(), training=False
    )(clip, np.random.default_rng(0))
    assert np.array_equal(held_out.clips[0], plain)  # of validation, nothing is mirrored


def replace_fields(recipe: Any, **fields: Any) -> Any:
    return type(recipe).parse({**recipe.model_dump(), **fields})


def test_a_pair_is_a_real_clip_and_its_fake() -> None:
    clip = face_clip()
    made = standard_samples(PSEUDO, Brighter(), training=True)(clip, np.random.default_rng(0))
    assert made.labels.tolist() == [0, 1]
    assert np.array_equal(made.clips[0], seen(clip.frames, PSEUDO))
    assert (made.clips[1].astype(int) >= made.clips[0]).all()
    assert (made.clips[1] != made.clips[0]).any()


class Nothing:
    """Returns what it was given as its own fake."""

    def synthesize(self, frames: Any, landmarks: Any, rng: np.random.Generator) -> PseudoFake:
        del landmarks, rng
        return PseudoFake(frames, frames.copy(), np.zeros(frames.shape[:3], np.float32))


def test_a_fake_that_is_its_original_is_no_sample() -> None:
    with pytest.raises(SynthesisError, match="does not differ from its original"):
        standard_samples(PSEUDO, Nothing(), training=True)(face_clip(), np.random.default_rng(0))


FRAMES = np.zeros((2, 4, 4, 3), np.uint8)
GOOD = PseudoFake(FRAMES, FRAMES, np.ones((2, 4, 4), np.float32))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"real": FRAMES[:1]}, "real clip is"),
        ({"fake": FRAMES.astype(np.float32)}, r"fake clip is \(2, 4, 4, 3\) float32"),
        ({"mask": np.ones((2, 4), np.float32)}, r"mask is \(2, 4\), not \(2, 4, 4\)"),
        ({"mask": np.full((2, 4, 4), np.nan, np.float32)}, r"mask leaves \[0, 1\]"),
        ({"mask": np.full((2, 4, 4), 1.1, np.float32)}, r"mask leaves \[0, 1\]"),
        ({"mask": np.full((2, 4, 4), -0.1, np.float32)}, r"mask leaves \[0, 1\]"),
    ],
)
def test_what_is_no_pseudo_fake_is_named(changes: dict[str, Any], words: str) -> None:
    check_pair(GOOD, FRAMES)
    with pytest.raises(SynthesisError, match=words):
        check_pair(replace(GOOD, **changes), FRAMES)
