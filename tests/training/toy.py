"""The smallest module that the loop can train: a linear layer on clips of 8 x 8 pixels. A training takes a tenth of a second.

Fake clips are brighter in one corner, so that there is something to learn. `Toy` says what is trained and what happens on the
way: `at_step` and `at_validation` are called with the step, and may raise, kill the process or spoil the gradient.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Sampler

from dfbench import World
from dfbench.events import OnRound, nobody
from dfbench.interfaces import Progress
from dfbench.metrics.point import auc
from dfbench.progress import SilentProgress
from dfbench.training.distributed import gather_values
from dfbench.training.loop import FitResult, fit_module
from dfbench.training.record import LOG, FitPlan

STEPS = 3  # a round
BATCH = 4
CLIPS = 24
_SHAPE = (2, 8, 8, 3)


class CutError(Exception):
    """Stands for whatever ends a training from outside."""


def nothing(step: int) -> None:
    """What happens at a step of an undisturbed training."""


def unscaled(step: int) -> float:
    """What the loss of each step is multiplied by."""
    return 1.0


@dataclass(frozen=True, slots=True)
class Toy:
    """A training of the toy. `scores`: the validation score of each round, in place of the AUC."""

    rounds: int = 4
    validate_every: int = 1
    patience: int = 0
    lr: float = 0.05
    precision: str = "32"
    workers: int = 0
    batch_norm: bool = False
    seed: int = 1
    scores: Sequence[float] = ()
    monitor: str = "val_auc"
    world: World = field(default_factory=World)
    at_step: Callable[[int], None] = nothing
    at_validation: Callable[[int], None] = nothing
    scale_of_loss: Callable[[int], float] = unscaled


class Clips(Dataset[tuple[Tensor, Tensor]]):
    """Clip i of a training or a validation set: (2, 8, 8, 3) uint8 and its label; odd ones are fake."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self._labels = np.arange(CLIPS) % 2
        self._clips = rng.integers(0, 200, (CLIPS, *_SHAPE), dtype=np.uint8)
        self._clips[self._labels == 1, :, :3, :3] += 40

    def __len__(self) -> int:
        return CLIPS

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return torch.from_numpy(self._clips[index]), torch.tensor(self._labels[index])


class Order(Sampler[int]):
    """Which clips round r takes, drawn from (seed, r); processes that train together share each batch."""

    def __init__(self, toy: Toy) -> None:
        self._toy, self._round = toy, 0

    def __len__(self) -> int:
        return STEPS * BATCH // self._toy.world.size

    def set_epoch(self, epoch: int) -> None:
        """Choose the round."""
        self._round = epoch

    def __iter__(self) -> Iterator[int]:
        order = np.random.default_rng([self._toy.seed, self._round]).permutation(CLIPS)[: STEPS * BATCH]
        return iter(order[self._toy.world.rank :: self._toy.world.size].tolist())


class ToyModule(pl.LightningModule):
    """Trains the layer; `states` are its weights after each validation."""

    def __init__(self, toy: Toy) -> None:
        super().__init__()
        self.toy = toy
        self.order = Order(toy)
        self.states: list[dict[str, Tensor]] = []
        self.scales: list[float] = []
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(toy.seed)
            layers: list[nn.Module] = [
                nn.Flatten(),
                nn.Linear(int(np.prod(_SHAPE)), 3 if toy.batch_norm else 1),
            ]
            if toy.batch_norm:
                layers += [nn.BatchNorm1d(3), nn.Linear(3, 1)]
            self.net = nn.Sequential(*layers)
        self._logits: dict[tuple[int, int], list[float]] = {}

    def train_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        """Training clips, from the round on that training is in."""
        self.order.set_epoch(self.trainer.global_step // STEPS)
        return DataLoader(
            Clips(1),
            batch_size=BATCH // self.toy.world.size,
            sampler=self.order,
            num_workers=self.toy.workers,
            persistent_workers=self.toy.workers > 0,
        )

    def val_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        """Validation clips, this process's share."""
        return DataLoader(
            Clips(2), batch_size=5, sampler=range(self.toy.world.rank, CLIPS, self.toy.world.size)
        )

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam, whose moments a resumed training must get back."""
        return torch.optim.Adam(self.net.parameters(), lr=self.toy.lr)

    def logit(self, clips: Tensor, *, noise: Tensor | None = None) -> Tensor:
        """(B, 2, 8, 8, 3) uint8 to (B,)."""
        values = clips.to(next(self.net.parameters()).dtype) / 255
        logits: Tensor = self.net(values if noise is None else values + noise)
        return logits.squeeze(1)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """The loss of a batch to which noise is added that depends on seed and step alone."""
        clips, labels = batch
        step = self.current_epoch * STEPS + batch_idx
        self.toy.at_step(step)
        generator = torch.Generator().manual_seed(1000 * self.toy.seed + step)
        noise = torch.rand((1, *_SHAPE), generator=generator) / 10
        logits = self.logit(clips, noise=noise)
        loss = nn.functional.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype))
        self.log(
            "loss",
            loss,
            on_step=True,
            on_epoch=True,
            batch_size=len(clips),
            sync_dist=self.toy.world.size > 1,
        )
        return loss * self.toy.scale_of_loss(step)

    def on_train_batch_end(self, *args: object) -> None:
        """Note fp16's scale."""
        del args
        scaler = getattr(self.trainer.precision_plugin, "scaler", None)
        if scaler is not None:
            self.scales.append(scaler.get_scale())

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Collect the logits; a clip is a video of its own."""
        self.toy.at_validation(self.current_epoch)
        clips, labels = batch
        for place, (logit, label) in enumerate(zip(self.logit(clips).tolist(), labels.tolist(), strict=True)):
            clip = self.toy.world.rank + self.toy.world.size * (5 * batch_idx + place)
            self._logits[label, clip] = [logit]

    def on_validation_epoch_end(self) -> None:
        """Log the score."""
        logits = gather_values(self._logits)
        self._logits.clear()
        self.states.append({key: value.clone() for key, value in self.state_dict().items()})
        scores = np.array([value for (value,) in logits.values()])
        labels = np.array([label for label, _ in logits], dtype=np.int8)
        score = auc(scores, labels) if np.isfinite(scores).all() else math.nan
        self.log("val_auc", self.toy.scores[self.current_epoch] if self.toy.scores else score)


def fit(
    folder: Path, toy: Toy, *, progress: Progress | None = None, on_round: OnRound = nobody
) -> tuple[FitResult, ToyModule]:
    """Train the toy in `folder`; goes on where an earlier call was cut off."""
    module = ToyModule(toy)
    plan = FitPlan(
        rounds=toy.rounds,
        steps=STEPS,
        validate_every=toy.validate_every,
        monitor=toy.monitor,
        device="cpu",
        precision=toy.precision,  # type: ignore[arg-type]
        patience=toy.patience,
        samples=BATCH,
        world=toy.world,
    )
    result = fit_module(
        module,
        folder=folder,
        plan=plan,
        progress=progress or SilentProgress(),
        title="train toy",
        on_round=on_round,
    )
    return result, module


def rows_of(folder: Path) -> list[dict[str, str]]:
    """The rows of the log, without how long they took."""
    with (folder / LOG).open(newline="") as file:
        return [
            {key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)
        ]


def equal(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    """True if both states have the same values to the bit."""
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def farthest(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> float:
    """The largest difference between two states of the same keys."""
    assert one.keys() == other.keys()
    return max(float((one[key].double() - other[key].double()).abs().max()) for key in one)


def once(error: BaseException, *, at: int) -> Callable[[int], None]:
    """Raise `error` the first time that step `at` is reached; returns the function to give as `at_step`."""
    left: list[Any] = [error]

    def check(step: int) -> None:
        if step == at and left:
            raise left.pop()

    return check
