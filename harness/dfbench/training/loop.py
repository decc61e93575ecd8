"""The training loop for any detector: Lightning, with our progress, our log, and checkpoints that survive `kill -9`.

A training is a fixed number of rounds, each a fixed number of steps. After every round the whole state is written to
`last.ckpt` under a temporary name and renamed; the same call with the same folder goes on from there. Resuming only
at round borders is what makes it exact: no half-read data loader has to be restored. The weights with the best
validation score are kept in `best.ckpt`, and `log.csv` has a row a round.

A module that is trained here draws its randomness from (seed, step) and not from the process's global generator,
and its data loaders deliver round r whatever came before; then interrupted plus resumed equals uninterrupted.
"""

from __future__ import annotations

import logging
import socket
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import lightning.pytorch as pl
import torch
from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.plugins.precision import DoublePrecision, MixedPrecision, Precision
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor

from dfbench.children import safe_children
from dfbench.errors import StoreError, UsageError
from dfbench.events import OnRound, nobody
from dfbench.files import remove_abandoned
from dfbench.interfaces import Progress
from dfbench.training.devices import resolve_device
from dfbench.training.distributed import cluster_environment, same_on_all_ranks, share_batch_norms
from dfbench.training.record import (
    AtomicCheckpoints,
    Bar,
    FitPlan,
    Record,
    read_checkpoint,
    rounds_done,
)
from dfbench.training.weights_file import BEST, LAST

TENSORBOARD = "tensorboard"
LOG_EVERY = 10  # steps, for TensorBoard; log.csv has a row a round


@dataclass(frozen=True, slots=True, eq=False)
class FitResult:
    """Holds the best weights of a training. Only rank 0 has `state`; it is empty on the other ranks.

    `score` is their validation score, `step` the step at which they were reached. `resumed_at` lists the steps at which an
    interrupted training continued.
    """

    state: Mapping[str, Tensor]
    score: float
    step: int
    resumed_at: tuple[int, ...] = ()


def fit_module(
    module: pl.LightningModule,
    *,
    folder: Path,
    plan: FitPlan,
    progress: Progress,
    title: str,
    on_round: OnRound = nobody,
) -> FitResult:
    """Train `module`, which has its own data loaders, and return the best weights; `folder` holds checkpoints and logs.

    An interrupted training continues from its last checkpoint in `folder`. All ranks of a `process_group` call this together:
    gradients are averaged over the ranks, batch norms use the batches of all ranks, and rank 0 writes the files and calls
    `on_round` after each round. Raises StoreError if the folder cannot be written or has a damaged checkpoint, RunError if the
    loss or the validation score is not finite, PluginError if the module does not log `plan.monitor`.
    """
    last = folder / LAST
    record = Record(folder, plan, on_round)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot make the training folder {folder}: {error.strerror}") from error
    if plan.world.first:
        remove_abandoned(folder)
    done = rounds_done(last)
    if not same_on_all_ranks(done):
        raise UsageError(
            f"the processes of this training see different checkpoints in {folder}",
            hints=("the cache must be on a disk that all machines share: set DFBENCH_CACHE",),
        )
    if done:
        progress.note(f"{title}: going on after step {done * plan.steps} of {plan.rounds * plan.steps}")
    if plan.world.size > 1:
        share_batch_norms(module)
    if plan.precision == "64":
        module.double()  # Lightning would do so after it has read a checkpoint, which single precision had rounded
    with _quiet_lightning(), progress.task(title, plan.rounds * plan.steps) as task:
        task.advance(done * plan.steps)
        trainer = pl.Trainer(
            **_devices(plan),
            max_epochs=plan.rounds,
            check_val_every_n_epoch=plan.validate_every,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            callbacks=[Bar(task, plan), record],
            logger=_Logger(folder, name=TENSORBOARD, version="", default_hp_metric=False),
            log_every_n_steps=min(LOG_EVERY, plan.steps),
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=folder,
        )
        try:
            with safe_children():  # of the loaders
                trainer.fit(module, ckpt_path=last if done else None, weights_only=True)
        except SystemExit:
            if trainer.interrupted:  # which Lightning makes of Ctrl-C
                raise KeyboardInterrupt from None
            raise
    state = read_checkpoint(folder / BEST)["state_dict"] if plan.world.first else {}
    return FitResult(state, record.best, record.best_step, tuple(record.resumed_at))


class _Logger(TensorBoardLogger):
    """Writes TensorBoard files without the name of this machine."""

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """Return the writer. It puts the result of `gethostname` into the name of its file, so that is replaced meanwhile."""
        with patch.object(socket, "gethostname", return_value="host"):
            return super().experiment


def _devices(plan: FitPlan) -> dict[str, Any]:
    """Return the arguments of Lightning for devices and precision."""
    device, world = resolve_device(plan.device), plan.world
    plugins: list[Any] = [AtomicCheckpoints(), _precision(plan, device)]
    chosen: dict[str, Any] = {"accelerator": device.type, "plugins": plugins}
    if world.size == 1:
        plugins.append(LightningEnvironment())  # whatever a scheduler's variables say
        return {**chosen, "devices": [device.index] if device.index is not None else 1}
    plugins.append(cluster_environment())
    return {
        **chosen,
        "devices": world.local,
        "num_nodes": world.size // world.local,
        # A frozen backbone and parameters that no loss reaches have no gradient.
        "strategy": DDPStrategy(find_unused_parameters=True),
    }


def _precision(plan: FitPlan, device: torch.device) -> Precision:
    # Handed over as an object, because Lightning turns a wish for fp16 on the CPU into bf16.
    if plan.precision == "32":
        return Precision()
    if plan.precision == "64":
        return DoublePrecision()
    return MixedPrecision("16-mixed" if plan.precision == "fp16" else "bf16-mixed", device.type)


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Silence Lightning's advice about choices that are made here on purpose."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)  # which devices exist, which callback was found, tips
    with warnings.catch_warnings():
        for expected in (
            ".*does not have many workers.*",  # the number of workers is the user's setting
            ".*GPU available but not used.*",  # so is the device
            ".*The `srun` command is available.*",  # a login node is a fine place to train the demo
            ".*isinstance.treespec, LeafSpec..*",  # Lightning against a newer torch
            ".*sync_dist=True.. when logging on epoch level.*",  # such values are gathered before they are logged
            ".*find_unused_parameters=True was specified.*",  # true of the epochs without frozen parts alone
        ):
            warnings.filterwarnings("ignore", message=expected)
        try:
            yield
        finally:
            logger.setLevel(level)
