"""Training samples a second on one core, from stored crops, decoding included. No timed assertions."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from dfbench.data.store import read_faces
from dfbench_fakestormer.synthesis import build
from dfbench_fakestormer.synthesis.sample import SampleSettings, TrainingSample, make_sample

# What the authors' code takes on two such cores, one thread, for a clip pair from crops of this side.
RELEASED_SECONDS = {256: 0.139, 317: 0.195}


@pytest.mark.parametrize("side", [256, 317])
def test_training_samples(
    benchmark: BenchmarkFixture, one_thread: None, face_file: Callable[..., Path], side: int
) -> None:
    """Four real and four fake frames of 224 px with all targets, from four stored crops."""
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
