"""Train any method: state what it needs, and turn prepared faces into weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from dfbench.errors import RunError
from dfbench.exchanged import FaceFile, Started, StartWeights, Trained, TrainingNeeds, TrainingRequest
from dfbench.training.loaders import (
    CACHE_BYTES,
    Library,
    TrainingClips,
    ValidationBatch,
    ValidationClips,
    compute_threads,
    data_workers,
    join_validation,
    start_worker,
)
from dfbench.training.loop import FitResult, fit_module
from dfbench.training.memory import out_of_memory, what_fits_next
from dfbench.training.module import CLIP_ACCURACY, VIDEO_AUC, MethodModule
from dfbench.training.order import ClipOrder, ValidationOrder
from dfbench.training.other_faces import maker_of
from dfbench.training.record import FitPlan
from dfbench.training.samples import Batch, SampleMaker, SamplesFactory, join
from dfbench.training.usable import UsableClips, UsableVideos, usable_training, usable_validation
from dfbench.types import ClipSpec

if TYPE_CHECKING:
    from dfbench.training.method import Method
    from dfbench.training.recipe import Recipe

MONITORS = {"video_auc": VIDEO_AUC, "clip_accuracy": CLIP_ACCURACY}


class MethodTrainer:
    """Trains a method by one recipe."""

    def __init__(self, method: Method, recipe: Recipe) -> None:
        self._method, self._recipe = method, recipe

    def recipe(self) -> Mapping[str, Any]:
        """Return the resolved recipe, JSON-ready."""
        return self._recipe.identity()

    def needs(self) -> TrainingNeeds:
        """Return what the harness must prepare."""
        return self._recipe.needs()

    def clips(self) -> ClipSpec:
        """Return the clips that weights trained by this recipe score."""
        return self._recipe.clips()

    def check_start(self, start: StartWeights) -> None:
        """Raise WeightsError or UsageError if a training by this recipe cannot start from `start`."""
        self._method.begin(self._method.network(self._recipe, seed=0), start)

    def require_start(self) -> None:
        """Raise WeightsError if a training by this recipe needs weights to start from."""
        if self._method.needs_start is not None:
            self._method.needs_start(self._recipe)

    def fit(self, request: TrainingRequest) -> Trained:
        """Train, or continue an interrupted training, and return the weights with the best validation score.

        Raises RunError if there is nothing to train or validate on, StoreError if the folder cannot be written, WeightsError
        if the weights to start from do not fit, or are required and missing.
        """
        method, recipe = self._method, self._recipe
        if recipe.makes_fakes and request.synthesizer is None:
            raise RunError(
                f"training {method.name} needs the synthesizer '{recipe.synthesizer}', and got none"
            )
        if request.start is None:
            self.require_start()
        net = method.network(recipe, seed=request.seed)
        started = method.begin(net, request.start) if request.start is not None else None
        if started is not None and started.says:
            request.progress.note(started.says)
        module = self._module(request, net)
        with self._told(request, module.order), compute_threads(request):
            result = fit_module(
                module,
                folder=request.folder,
                plan=self._plan(request, module.order),
                progress=request.progress,
                title=f"train {method.name} ({recipe.name})",
                on_round=request.on_round,
            )
        return self._trained(result, request, started)

    def _plan(self, request: TrainingRequest, order: ClipOrder) -> FitPlan:
        recipe = self._recipe
        return FitPlan(
            rounds=recipe.epochs * order.rounds_per_epoch,
            steps=order.steps,
            validate_every=min(recipe.validate_every, recipe.epochs) * order.rounds_per_epoch,
            monitor=MONITORS[recipe.best_by],
            device=request.device,
            precision=recipe.precision,
            patience=recipe.patience,
            shown=("loss", *self._method.terms),
            samples=order.batch * request.world.size,
            world=request.world,
        )

    @contextmanager
    def _told(self, request: TrainingRequest, order: ClipOrder) -> Iterator[None]:
        """Say what to do where torch has no memory left, or cannot compile the network."""
        recipe = self._recipe
        try:
            yield
        except torch._dynamo.exc.TorchDynamoException as error:
            raise RunError(
                f"torch.compile with backend '{recipe.compile}' failed: {error}",
                hints=(
                    "train without it: --set compile=none",
                    "inductor on the processor needs a C++ compiler",
                ),
            ) from error
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            parts = min(recipe.accumulate, order.batch)
            raise RunError(
                f"training ran out of memory on {request.device} with batch {order.batch} a device"
                f" in {parts} part(s)",
                hints=what_fits_next(recipe, order.batch, request.world),
            ) from error

    def _trained(self, result: FitResult, request: TrainingRequest, started: Started | None) -> Trained:
        recipe = self._recipe
        outcome: dict[str, Any] = {
            "best_by": recipe.best_by,
            f"validation_{recipe.best_by}": result.score,
            "validation_fakes": recipe.validation_fakes,
            "step": result.step,
            "seed": request.seed,
            "processes": request.world.size,
        }
        if result.resumed_at:
            outcome["resumed_at"] = list(result.resumed_at)
        prefix = "average.module." if recipe.ema_decay else "net."
        state = {
            key.removeprefix(prefix): value.float() if value.is_floating_point() else value
            for key, value in result.state.items()
            if key.startswith(prefix)
        }
        return Trained(state, outcome, started=started, family=self._method.name)

    def _module(self, request: TrainingRequest, net: nn.Module) -> MethodModule:
        method, recipe = self._method, self._recipe
        train, held_out = usable_training(request, recipe), usable_validation(request, recipe)
        labels = train.labels if recipe.fakes == "real" else []
        order = ClipOrder(train.tracks, recipe=recipe, seed=request.seed, world=request.world, labels=labels)
        if not order.steps:
            raise RunError("the training videos hold no clip of successive frames with a face")
        kind: type[MethodModule] = method.part("module")
        return kind(
            method,
            net,
            recipe=recipe,
            seed=request.seed,
            order=order,
            world=request.world,
            train=self._training_loader(request, train, order),
            validation=self._validation_loader(request, held_out),
        )

    def _training_loader(
        self, request: TrainingRequest, train: UsableVideos, order: ClipOrder
    ) -> DataLoader[Batch]:
        recipe = self._recipe
        library = _library(train.files, request)
        clips: type[TrainingClips] = self._method.part("clips")
        return DataLoader(
            clips(
                library,
                train.tracks,
                recipe=recipe,
                maker=self._maker(request, train.files, library, training=True),
                seed=request.seed,
                labels=train.labels if recipe.fakes == "real" else [],
            ),
            batch_size=order.batch,
            sampler=order,
            collate_fn=join,
            **_workers(request),
        )

    def _validation_loader(
        self, request: TrainingRequest, held_out: UsableClips
    ) -> DataLoader[ValidationBatch]:
        recipe = self._recipe
        library = _library(held_out.files, request)
        pseudo = recipe.validation_fakes == "pseudo"
        return DataLoader(
            ValidationClips(
                library,
                held_out.clips,
                recipe=recipe,
                maker=self._maker(request, held_out.files, library, training=False) if pseudo else None,
                seed=request.seed,
                labels=[int(file.video.label) for file in held_out.files],
            ),
            batch_size=max(1, recipe.batch // 2),
            sampler=ValidationOrder(len(held_out.clips), world=request.world),
            collate_fn=join_validation,
            **_workers(request),
        )

    def _maker(
        self, request: TrainingRequest, files: Sequence[FaceFile], library: Library, *, training: bool
    ) -> SampleMaker:
        samples: SamplesFactory = self._method.part("samples")
        return maker_of(samples, self._recipe, request.synthesizer, files, library, training=training)


def _library(files: Sequence[FaceFile], request: TrainingRequest) -> Library:
    # a machine's processes share its memory
    return Library([file.path for file in files], cache_bytes=CACHE_BYTES // request.world.local)


def _workers(request: TrainingRequest) -> dict[str, Any]:
    """Return the arguments of a loader for its data workers."""
    count = data_workers(request)
    return {"num_workers": count, "persistent_workers": count > 0, "worker_init_fn": start_worker}
