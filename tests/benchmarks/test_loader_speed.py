"""Whether two data workers keep up with the network that they feed. No timed assertions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch.utils.data import DataLoader

from dfbench.training.loaders import Library, frame_indices, start_worker
from dfbench.training.order import ClipOrder
from dfbench.training.samples import Batch, join
from dfbench.training.scorer import normalise
from dfbench_fakestormer.method import loss, network
from dfbench_fakestormer.recipe import load_recipe
from dfbench_fakestormer.samples import FakeSTormerClips, sample_maker
from dfbench_fakestormer.synthesis import build

WORKERS, STEPS, SMOKE_STEPS = 2, 4, 1
MADE_AHEAD = 1 + 2 * WORKERS  # batches that torch's loader keeps ready, and the one that is being used


def loader(faces: Path, *, recipe_name: str, videos: int, batch: int) -> DataLoader[Batch]:
    recipe = load_recipe(recipe_name, {"batch": str(batch)})
    tracks = [frame_indices(faces)] * videos
    return DataLoader(
        FakeSTormerClips(
            Library([faces] * videos),
            tracks,
            recipe=recipe,
            maker=sample_maker(recipe, build({}), training=True),
            seed=0,
        ),
        batch_size=batch,
        sampler=ClipOrder(tracks, recipe=recipe, seed=0),
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


class Training:
    """The demo recipe's network with its optimiser."""

    def __init__(self) -> None:
        self._recipe = load_recipe("demo")
        self._net = network(self._recipe, seed=0).train()
        self._optimizer = torch.optim.AdamW(self._net.parameters(), lr=self._recipe.lr)

    def step(self, batch: Batch) -> None:
        self._optimizer.zero_grad()
        terms = loss(self._net, normalise(batch.clips), batch, self._recipe)
        torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()

    def alone(self, batch: Batch, steps: int) -> list[float]:
        """Seconds of so many steps on a batch that is there."""
        seconds = []
        for _ in range(steps):
            begun = time.perf_counter()
            self.step(batch)
            seconds.append(time.perf_counter() - begun)
        return seconds

    def fed(self, batches: DataLoader[Batch]) -> tuple[float, float]:
        """Seconds a step while workers make the batches, and the share of them that the step waits for its batch.

        The first batches do not count: workers start, and then hand on what they made before the first step.
        """
        steps, waited, begun = 0, 0.0, 0.0
        source = iter(batches)
        for number in range(len(batches)):
            asked = time.perf_counter()
            batch = next(source)
            if number == MADE_AHEAD:
                begun = asked
            if number >= MADE_AHEAD:
                waited += time.perf_counter() - asked
                steps += 1
            self.step(batch)
        seconds = time.perf_counter() - begun
        return seconds / steps, waited / seconds


def alone_and_fed(faces: Path, *, batch: int, steps: int) -> dict[str, float]:
    """Half of the steps alone are timed before those that are fed, half after."""
    training = Training()
    batches = loader(faces, recipe_name="demo", videos=8, batch=batch)
    made = next(iter(batches))
    training.step(made)  # the first is slow
    alone = training.alone(made, steps)
    seconds, waiting = training.fed(batches)
    alone += training.alone(made, steps)
    return {
        "steps_per_second_alone": round(1 / median(alone), 2),
        "steps_per_second_fed": round(1 / seconds, 2),
        "fed_over_alone": round(median(alone) / seconds, 2),
        "waiting_share": round(waiting, 3),
    }


FED = """
import json, os, sys
from pathlib import Path
import torch
from dfbench_fakestormer.recipe import load_recipe
from tests.benchmarks.test_loader_speed import STEPS, alone_and_fed
torch.set_num_threads(os.cpu_count() or 1)
print(json.dumps(alone_and_fed(Path(sys.argv[1]), batch=load_recipe("demo").batch, steps=STEPS)))
"""


@pytest.mark.slow
def test_two_workers_feed_the_demo_training(
    benchmark: BenchmarkFixture, face_file: Callable[..., Path], smoke: bool
) -> None:
    """Steps a second of the demo recipe, on a batch that is there and on those that two workers make meanwhile.

    `waiting_share` is the part of the fed steps' time in which the network waits for its batch. In a process of its own,
    whose threads sleep while they wait, as those of the command line do; they have all cores, the workers' too.
    """

    def measured(faces: Path) -> dict[str, float]:
        if smoke:
            return alone_and_fed(faces, batch=1, steps=SMOKE_STEPS)
        done = subprocess.run(
            [sys.executable, "-c", FED, str(faces)],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "20000"},
        )
        return dict(json.loads(done.stdout))

    faces = face_file(side=300, count=40)
    found = benchmark.pedantic(measured, args=(faces,), rounds=1, iterations=1)
    benchmark.extra_info |= found
    assert set(found) == {"steps_per_second_alone", "steps_per_second_fed", "fed_over_alone", "waiting_share"}


def test_samples_of_the_base_recipe(
    benchmark: BenchmarkFixture, face_file: Callable[..., Path], smoke: bool
) -> None:
    """Two workers, a core each; sixteen make eight times as many."""
    videos, batch, count = (2, 1, 8) if smoke else (8, 8, 64)
    batches = loader(face_file(side=300, count=count), recipe_name="base_c23", videos=videos, batch=batch)
    loading = benchmark.pedantic(seconds_a_batch, args=(batches,), rounds=1, iterations=1)
    benchmark.extra_info["samples_per_second"] = round(batch / loading, 1)
    benchmark.extra_info["samples_per_second_of_16_workers"] = round(batch / loading * 16 / WORKERS)
