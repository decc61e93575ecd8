"""Whether two data workers keep up with the network that they feed. No timed assertions."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch.utils.data import DataLoader

from dfbench_fakestormer.checkpoints import network_config
from dfbench_fakestormer.clipdata import (
    Batch,
    ClipStream,
    Library,
    TrainingClips,
    frame_indices,
    join,
    start_worker,
)
from dfbench_fakestormer.detector import normalise
from dfbench_fakestormer.losses import LossWeights, Targets, combined_loss
from dfbench_fakestormer.model import FakeSTormerNet
from dfbench_fakestormer.recipe import load_recipe
from dfbench_fakestormer.synthesis import build

WORKERS, STEPS = 2, 6


def loader(faces: Path, *, recipe_name: str, videos: int, batch: int) -> DataLoader[Batch]:
    recipe = load_recipe(recipe_name, {"batch": str(batch)})
    tracks = [frame_indices(faces)] * videos
    return DataLoader(
        TrainingClips(Library([faces] * videos), tracks, recipe=recipe, synthesizer=build({}), seed=0),
        batch_size=batch,
        sampler=ClipStream(tracks, recipe=recipe, seed=0),
        collate_fn=join,
        num_workers=WORKERS,
        worker_init_fn=start_worker,
    )


def seconds_a_batch(batches: DataLoader[Batch]) -> float:
    """Of all but the first batch, which waits for the workers to start."""
    source = iter(batches)
    next(source)
    begun = time.perf_counter()
    count = sum(1 for _ in source)
    return (time.perf_counter() - begun) / count


@pytest.mark.slow
def test_two_workers_feed_the_demo_training(
    benchmark: BenchmarkFixture, face_file: Callable[..., Path]
) -> None:
    """`loader_over_step`: samples that two workers make while the network trains on one."""
    recipe = load_recipe("demo")
    net = FakeSTormerNet(network_config(recipe), seed=0).train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=recipe.lr)
    batches = loader(face_file(side=300, count=40), recipe_name="demo", videos=5, batch=recipe.batch)
    batch = next(iter(batches))

    def step() -> None:
        optimizer.zero_grad()
        output = net(normalise(batch.clips))
        targets = Targets(batch.label, batch.frame_labels, batch.heatmap, batch.keep)
        combined_loss(output, targets, LossWeights()).total.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    benchmark.pedantic(step, rounds=STEPS, iterations=1, warmup_rounds=1)
    loading = seconds_a_batch(batches)
    benchmark.extra_info["loaded_samples_per_second"] = round(recipe.batch / loading, 1)
    if benchmark.stats:
        training = benchmark.stats.stats.median
        benchmark.extra_info["trained_samples_per_second"] = round(recipe.batch / training, 1)
        benchmark.extra_info["loader_over_step"] = round(training / loading, 2)
    assert batch.clips.shape == (2 * recipe.batch, recipe.frames, recipe.size, recipe.size, 3)


@pytest.mark.slow
def test_samples_of_the_base_recipe(benchmark: BenchmarkFixture, face_file: Callable[..., Path]) -> None:
    """Two workers, a core each; sixteen make eight times as many."""
    batches = loader(face_file(side=300, count=64), recipe_name="base_c23", videos=8, batch=8)
    loading = benchmark.pedantic(seconds_a_batch, args=(batches,), rounds=1, iterations=1)
    benchmark.extra_info["samples_per_second"] = round(8 / loading, 1)
    benchmark.extra_info["samples_per_second_of_16_workers"] = round(8 / loading * 16 / WORKERS)
    assert loading > 0
