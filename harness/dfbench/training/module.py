"""Implement the training step and the validation of any method, as Lightning calls them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import reduce
from itertools import pairwise
from operator import add
from typing import TYPE_CHECKING, Any

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from dfbench.metrics.point import auc
from dfbench.training.distributed import gather_values
from dfbench.training.loaders import ValidationBatch
from dfbench.training.muon import MuonAdamW
from dfbench.training.order import ClipOrder
from dfbench.training.randomness import drawing_from
from dfbench.training.samples import Batch
from dfbench.training.schedules import ramp_decay, warmup_cosine
from dfbench.training.scorer import normalise
from dfbench.training.sharpness import SharpnessAware, frozen_running_stats
from dfbench.types import World

if TYPE_CHECKING:
    from dfbench.training.method import Method
    from dfbench.training.recipe import Recipe

VIDEO_AUC, CLIP_ACCURACY = "val_auc", "val_accuracy"
Losses = dict[str, Tensor]


class MethodModule(pl.LightningModule):
    """Trains a network step by step, and validates it.

    It calls the optimiser itself, because a sharpness-aware step has two forward passes. A batch may be processed in parts
    (`accumulate`) and on several devices: in either pass, gradients are summed over the parts and averaged over the devices,
    so that all ranks take the same step.
    """

    def __init__(
        self,
        method: Method,
        net: nn.Module,
        *,
        recipe: Recipe,
        seed: int,
        order: ClipOrder,
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
        self.order = order
        self.recipe = recipe
        self._method, self._world, self._seed = method, world, seed
        # Behind a call, because Lightning would store a module that is an attribute a second time.
        trained = net if recipe.compile == "none" else torch.compile(net, backend=recipe.compile)
        self._trained: Callable[[], Any] = lambda: trained
        self._frozen: Callable[[], nn.Module | None] = lambda: (
            None if method.frozen is None else method.frozen(net)
        )
        self._logged: Losses = {}
        self._train, self._validation = train, validation
        self._logits: dict[tuple[int, int], list[float]] = defaultdict(list)

    def train_dataloader(self) -> DataLoader[Batch]:
        """Return the loader of training clips, which begins at the current round."""
        # Counted in steps: when Lightning goes on from a checkpoint, it asks for the data before it counts the epoch
        # that the checkpoint ended, and data workers fetch at once.
        self.order.set_epoch(self.trainer.global_step // self.order.steps)
        return self._train

    def val_dataloader(self) -> DataLoader[ValidationBatch]:
        """Return the loader of validation clips."""
        return self._validation

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimiser of the recipe, with all parameters in one group; Muon has the matrices in a group of their own."""
        recipe, betas = self.recipe, (self.recipe.beta1, self.recipe.beta2)
        given: dict[str, Any] = {"lr": recipe.lr, "weight_decay": recipe.weight_decay}
        if recipe.update_rule == "muon":
            return MuonAdamW(self.net, betas=betas, **given)
        if recipe.update_rule == "sgd":
            return torch.optim.SGD(self.net.parameters(), momentum=recipe.momentum, **given)
        kind = torch.optim.Adam if recipe.update_rule == "adam" else torch.optim.AdamW
        return kind(self.net.parameters(), betas=betas, **given)

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """Take one optimiser step."""
        recipe = self.recipe
        step = self.current_epoch * self.order.steps + batch_idx
        optimizer = self.optimizers()
        assert isinstance(optimizer, pl.core.optimizer.LightningOptimizer)
        for group in optimizer.param_groups:
            group["lr"] = self.learning_rate(step)

        optimizer.zero_grad()
        rank = [self._world.rank] if self._world.rank else []
        with self._held_still(step), drawing_from(self._seed, step, *rank, device=self.device):
            losses = self._pass(batch)
            if recipe.sharpness_aware:
                self._pass_aside(batch)
        optimizer.step()
        if self.average is not None:
            self.average.update_parameters(self.net)
        self._log_losses(losses, len(batch.clips), step)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Clip the gradient; the scale of fp16 is already removed."""
        del optimizer
        if self.recipe.clip_norm:
            nn.utils.clip_grad_norm_(self.net.parameters(), self.recipe.clip_norm)

    def losses(self, clips: Tensor, batch: Batch) -> Losses:
        """Return the named terms of the loss of a batch; `clips` (B, 3, T, S, S) are its clips, normalised."""
        if self._method.loss is not None:
            return dict(self._method.loss(self._trained(), clips, batch, self.recipe))
        logits = self._method.logit(self._trained(), clips)
        logits = logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
        return {"classes": F.binary_cross_entropy_with_logits(logits, batch.labels.to(logits.dtype))}

    def _pass(self, batch: Batch) -> Losses:
        """Run the forward and backward pass over the batch, part by part, and return the mean losses, detached."""
        parts = _parts(batch, self.recipe.accumulate)
        terms: list[Losses] = []
        for number, part in enumerate(parts, 1):
            share = len(part.clips) / len(batch.clips)
            last = number == len(parts)
            with nullcontext() if last else self._without_exchange():
                losses = self.losses(self._normalised(part.clips), part)
                total = _total(losses)
                self.manual_backward(total if share == 1 else total * share)
            terms.append({name: term.detach() * share for name, term in losses.items()})
        return {name: torch.stack([term[name] for term in terms]).sum() for name in terms[0]}

    def _pass_aside(self, batch: Batch) -> None:
        """Run the second pass of a sharpness-aware step, whose gradient replaces that of the first.

        If fp16 overflowed in the first pass, there is no direction for the second; the scaler skips this step.
        """
        sam = SharpnessAware(self.net.parameters(), rho=self.recipe.sam_rho)
        if self.recipe.precision == "fp16" and not sam.finite():
            return
        sam.step_aside()
        once = self.recipe.sam_running_stats == "once"
        with frozen_running_stats(self.net) if once else nullcontext():
            self._pass(batch)
        sam.step_back()

    def _held_still(self, step: int) -> AbstractContextManager[None]:
        """Freeze the frozen part, including its running statistics, during the first epochs."""
        frozen = self._frozen()
        if frozen is None:
            return nullcontext()
        trained = self._epoch(step) >= self.recipe.frozen_epochs
        frozen.requires_grad_(trained)
        return nullcontext() if trained else frozen_running_stats(frozen)

    def _without_exchange(self) -> AbstractContextManager[None]:
        strategy = self.trainer.strategy
        return strategy.block_backward_sync() if isinstance(strategy, DDPStrategy) else nullcontext()

    def validation_step(self, batch: ValidationBatch, batch_idx: int) -> None:
        """Collect the logits of a batch."""
        del batch_idx
        if not len(batch.label):
            return
        net = self.net if self.average is None else self.average.module
        logits = self._method.logit(net, self._normalised(batch.clips)).float().cpu().tolist()
        for logit, label, video in zip(logits, batch.label.tolist(), batch.video.tolist(), strict=True):
            self._logits[(label, video)].append(logit)

    def on_validation_epoch_end(self) -> None:
        """Log the video AUC and the clip accuracy.

        The score of a video is the mean logit of its clips; its pseudo-fake counts as another video.
        """
        logits = gather_values(self._logits)
        self._logits.clear()
        scores = np.array([np.mean(ones) for ones in logits.values()])
        labels = np.array([label for label, _ in logits], dtype=np.int8)
        right = [(one >= 0) == (label == 1) for (label, _), ones in logits.items() for one in ones]
        # A score that is no number ends the training, with the loss if that is none either.
        self.log(VIDEO_AUC, auc(scores, labels) if np.isfinite(scores).all() else math.nan)
        self.log(CLIP_ACCURACY, float(np.mean(right)))

    def _normalised(self, clips: Tensor) -> Tensor:
        dtype = next(self.net.parameters()).dtype
        return normalise(clips, dtype=dtype, mean=self.recipe.mean, std=self.recipe.std)

    def _epoch(self, step: int) -> int:
        return step // (self.order.steps * self.order.rounds_per_epoch)

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of a step, by the schedule of the recipe."""
        recipe = self.recipe
        if recipe.schedule == "constant":
            return recipe.lr
        if recipe.schedule == "warmup_cosine":
            steps = recipe.epochs * self.order.rounds_per_epoch * self.order.steps
            return warmup_cosine(step, peak=recipe.lr, warmup=recipe.warmup_steps, steps=steps)
        return ramp_decay(
            self._epoch(step),
            base=recipe.lr,
            boost=recipe.lr_boost,
            epochs=recipe.epochs,
            start_decay=recipe.start_decay,
        )

    def _log_losses(self, losses: Losses, count: int, step: int) -> None:
        total = _total(losses)
        values: Losses = {"loss": total, **losses}
        if self.recipe.precision == "fp16" and not bool(total.isfinite()):
            # The step is skipped; it must not make the round's mean no number.
            values = self._logged or values
        self._logged = values
        several = self._world.size > 1
        self.log_dict(values, on_step=True, on_epoch=True, batch_size=count, sync_dist=several)
        self.log("lr", self.learning_rate(step), batch_size=count)


def _total(losses: Mapping[str, Tensor]) -> Tensor:
    return reduce(add, losses.values())


def _parts(batch: Batch, count: int) -> list[Batch]:
    """Return the batch in at most `count` parts of whole samples."""
    ends = np.linspace(0, batch.samples, min(count, batch.samples) + 1).round().astype(int)
    return [batch.part(int(first), int(after)) for first, after in pairwise(ends)]
