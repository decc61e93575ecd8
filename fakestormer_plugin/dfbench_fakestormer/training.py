"""Training FakeSTormer: real videos in, weights out; every fake is synthesised on the way."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from dfbench import FaceFile, FrameChoice, RunError, Synthesizer, TrainingNeeds, TrainingRequest
from dfbench.metrics.point import auc
from dfbench.runs.training import BEST, LAST, FitPlan, fit_module, resolve_device
from dfbench_fakestormer.checkpoints import Header, network_config, trained_on, write_weights
from dfbench_fakestormer.clipdata import (
    Batch,
    ClipStream,
    Library,
    TrainingClips,
    ValidationBatch,
    ValidationClips,
    frame_indices,
    join,
    join_validation,
    start_worker,
    successive_starts,
)
from dfbench_fakestormer.detector import normalise
from dfbench_fakestormer.losses import Losses, LossWeights, Targets, combined_loss
from dfbench_fakestormer.model import FakeSTormerNet
from dfbench_fakestormer.recipe import Recipe, load_recipe
from dfbench_fakestormer.sam import SharpnessAware, frozen_running_stats
from dfbench_fakestormer.schedule import ramp_decay, warmup_cosine

if TYPE_CHECKING:
    from numpy.typing import NDArray

WEIGHTS = "weights.safetensors"
VALIDATION_SCORE = "val_auc"


def make_trainer(recipe: str, overrides: Mapping[str, str]) -> FakeSTormerTrainer:
    """A trainer by a recipe of this package, with fields overridden. Raises UsageError for what does not fit."""
    return FakeSTormerTrainer(load_recipe(recipe, overrides))


class FakeSTormerTrainer:
    """Trains by one recipe."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe

    def recipe(self) -> Mapping[str, Any]:
        """The resolved recipe, JSON-ready."""
        return self._recipe.model_dump(mode="json")

    def needs(self) -> TrainingNeeds:
        """Real videos with landmarks: the first frames for training, runs of successive frames for validation."""
        prepare = self._recipe.prepare()
        runs = FrameChoice("runs", self._recipe.validation_clips, self._recipe.frames)
        return TrainingNeeds(
            prepare=prepare,
            prepare_validation=replace(prepare, frames=runs, detect_every=1),
            labels=frozenset({0}),
            synthesizer=self._recipe.synthesizer,
        )

    def fit(self, request: TrainingRequest) -> Path:
        """Train, or go on, or return what is finished; the weights are those of the best validation video AUC.

        Raises RunError if there is nothing to train or validate on, StoreError if the folder cannot be written.
        """
        weights = request.folder / WEIGHTS
        if weights.is_file():
            return weights
        if request.synthesizer is None:
            raise RunError(
                f"training fakestormer needs the synthesizer '{self._recipe.synthesizer}', and got none"
            )
        module = self._module(request, request.synthesizer)
        stream = module.stream
        plan = FitPlan(
            rounds=self._recipe.epochs * stream.rounds_per_epoch,
            steps=stream.steps,
            validate_every=min(self._recipe.validate_every, self._recipe.epochs) * stream.rounds_per_epoch,
            monitor=VALIDATION_SCORE,
            device=request.device,
            precision=self._recipe.precision,
            shown=("loss",),
            samples=stream.batch,
        )
        title = f"train fakestormer ({self._recipe.name})"
        try:
            with _compute_threads(request):
                result = fit_module(
                    module, folder=request.folder, plan=plan, progress=request.progress, title=title
                )
        except torch.OutOfMemoryError as error:
            raise RunError(
                f"training ran out of memory on {request.device} with batch {stream.batch}",
                hints=_smaller(self._recipe, stream.batch),
            ) from error
        used = [
            (file.video.dataset, file.video.compression) for file in (*request.train, *request.validation)
        ]
        datasets, compression = trained_on(used)
        outcome = {"validation_video_auc": result.score, "step": result.step, "seed": request.seed}
        header = Header(self._recipe, datasets, compression, {**request.provenance, "training": outcome})
        prefix = "average.module." if self._recipe.ema_decay else "net."
        net_state = {
            key.removeprefix(prefix): value for key, value in result.state.items() if key.startswith(prefix)
        }
        write_weights(weights, net_state, header)
        for leftover in (LAST, BEST):
            (request.folder / leftover).unlink(missing_ok=True)
        return weights

    def _module(self, request: TrainingRequest, synthesizer: Synthesizer) -> TrainingModule:
        recipe, seed = self._recipe, request.seed
        shortest = recipe.frames + (recipe.frames - 1) * (recipe.train_stride - 1) + ClipStream.MOST_OFFSET
        train, tracks = _long_enough(request.train, shortest, "training", request)
        held_out, held_out_tracks = _long_enough(request.validation, recipe.frames, "validation", request)
        stream = ClipStream(tracks, recipe=recipe, seed=seed)
        if not stream.steps:
            raise RunError("the training videos hold no clip of successive frames with a face")
        clips = [
            (video, list(range(start, start + recipe.frames)))
            for video, track in enumerate(held_out_tracks)
            for start in successive_starts(track, length=recipe.frames)
        ]
        workers: dict[str, Any] = {
            "num_workers": _loader_workers(request),
            "persistent_workers": _loader_workers(request) > 0,
            "worker_init_fn": start_worker,
        }
        return TrainingModule(
            FakeSTormerNet(network_config(recipe), seed=seed),
            recipe=recipe,
            seed=seed,
            stream=stream,
            train=DataLoader(
                TrainingClips(
                    Library([f.path for f in train]),
                    tracks,
                    recipe=recipe,
                    synthesizer=synthesizer,
                    seed=seed,
                ),
                batch_size=stream.batch,
                sampler=stream,
                collate_fn=join,
                **workers,
            ),
            validation=DataLoader(
                ValidationClips(
                    Library([f.path for f in held_out]),
                    clips,
                    recipe=recipe,
                    synthesizer=synthesizer,
                    seed=seed,
                ),
                batch_size=max(1, recipe.batch // 2),
                collate_fn=join_validation,
                **workers,
            ),
        )


class TrainingModule(pl.LightningModule):
    """One optimiser step a batch, by hand, because a sharpness-aware step has two forward passes."""

    def __init__(
        self,
        net: FakeSTormerNet,
        *,
        recipe: Recipe,
        seed: int,
        stream: ClipStream,
        train: DataLoader[Batch],
        validation: DataLoader[ValidationBatch],
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.net = net
        self.average: AveragedModel | None = None
        if recipe.ema_decay:
            # The moving average of the weights is what is validated and kept; the running statistics are averaged too.
            average = get_ema_multi_avg_fn(recipe.ema_decay)  # type: ignore[no-untyped-call]
            self.average = AveragedModel(net, multi_avg_fn=average, use_buffers=True)
        self.stream = stream
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
        """Adam with coupled weight decay, as released, or AdamW; all parameters in one group."""
        recipe = self._recipe
        kind = torch.optim.Adam if recipe.optimizer == "sam_adam" else torch.optim.AdamW
        betas = (recipe.beta1, recipe.beta2)
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
        clips = normalise(batch.clips)
        targets = Targets(batch.label, batch.frame_labels, batch.heatmap, batch.keep)

        optimizer.zero_grad()
        with still, _drawing_from(self._seed, step, self.device):
            losses = combined_loss(self.net(clips), targets, self._weights)
            self.manual_backward(losses.total)
            if recipe.optimizer == "sam_adam":
                sam = SharpnessAware(self.net.parameters(), rho=recipe.sam_rho)
                sam.step_aside()
                quiet = (
                    frozen_running_stats(self.net) if recipe.sam_running_stats == "once" else nullcontext()
                )
                with quiet:
                    self.manual_backward(combined_loss(self.net(clips), targets, self._weights).total)
                sam.step_back()
        if recipe.clip_norm:
            nn.utils.clip_grad_norm_(self.net.parameters(), recipe.clip_norm)
        optimizer.step()
        if self.average is not None:
            self.average.update_parameters(self.net)
        self._log_losses(losses, len(batch.clips), step)

    def validation_step(self, batch: ValidationBatch, batch_idx: int) -> None:
        """Collect logits."""
        del batch_idx
        if not len(batch.label):
            return
        net = self.net if self.average is None else cast("FakeSTormerNet", self.average.module)
        logits = net.logit(normalise(batch.clips)).float().cpu().tolist()
        for logit, label, video in zip(logits, batch.label.tolist(), batch.video.tolist(), strict=True):
            self._logits[(label, video)].append(logit)

    def on_validation_epoch_end(self) -> None:
        """Video AUC: the mean logit of a video's clips, its pseudo-fake counted as another video."""
        scores = np.array([np.mean(logits) for logits in self._logits.values()])
        labels = np.array([label for label, _ in self._logits], dtype=np.int8)
        self._logits.clear()
        self.log(VALIDATION_SCORE, auc(scores, labels))

    def _epoch(self, step: int) -> int:
        return step // (self.stream.steps * self.stream.rounds_per_epoch)

    def _learning_rate(self, step: int) -> float:
        recipe = self._recipe
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
        detached = {name: value.detach() for name, value in values.items()}
        self.log_dict(detached, on_step=True, on_epoch=True, batch_size=count)
        self.log("lr", self._learning_rate(step), batch_size=count)


def _smaller(recipe: Recipe, batch: int) -> tuple[str, ...]:
    """What needs less memory than a training that did not fit, nearest first."""
    hints = [f"the next smaller batch: --set batch={batch // 2}"] if batch > 1 else []
    if recipe.precision == "32":
        hints.append("activations of half the width: --set precision=bf16")
    if recipe.width > load_recipe("small").width:
        hints.append("a smaller network: --recipe small")
    return tuple(hints) or ("end what else uses the device",)


def _loader_workers(request: TrainingRequest) -> int:
    """Workers for the data; on the CPU at most half of the cores, because the network needs the others."""
    if resolve_device(request.device).type != "cpu":
        return request.workers
    return min(request.workers, max(1, (os.cpu_count() or 1) // 2))


@contextmanager
def _compute_threads(request: TrainingRequest) -> Iterator[None]:
    """On the CPU, threads beside the data workers: a core each where they sleep while they wait, as the command line
    asks of OpenMP; otherwise only the cores that no worker has, because threads that spin slow each other down."""
    before = torch.get_num_threads()
    if resolve_device(request.device).type == "cpu" and os.environ.get("OMP_WAIT_POLICY") != "passive":
        torch.set_num_threads(max(1, min(before, (os.cpu_count() or 1) - _loader_workers(request))))
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _drawing_from(seed: int, step: int, device: torch.device) -> Iterator[None]:
    """Dropout draws from a generator that depends on the step alone; the process's own is left as it was."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(int(np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0] >> 1))
        yield


def _long_enough(
    files: Sequence[FaceFile], least: int, role: str, request: TrainingRequest
) -> tuple[list[FaceFile], list[NDArray[np.int64]]]:
    """The videos with a clip of successive frames, and which frames they hold; the others are named."""
    kept, tracks, short = [], [], []
    for file in files:
        track = frame_indices(file.path)
        if successive_starts(track, length=least):
            kept.append(file)
            tracks.append(track)
        else:
            short.append(file.video.video_id)
    if short:
        request.progress.note(
            f"{len(short)} {role} videos are left out, with fewer than {least} successive frames with a face: "
            + ", ".join(short[:5])
            + (", ..." if len(short) > 5 else "")
        )
    if not kept:
        raise RunError(
            f"no {role} video has {least} successive frames with a face",
            hints=("look at what was prepared: dfbench data prepare --help",),
        )
    return kept, tracks
