"""FakeSTormer's samples: a real clip and a pseudo-fake of it, with what its three heads should say of both."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from dfbench.training import FaceClip, Sample, SampleMaker, TrainingClips, margin_to_cut
from dfbench_fakestormer.synthesis.sample import SampleSettings, make_sample, make_view

if TYPE_CHECKING:
    from dfbench import Synthesizer
    from dfbench.training import Address
    from dfbench_fakestormer.recipe import FakeSTormerRecipe


def sample_maker(
    recipe: FakeSTormerRecipe, synthesizer: Synthesizer | None, *, training: bool
) -> SampleMaker:
    """Build the maker of samples. With `validation_view = "released"`, validation is augmented too, but not mirrored."""
    settings = sample_settings(recipe, augment=training or recipe.validates_anew)
    if training and recipe.fakes == "real":
        return partial(_labelled, settings=settings)
    assert synthesizer is not None  # the trainer refuses to go without
    if not training and recipe.validates_anew:
        settings = replace(settings, flip=0.0)

    def make(clip: FaceClip, rng: np.random.Generator) -> Sample:
        made = make_sample(clip.frames, clip.landmarks, synthesizer=synthesizer, rng=rng, settings=settings)
        return Sample(
            clips=np.stack([made.real, made.fake]),
            labels=np.array([0, 1], np.int64),
            targets={
                "frame_labels": np.stack([made.temporal_real, made.temporal_fake]),
                "heatmap": np.stack([made.heatmap_real, made.heatmap_fake])[:, None],
                "keep": np.stack([made.keep, made.keep])[:, None],
            },
        )

    return make


def _labelled(clip: FaceClip, rng: np.random.Generator, *, settings: SampleSettings) -> Sample:
    """A real or fake clip with its label. Where a real fake was blended, nobody knows: its heat map does not count."""
    frames = make_view(clip.frames, rng=rng, settings=settings)
    label = int(clip.label)
    cells = (1, 1, len(frames), settings.grid, settings.grid)
    return Sample(
        clips=frames[None],
        labels=np.array([label], np.int64),
        targets={
            "frame_labels": np.full((1, len(frames)), label, np.float32),
            "heatmap": np.zeros(cells, np.float32),
            "keep": np.full(cells, 1 - label, np.uint8),
        },
    )


def sample_settings(recipe: FakeSTormerRecipe, *, augment: bool) -> SampleSettings:
    """The recipe's part for the synthesis of a sample; without augmentation, exactly the detector's own margin."""
    return SampleSettings(
        size=recipe.size,
        grid=recipe.size // recipe.patch,
        augment=augment,
        heatmap=recipe.heatmap,
        derivative=recipe.derivative,
        cells=recipe.cells,
        mask_out=recipe.mask_out,
        margin_fixed=margin_to_cut(recipe),
        mirror=recipe.mirror,
        jpeg=recipe.jpeg,
    )


class FakeSTormerClips(TrainingClips):
    """With `retry = "released"`, the next clip gets the very draws that the last one failed with."""

    HANDED_ON = 8

    def attempt(
        self, asked_for: Address, address: Address, attempt: int
    ) -> tuple[Address, np.random.Generator]:
        """The address and the generator of an attempt."""
        recipe: FakeSTormerRecipe = self.recipe  # type: ignore[assignment] # of this method's class
        if recipe.retry == "released" and 0 < attempt < self.HANDED_ON:
            elsewhere = self.elsewhere(address, self.generator(address, attempt))
            return elsewhere, self.generator(asked_for, 0)
        return super().attempt(asked_for, address, attempt)
