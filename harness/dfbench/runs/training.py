"""The training loop for any detector: Lightning, with our progress, our log, and checkpoints that survive `kill -9`.

A training is a fixed number of rounds, each a fixed number of steps. After every round the whole state is written to
`last.ckpt` under a temporary name and renamed; the same call with the same folder goes on from there. Resuming only
at round borders is what makes it exact: no half-read data loader has to be restored. The weights with the best
validation score are kept in `best.ckpt`, and `log.csv` has a row a round.

A module that is trained here draws its randomness from (seed, step) and not from the process's global generator,
and its data loaders deliver round r whatever came before; then interrupted plus resumed equals uninterrupted.
"""

from __future__ import annotations

import csv
import io
import logging
import math
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import lightning.pytorch as pl
import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import Tensor

from dfbench.errors import RunError, StoreError, UsageError
from dfbench.interfaces import Progress, ProgressTask

Precision = Literal["32", "bf16"]
LAST, BEST, LOG = "last.ckpt", "best.ckpt", "log.csv"
_PRECISIONS: Mapping[Precision, Literal["32-true", "bf16-mixed"]] = {"32": "32-true", "bf16": "bf16-mixed"}
_Shown = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FitPlan:
    """How long and where to train.

    `rounds` of `steps` optimiser steps each; validation after every `validate_every` rounds and the last. `monitor`
    is the name under which the module logs its validation score; higher is better. `shown`: names of logged values
    that stand beside the progress bar; `samples`: how many samples a step has, for the rate.
    """

    rounds: int
    steps: int
    validate_every: int
    monitor: str
    device: str
    precision: Precision = "32"
    shown: _Shown = ("loss",)
    samples: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class FitResult:
    """The best weights of a training. `score` is their validation score, `step` when they were reached."""

    state: Mapping[str, Tensor]
    score: float
    step: int


def resolve_device(device: str) -> torch.device:
    """ "auto", "cpu", "cuda", "cuda:1", "mps" to a device of this machine. Raises UsageError if it is not there."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise UsageError(f"unknown device {device!r}", hints=("use auto, cpu, cuda or cuda:0",)) from error
    absent = (found.type == "cuda" and not torch.cuda.is_available()) or (
        found.type == "mps" and not torch.backends.mps.is_available()
    )
    if absent:
        raise UsageError(
            f"device {device!r} was asked for, but this machine has none", hints=("use --device cpu",)
        )
    if found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count():
        raise UsageError(f"there is no {device}: this machine has {torch.cuda.device_count()} CUDA devices")
    return found


def fit_module(
    module: pl.LightningModule, *, folder: Path, plan: FitPlan, progress: Progress, title: str
) -> FitResult:
    """Train `module`, which brings its own data loaders, in `folder`; goes on where an earlier call was cut off.

    Returns the best weights. Raises StoreError if the folder cannot be written or holds a damaged checkpoint,
    RunError if the loss or the validation score is no number.
    """
    device = resolve_device(plan.device)
    last = folder / LAST
    record = _Record(folder, plan)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot make the training folder {folder}: {error.strerror}") from error
    done = _rounds_done(last)
    if done:
        progress.note(f"{title}: going on after step {done * plan.steps} of {plan.rounds * plan.steps}")
    with _quiet_lightning(), progress.task(title, plan.rounds * plan.steps) as task:
        task.advance(done * plan.steps)
        trainer = pl.Trainer(
            accelerator=device.type,
            devices=[device.index] if device.index is not None else 1,
            precision=_PRECISIONS[plan.precision],
            max_epochs=plan.rounds,
            check_val_every_n_epoch=plan.validate_every,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            callbacks=[_Bar(task, plan), record],
            plugins=[_AtomicCheckpoints()],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=folder,
        )
        trainer.fit(module, ckpt_path=last if done else None, weights_only=True)
    if trainer.interrupted:
        raise KeyboardInterrupt
    best = _read_checkpoint(folder / BEST)
    return FitResult(state=best["state_dict"], score=record.best, step=record.best_step)


class _AtomicCheckpoints(TorchCheckpointIO):
    """Checkpoints appear whole or not at all, and are read back without running what is in them."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None
    ) -> None:
        del storage_options
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        write_atomic(Path(path), buffer.getvalue())

    def load_checkpoint(
        self, path: Any, map_location: Callable[..., Any] | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        del map_location, weights_only
        return _read_checkpoint(Path(path))


class _Bar(pl.Callback):
    """Moves the progress bar; beside it the last losses and samples a second."""

    def __init__(self, task: ProgressTask, plan: FitPlan) -> None:
        self._task, self._plan = task, plan
        self._since = time.monotonic()

    def on_train_batch_end(self, trainer: pl.Trainer, *args: object) -> None:
        del args
        now = time.monotonic()
        rate = self._plan.samples / max(1e-9, now - self._since)
        self._since = now
        values = trainer.callback_metrics
        parts = [f"{name} {_number(values, name):.3f}" for name in self._plan.shown]
        score = _number(values, self._plan.monitor)
        if not math.isnan(score):
            parts.append(f"{self._plan.monitor} {score:.3f}")
        self._task.advance(1, " ".join([*parts, f"{rate:.0f} samples/s"]))


class _Record(pl.Callback):
    """After every round: the log row, the best weights if they are, and the checkpoint, in this order.

    Whatever is cut off between two of these is done again, with the same outcome, by the call that goes on.
    """

    def __init__(self, folder: Path, plan: FitPlan) -> None:
        self._folder, self._plan = folder, plan
        self.best, self.best_step = -math.inf, 0
        self._rows: list[dict[str, float]] = []
        self._before = 0.0
        self._started = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        return {
            "best": self.best,
            "best_step": self.best_step,
            "rows": self._rows,
            "seconds": self._seconds(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best, self.best_step = state_dict["best"], state_dict["best_step"]
        self._rows, self._before = state_dict["rows"], state_dict["seconds"]

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        del pl_module
        if trainer.current_epoch + 1 == self._plan.rounds:
            trainer.check_val_every_n_epoch = 1  # the last weights are validated whatever the interval

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        del pl_module
        finished = trainer.current_epoch + 1
        step = finished * self._plan.steps
        # Lightning lists a value that is logged by step and by epoch thrice; the plain name is the epoch's mean.
        values = {
            name: float(value)
            for name, value in trainer.callback_metrics.items()
            if not name.endswith(("_step", "_epoch"))
        }
        broken = sorted(n for n, v in values.items() if not math.isfinite(v) and n != self._plan.monitor)
        if broken:
            raise RunError(
                f"training diverged before step {step}: {', '.join(broken)} is not a number",
                hints=("lower the learning rate, for example: --set lr=1e-4",),
            )
        if finished % self._plan.validate_every and finished < self._plan.rounds:
            values.pop(self._plan.monitor, None)
        self._rows.append({"round": finished, "step": step, "seconds": round(self._seconds(), 1), **values})
        score = values.get(self._plan.monitor, -math.inf)
        if math.isnan(score):
            raise RunError(f"the validation score {self._plan.monitor} at step {step} is not a number")
        # Without a validation score, the last weights are the best known.
        if score > self.best or (self.best == -math.inf and finished == self._plan.rounds):
            self.best, self.best_step = score, step
            trainer.save_checkpoint(self._folder / BEST, weights_only=True)
        write_atomic(self._folder / LOG, _csv(self._rows).encode())
        trainer.save_checkpoint(self._folder / LAST)

    def _seconds(self) -> float:
        return self._before + time.monotonic() - self._started


def write_atomic(path: Path, content: bytes) -> None:
    """Write under a temporary name in the same folder, then rename. Raises StoreError."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise StoreError(
            f"cannot write {path}: {error.strerror or error}",
            hints=("free some space or choose another cache folder, then run the same command: it goes on",),
        ) from error


def _rounds_done(last: Path) -> int:
    if not last.is_file():
        return 0
    return int(_read_checkpoint(last)["epoch"]) + 1


def _read_checkpoint(path: Path) -> dict[str, Any]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged zip or pickle raises anything
        raise StoreError(
            f"the checkpoint {path} is damaged: {error}",
            hints=(f"delete the folder {path.parent} and train again",),
        ) from error
    if not isinstance(content, dict):
        raise StoreError(
            f"{path} is no checkpoint", hints=(f"delete the folder {path.parent} and train again",)
        )
    return content


def _number(values: Mapping[str, Tensor], name: str) -> float:
    value = values.get(f"{name}_step", values.get(name))
    return math.nan if value is None else float(value)


def _csv(rows: list[dict[str, float]]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Lightning's notices about choices that were made on purpose here."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)  # which devices exist, which callback was found, tips
    with warnings.catch_warnings():
        for expected in (
            ".*does not have many workers.*",  # the number of workers is the user's setting
            ".*GPU available but not used.*",  # so is the device
            ".*The `srun` command is available.*",  # a login node is a fine place to train the demo
            ".*isinstance.treespec, LeafSpec..*",  # Lightning against a newer torch
        ):
            warnings.filterwarnings("ignore", message=expected)
        try:
            yield
        finally:
            logger.setLevel(level)
