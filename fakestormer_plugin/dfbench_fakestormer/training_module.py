"""FakeSTormer's training step and validation, as Lightning calls them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import pairwise
from typing import Any, cast

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from dfbench import World, gathered
from dfbench.metrics.point import auc
from dfbench.training.muon import MuonAdamW
from dfbench.training.schedules import ramp_decay, warmup_cosine
from dfbench.training.sharpness import SharpnessAware, frozen_running_stats
from dfbench_fakestormer.clipdata import Batch, ClipStream, ValidationBatch
from dfbench_fakestormer.detector import normalise
from dfbench_fakestormer.heap import close_gaps
from dfbench_fakestormer.losses import Losses, LossWeights, Targets, combined_loss
from dfbench_fakestormer.model import FakeSTormerNet, Output
from dfbench_fakestormer.recipe import Recipe

VIDEO_AUC, CLIP_ACCURACY = "val_auc", "val_accuracy"


class TrainingModule(pl.LightningModule):
    """One optimiser step a batch, by hand, because a sharpness-aware step has two forward passes.

    A step's batch may be taken in parts, one after the other (`accumulate`), and lie on several devices: gradients are
    summed over the parts and averaged over the devices in either pass, so that all step aside the same way.
    """

    def __init__(
        self,
        net: FakeSTormerNet,
        *,
        recipe: Recipe,
        seed: int,
        stream: ClipStream,
        train: DataLoader[Batch],
        validation: DataLoader[ValidationBatch],
        world: World = World(),  # noqa: B008 - frozen
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.net = net
        self.average: AveragedModel | None = None
        if recipe.ema_decay:
            # The moving average of the weights is what is validated and kept; the running statistics are averaged too.
            average = get_ema_multi_avg_fn(recipe.ema_decay)  # type: ignore[no-untyped-call]
            self.average = AveragedModel(net, multi_avg_fn=average, use_buffers=True).requires_grad_(False)
        self.stream = stream
        self._world = world
        # No module itself, because Lightning would store one that is an attribute a second time.
        self._forward: Callable[[Tensor], Output] = net.__call__
        if recipe.compile == "none":
            close_gaps(net)
        else:
            compiled = torch.compile(net, backend=recipe.compile)
            self._forward = lambda clips: compiled(clips)  # noqa: PLW0108 - compiled is a module
        self._logged: dict[str, Tensor] = {}
        self._resumed = False
        self._recipe, self._seed = recipe, seed
        self._train, self._validation = train, validation
        self._weights = LossWeights(
            recipe.heatmap_weight, recipe.class_weight, recipe.temporal_weight, recipe.temperature
        )
        self._logits: dict[tuple[int, int], list[float]] = defaultdict(list)

    def train_dataloader(self) -> DataLoader[Batch]:
        """Training clips; begins at the round that training is in."""
        # Counted in steps: when Lightning goes on from a checkpoint, it asks for the data before it counts the epoch
        # that the checkpoint ended, and data workers fetch at once.
        self.stream.set_epoch(self.trainer.global_step // self.stream.steps)
        return self._train

    def val_dataloader(self) -> DataLoader[ValidationBatch]:
        """Validation clips."""
        return self._validation

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam with coupled weight decay, as released, or AdamW, all parameters in one group; or Muon beside AdamW."""
        recipe = self._recipe
        betas = (recipe.beta1, recipe.beta2)
        if recipe.optimizer == "muon":
            return MuonAdamW(self.net, lr=recipe.lr, betas=betas, weight_decay=recipe.weight_decay)
        kind = torch.optim.Adam if recipe.optimizer == "sam_adam" else torch.optim.AdamW
        return kind(self.net.parameters(), lr=recipe.lr, betas=betas, weight_decay=recipe.weight_decay)

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """One step."""
        recipe = self._recipe
        step = self.current_epoch * self.stream.steps + batch_idx
        optimizer = self.optimizers()
        assert isinstance(optimizer, pl.core.optimizer.LightningOptimizer)
        for group in optimizer.param_groups:
            group["lr"] = self._learning_rate(step)
        trained = self._epoch(step) >= recipe.frozen_epochs
        self.net.backbone.requires_grad_(trained)
        still = nullcontext() if trained else frozen_running_stats(self.net.backbone)

        optimizer.zero_grad()
        with still, _drawing_from(self._seed, step, self._world.rank, self.device):
            losses = self._pass(batch)
            if recipe.optimizer == "sam_adam":
                self._pass_aside(batch)
        optimizer.step()
        if self.average is not None:
            self.average.update_parameters(self.net)
        self._log_losses(losses, len(batch.clips), step)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Shorten the gradient; by now fp16's scale is out of it."""
        del optimizer
        if self._recipe.clip_norm:
            nn.utils.clip_grad_norm_(self.net.parameters(), self._recipe.clip_norm)

    def _pass(self, batch: Batch) -> Losses:
        """Forward and backward over the batch, part by part; the mean losses, without a graph."""
        parts = _parts(batch, self._recipe.accumulate)
        terms: list[Losses] = []
        for number, part in enumerate(parts, 1):
            share = len(part.clips) / len(batch.clips)
            last = number == len(parts)
            with nullcontext() if last else self._without_exchange():
                targets = Targets(part.label, part.frame_labels, part.heatmap, part.keep)
                losses = combined_loss(self._forward(self._normalised(part.clips)), targets, self._weights)
                self.manual_backward(losses.total if share == 1 else losses.total * share)
            terms.append(Losses(*(term.detach() * share for term in losses)))
        return Losses(*(torch.stack(one).sum() for one in zip(*terms, strict=True)))

    def _pass_aside(self, batch: Batch) -> None:
        """The second pass of a sharpness-aware step: its gradient replaces that of the first.

        Where fp16 overflowed in the first, there is no direction to step in; the scaler skips this step.
        """
        sam = SharpnessAware(self.net.parameters(), rho=self._recipe.sam_rho)
        if self._recipe.precision == "fp16" and not sam.finite():
            return
        sam.step_aside()
        once = self._recipe.sam_running_stats == "once"
        with frozen_running_stats(self.net) if once else nullcontext():
            self._pass(batch)
        sam.step_back()

    def _without_exchange(self) -> AbstractContextManager[None]:
        strategy = self.trainer.strategy
        return strategy.block_backward_sync() if isinstance(strategy, DDPStrategy) else nullcontext()

    def validation_step(self, batch: ValidationBatch, batch_idx: int) -> None:
        """Collect logits."""
        del batch_idx
        if not len(batch.label):
            return
        net = self.net if self.average is None else cast("FakeSTormerNet", self.average.module)
        logits = net.logit(self._normalised(batch.clips)).float().cpu().tolist()
        for logit, label, video in zip(logits, batch.label.tolist(), batch.video.tolist(), strict=True):
            self._logits[(label, video)].append(logit)

    def on_validation_epoch_end(self) -> None:
        """Video AUC: the mean logit of a video's clips, its pseudo-fake counted as another video; clip accuracy."""
        logits = gathered(self._logits)
        self._logits.clear()
        scores = np.array([np.mean(ones) for ones in logits.values()])
        labels = np.array([label for label, _ in logits], dtype=np.int8)
        right = [(one >= 0) == (label == 1) for (label, _), ones in logits.items() for one in ones]
        self.log(VIDEO_AUC, auc(scores, labels))
        self.log(CLIP_ACCURACY, float(np.mean(right)))

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """With `resume = "released"`, forget what the released code forgets."""
        if self._recipe.resume == "released":
            checkpoint["optimizer_states"] = []
            self._resumed = True

    def _normalised(self, clips: Tensor) -> Tensor:
        return normalise(clips, dtype=next(self.net.parameters()).dtype)

    def _epoch(self, step: int) -> int:
        return step // (self.stream.steps * self.stream.rounds_per_epoch)

    def _learning_rate(self, step: int) -> float:
        recipe = self._recipe
        if self._resumed:
            return recipe.lr  # the schedule no longer reaches the optimiser
        if recipe.schedule == "warmup_cosine":
            steps = recipe.epochs * self.stream.rounds_per_epoch * self.stream.steps
            return warmup_cosine(step, peak=recipe.lr, warmup=recipe.warmup_steps, steps=steps)
        return ramp_decay(
            self._epoch(step),
            base=recipe.lr,
            boost=recipe.lr_boost,
            epochs=recipe.epochs,
            start_decay=recipe.start_decay,
        )

    def _log_losses(self, losses: Losses, count: int, step: int) -> None:
        values: dict[str, Tensor] = {"loss": losses.total, **losses._asdict()}
        if self._recipe.precision == "fp16" and not bool(losses.total.isfinite()):
            values = (
                self._logged or values
            )  # the step is skipped; it must not make the round's mean no number
        self._logged = values
        several = self._world.size > 1
        self.log_dict(values, on_step=True, on_epoch=True, batch_size=count, sync_dist=several)
        self.log("lr", self._learning_rate(step), batch_size=count)


def _parts(batch: Batch, count: int) -> list[Batch]:
    """The batch in at most `count` parts, each of whole samples: a real clip and its fake."""
    samples = len(batch.clips) // 2
    ends = np.linspace(0, samples, min(count, samples) + 1).round().astype(int)
    return [Batch(*(values[2 * a : 2 * b] for values in batch)) for a, b in pairwise(ends)]


@contextmanager
def _drawing_from(seed: int, step: int, rank: int, device: torch.device) -> Iterator[None]:
    """Dropout draws from a generator that depends on step and rank alone; the process's own is left as it was."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        place = [seed, step, rank] if rank else [seed, step]
        torch.manual_seed(int(np.random.SeedSequence(place).generate_state(1, np.uint64)[0] >> 1))
        yield
