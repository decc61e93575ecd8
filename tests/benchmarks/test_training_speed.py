"""What the harness costs around a model: its training loop against a bare loop over the same tensors. No timed assertions."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import nn
from torch.utils.data import DataLoader

from dfbench.progress import SilentProgress
from dfbench.training import Batch, FitPlan, fit_module, normalise
from dfbench.training.loaders import ValidationBatch
from dfbench.training.module import VIDEO_AUC
from dfbench.training.order import ClipOrder
from dfbench_fakestormer.method import METHOD, loss, network
from dfbench_fakestormer.module import FakeSTormerModule
from dfbench_fakestormer.recipe import FakeSTormerRecipe, load_recipe

STEPS, TURNS = 45, 5  # steps as many as the demo recipe has between two checkpoints


def batches_of(recipe: FakeSTormerRecipe, count: int) -> list[Batch]:
    """Batches of random clips and targets, in the recipe's shapes."""
    rng = torch.Generator().manual_seed(0)
    clips, grid = 2 * recipe.batch, recipe.size // recipe.patch
    cells = (clips, 1, recipe.frames, grid, grid)
    return [
        Batch(
            torch.randint(
                256, (clips, recipe.frames, recipe.size, recipe.size, 3), generator=rng, dtype=torch.uint8
            ),
            torch.arange(clips) % 2,
            {
                "frame_labels": torch.rand(clips, recipe.frames, generator=rng),
                "heatmap": torch.rand(cells, generator=rng),
                "keep": torch.ones(cells, dtype=torch.uint8),
            },
            recipe.batch,
        )
        for _ in range(count)
    ]


class Timed(FakeSTormerModule):
    """Notes when the first step begins and when the last round has been written."""

    def on_train_start(self) -> None:
        self.begun = (time.perf_counter(), time.process_time())

    def on_train_end(self) -> None:
        self.ended = (time.perf_counter(), time.process_time())


def seconds_of_the_harness(
    recipe: FakeSTormerRecipe, batches: Sequence[Batch], folder: Path
) -> tuple[float, float]:
    """Seconds of the clock and of the processor for a round with its log, its validation and its checkpoints."""
    tracks = [np.arange(2 * len(batches) + 2)] * recipe.batch
    order = ClipOrder(tracks, recipe=recipe, seed=0)
    assert order.steps == len(batches)
    module = Timed(
        METHOD,
        network(recipe, seed=0),
        recipe=recipe,
        seed=0,
        order=order,
        train=loader(batches),
        validation=loader([held_out(batches[0])]),
    )
    plan = FitPlan(rounds=1, steps=len(batches), validate_every=1, monitor=VIDEO_AUC, device="cpu")
    fit_module(module, folder=folder, plan=plan, progress=SilentProgress(), title="a round")
    return module.ended[0] - module.begun[0], module.ended[1] - module.begun[1]


def seconds_of_a_bare_loop(recipe: FakeSTormerRecipe, batches: Sequence[Batch]) -> tuple[float, float]:
    """The same of a loop that does nothing but step, and computes the logits of the validation clips."""
    net = network(recipe, seed=0).train()
    optimizer = module_optimizer(net, recipe)
    begun = (time.perf_counter(), time.process_time())
    for batch in loader(batches):
        optimizer.zero_grad()
        terms = loss(net, normalise(batch.clips), batch, recipe)
        torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(net.parameters(), recipe.clip_norm)
        optimizer.step()
    with torch.no_grad():
        net.eval().logit(normalise(held_out(batches[0]).clips))
    return time.perf_counter() - begun[0], time.process_time() - begun[1]


def module_optimizer(net: nn.Module, recipe: FakeSTormerRecipe) -> torch.optim.Optimizer:
    """AdamW as the recipe has it."""
    betas = (recipe.beta1, recipe.beta2)
    return torch.optim.AdamW(net.parameters(), lr=recipe.lr, betas=betas, weight_decay=recipe.weight_decay)


def held_out(batch: Batch) -> ValidationBatch:
    """The clips of a batch, each of a video of its own."""
    return ValidationBatch(batch.clips, batch.labels, torch.arange(len(batch.labels)))


def loader(items: Sequence[Any]) -> DataLoader[Any]:
    """The items as they are."""
    return DataLoader(items, batch_size=None)  # type: ignore[arg-type]


def test_a_training_around_a_model(benchmark: BenchmarkFixture, tmp_path: Path, smoke: bool) -> None:
    """The demo network by AdamW. `harness_over_bare` is a ratio of medians over turns, by the clock and by the processor."""
    turns, steps = (1, 1) if smoke else (TURNS, STEPS)
    fields = {"optimizer": "adamw", **({"size": "32", "batch": "1"} if smoke else {})}
    recipe = load_recipe("demo", {**fields, "epochs": "1", "validate_every": "1", "head_dropout": "0"})
    batches = batches_of(recipe, steps)

    def measured() -> dict[str, float]:
        found: dict[str, list[tuple[float, float]]] = {"bare": [], "harness": []}
        for turn in range(turns):
            found["bare"].append(seconds_of_a_bare_loop(recipe, batches))
            found["harness"].append(seconds_of_the_harness(recipe, batches, tmp_path / str(turn)))
        by_clock, by_processor = (
            round(median(one[i] for one in found["harness"]) / median(one[i] for one in found["bare"]), 4)
            for i in (0, 1)
        )
        return {"harness_over_bare": by_clock, "harness_over_bare_processor": by_processor}

    benchmark.extra_info |= benchmark.pedantic(measured, rounds=1, iterations=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == [str(turn) for turn in range(turns)]
