"""Record a training: a checkpoint after every round, the best weights, the log, and the progress bar."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import lightning.pytorch as pl
import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import Tensor

from dfbench.csv_text import csv_of_rows
from dfbench.errors import PluginError, RunError, StoreError
from dfbench.events import OnRound, nobody
from dfbench.files import write_whole
from dfbench.interfaces import ProgressTask
from dfbench.training.weights_file import BEST, LAST
from dfbench.types import World
from dfbench.untrusted import require_regular

Precision = Literal["64", "32", "bf16", "fp16"]
VALIDATION = "val_"  # begins the names of values that come from validation
LOG = "log.csv"
_Shown = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FitPlan:
    """States how long, where and in how many processes to train.

    A training has `rounds` of `steps` optimiser steps each, and validates after every `validate_every` rounds and after the
    last. `monitor` is the name under which the module logs its validation score; it begins with `val_`, and higher is better.
    Training ends early after `patience` validations without improvement (0: never). `shown` names logged values to show beside
    the progress bar, and `samples` is the number of samples in a step, for the rate. `world` is the process group; each
    process has one device. Raises PluginError if `monitor` does not begin with `val_`.
    """

    rounds: int
    steps: int
    validate_every: int
    monitor: str
    device: str
    precision: Precision = "32"
    patience: int = 0
    shown: _Shown = ("loss",)
    samples: int = 1
    world: World = field(default_factory=World)

    def __post_init__(self) -> None:
        if not self.monitor.startswith(VALIDATION):
            # Only such values are dropped from rounds without validation; another would count again as a new score.
            raise PluginError(
                f"a training is judged by {self.monitor!r}, whose name does not begin with {VALIDATION!r}",
                hints=(f"log the validation score as '{VALIDATION}{self.monitor}'",),
            )


class AtomicCheckpoints(TorchCheckpointIO):
    """Writes checkpoints so that they appear whole or not at all, and reads them without running code in them."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None
    ) -> None:
        """Write a checkpoint under a temporary name, then rename it."""
        del storage_options
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        write_atomic(Path(path), buffer.getvalue())

    def load_checkpoint(
        self, path: Any, map_location: Callable[..., Any] | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Return the content of a checkpoint, without running code in it."""
        del map_location, weights_only
        return read_checkpoint(Path(path))


class Bar(pl.Callback):
    """Moves the progress bar, with the latest losses and the samples per second beside it."""

    def __init__(self, task: ProgressTask, plan: FitPlan) -> None:
        self._task, self._plan = task, plan
        self._since = time.monotonic()

    def on_train_epoch_start(self, *args: object) -> None:
        """Restart the measurement of the rate, which excludes validation and checkpoints."""
        del args
        self._since = time.monotonic()

    def on_train_batch_end(self, trainer: pl.Trainer, *args: object) -> None:
        """Move the bar by a step."""
        del args
        now = time.monotonic()
        rate = self._plan.samples / max(1e-9, now - self._since)
        self._since = now
        values = trainer.callback_metrics
        parts = [f"{name} {_number(values, name):.3g}" for name in self._plan.shown]
        score = _number(values, self._plan.monitor)
        if not math.isnan(score):
            parts.append(f"{self._plan.monitor} {score:.3f}")
        self._task.advance(1, " ".join([*parts, f"{rate:.0f} samples/s"]))


class Record(pl.Callback):
    """Writes, after every round, the log row, the best weights if improved, and the checkpoint, then calls `on_round`.

    If the training is interrupted between two of these, the next call repeats the missing ones with the same outcome. With
    several ranks, all decide the same, and rank 0 writes.
    """

    def __init__(self, folder: Path, plan: FitPlan, on_round: OnRound = nobody) -> None:
        self._folder, self._plan, self._on_round = folder, plan, on_round
        self.best, self.best_step = -math.inf, 0
        self.resumed_at: list[int] = []
        self.ended = False  # before its last round, for want of gains
        self._rows: list[dict[str, float]] = []
        self._before = 0.0
        self._started = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        """Return the state from which `load_state_dict` continues."""
        return {
            "best": self.best,
            "best_step": self.best_step,
            "ended": self.ended,
            "resumed_at": self.resumed_at,
            "rows": self._rows,
            "seconds": self._seconds(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from `state_dict`."""
        self.best, self.best_step = state_dict["best"], state_dict["best_step"]
        self._rows, self._before = state_dict["rows"], state_dict["seconds"]
        self.ended = state_dict["ended"]
        self.resumed_at = [*state_dict["resumed_at"], len(self._rows) * self._plan.steps]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """End a training that had already ended."""
        del pl_module
        trainer.should_stop = self.ended

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Ask for validation after the last round."""
        del pl_module
        if trainer.current_epoch + 1 == self._plan.rounds:
            trainer.check_val_every_n_epoch = 1  # the last weights are validated whatever the interval

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the results of the round."""
        del pl_module
        finished = trainer.current_epoch + 1
        step = finished * self._plan.steps
        # Lightning lists a value that is logged by step and by epoch thrice; the plain name is the epoch's mean.
        values = {
            name: float(value)
            for name, value in trainer.callback_metrics.items()
            if not name.endswith(("_step", "_epoch"))
        }
        broken = sorted(n for n, v in values.items() if not (math.isfinite(v) or n.startswith(VALIDATION)))
        if broken:
            raise RunError(
                f"training diverged before step {step}: {', '.join(broken)} is not a number",
                hints=("lower the learning rate, for example: --set lr=1e-4",),
            )
        validated = finished % self._plan.validate_every == 0 or finished == self._plan.rounds
        if not validated:
            # Lightning repeats the last ones.
            values = {name: value for name, value in values.items() if not name.startswith(VALIDATION)}
        elif self._plan.monitor not in values:
            raise PluginError(
                f"a training goes by {self._plan.monitor!r}, which the module does not log when it validates",
                hints=(f"it logs: {', '.join(sorted(values))}",),
            )
        self._rows.append({"round": finished, "step": step, "seconds": round(self._seconds(), 1), **values})
        score = values.get(self._plan.monitor, -math.inf)
        if math.isnan(score):
            raise RunError(f"the validation score {self._plan.monitor} at step {step} is not a number")
        if score > self.best:
            self.best, self.best_step = score, step
            trainer.save_checkpoint(self._folder / BEST, weights_only=True)
        elif validated and self._plan.patience:
            gainless = self._plan.patience * self._plan.validate_every * self._plan.steps
            self.ended = trainer.should_stop = step - self.best_step >= gainless
        if trainer.is_global_zero:
            write_atomic(self._folder / LOG, csv_of_rows(self._rows).encode())
        trainer.save_checkpoint(self._folder / LAST)
        if trainer.is_global_zero:
            self._on_round(step, values)

    def _seconds(self) -> float:
        return self._before + time.monotonic() - self._started


def write_atomic(path: Path, content: bytes) -> None:
    """Write `content` so that the file appears whole or not at all. Raises StoreError."""
    again = ("or choose another cache folder, then run the same command: it goes on",)
    write_whole(path, lambda partial: partial.write_bytes(content), hints=again)


def rounds_done(last: Path) -> int:
    """Return the number of rounds before the checkpoint, 0 if there is none. Raises StoreError if it is damaged."""
    if not last.is_file():
        return 0
    epoch = read_checkpoint(last).get("epoch")
    if not isinstance(epoch, int) or epoch < -1:
        raise StoreError(
            f"the checkpoint {last} is damaged: its epoch is {epoch!r}",
            hints=(f"delete the folder {last.parent} and train again",),
        )
    return epoch + 1


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Return the content of a checkpoint, on the CPU, without running code in it. Raises StoreError if it is damaged."""
    try:
        content = torch.load(require_regular(path), map_location="cpu", weights_only=True)
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
