"""Training samples a second on one core, decoding included. No timed assertions.

`test_training_samples` begins with crops of the size that is trained on, as the authors' code does, whose seconds stand
beside it. `test_samples_from_stored_faces` is all that a data worker does: stored face images are wider than what is
trained on, so each is cut first, by one warp a frame, and the sample's own warps follow. They are not fused into one: the
masks, landmarks and colours in between are those of the cut crop, and pixels that are interpolated once differ from those
that are interpolated twice, so that no stored number of the released code would hold.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from statistics import median

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from dfbench.data.store.face_files import read_faces
from dfbench.training.loaders import Library
from dfbench_fakestormer.recipe import load_recipe
from dfbench_fakestormer.samples import sample_settings
from dfbench_fakestormer.synthesis import build
from dfbench_fakestormer.synthesis.sample import SampleSettings, TrainingSample, make_sample

# What the authors' code takes on two such cores, one thread, for a clip pair from crops of this side.
RELEASED_SECONDS = {256: 0.139, 317: 0.195}


@pytest.mark.parametrize("side", [256, 317])
def test_training_samples(
    benchmark: BenchmarkFixture, one_thread: None, face_file: Callable[..., Path], side: int
) -> None:
    """Four real and four fake frames of 224 px with all targets, from four stored crops as they are."""
    path = face_file(side=side, count=4)
    synthesizer, settings, seeds = build({}), SampleSettings(size=224, grid=14), count()

    def sample() -> TrainingSample:
        stored = read_faces(path)
        return make_sample(
            np.stack(stored.crops),
            stored.track.landmarks,
            synthesizer=synthesizer,
            rng=np.random.default_rng(next(seeds)),
            settings=settings,
        )

    made = benchmark.pedantic(sample, rounds=40, iterations=1, warmup_rounds=5)
    assert made.fake.shape == (4, 224, 224, 3)
    if benchmark.stats:
        seconds = benchmark.stats.stats.median
        benchmark.extra_info["samples_per_second"] = round(1 / seconds, 1)
        benchmark.extra_info["released_over_ours"] = round(RELEASED_SECONDS[side] / seconds, 2)


@pytest.mark.parametrize("kept", [False, True], ids=["decoded", "kept"])
def test_samples_from_stored_faces(
    benchmark: BenchmarkFixture, one_thread: None, face_file: Callable[..., Path], kept: bool
) -> None:
    """The same by recipe `base_c23`, whose crops of 256 px are cut from stored ones of 317.

    "kept": stored images are decoded once and stay in memory, as they do while they fit; then only cutting is added.
    `cutting_share` is the part of a sample's time that reading and cutting take.
    """
    recipe, synthesizer, seeds = load_recipe("base_c23"), build({}), count()
    library = Library([face_file(side=317, count=4)], cache_bytes=1 << 30 if kept else 0)
    settings = sample_settings(recipe, augment=True)
    positions, cutting = range(recipe.frames), []

    def sample() -> TrainingSample:
        begun = time.perf_counter()
        frames, landmarks = library.cut(0, positions, recipe=recipe)
        cutting.append(time.perf_counter() - begun)
        rng = np.random.default_rng(next(seeds))
        return make_sample(frames, landmarks, synthesizer=synthesizer, rng=rng, settings=settings)

    made = benchmark.pedantic(sample, rounds=40, iterations=1, warmup_rounds=5)
    assert made.fake.shape == (4, 224, 224, 3)
    if benchmark.stats:
        seconds = benchmark.stats.stats.median
        benchmark.extra_info["samples_per_second"] = round(1 / seconds, 1)
        benchmark.extra_info["cutting_share"] = round(median(cutting[5:]) / seconds, 2)
