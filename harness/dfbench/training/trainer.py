"""Train any method: state what it needs, and turn prepared faces into weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

from dfbench.data.clips import clip_positions
from dfbench.data.store.face_files import read_track
from dfbench.errors import RunError, TooShortError
from dfbench.exchanged import FaceFile, Started, StartWeights, Trained, TrainingNeeds, TrainingRequest
from dfbench.training.loaders import (
    CACHE_BYTES,
    Library,
    TrainingClips,
    ValidationClips,
    compute_threads,
    data_workers,
    frame_indices,
    join_validation,
    start_worker,
)
from dfbench.training.loop import FitResult, fit_module
from dfbench.training.memory import out_of_memory, what_fits_next
from dfbench.training.module import CLIP_ACCURACY, VIDEO_AUC, MethodModule
from dfbench.training.order import ClipOrder, ValidationOrder, successive_starts
from dfbench.training.other_faces import maker_of
from dfbench.training.record import FitPlan
from dfbench.training.samples import SamplesFactory, join
from dfbench.types import ClipSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dfbench.training.method import Method
    from dfbench.training.recipe import Recipe

MONITORS = {"video_auc": VIDEO_AUC, "clip_accuracy": CLIP_ACCURACY}


@dataclass(frozen=True, slots=True, eq=False)
class _HeldOut:
    """Holds the validation videos, and their clips as (video, positions among its stored frames)."""

    files: Sequence[FaceFile]
    clips: Sequence[tuple[int, list[int]]]


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
        method, recipe, seed = self._method, self._recipe, request.seed

        successive = recipe.train_sampling == "successive"
        least = recipe.shortest_track()
        marked = self._with_landmarks(request.train, "training", request, recipe.fakes)
        train, tracks = _long_enough(marked, least, "training", request, successive=successive)
        labels = [int(file.video.label) for file in train] if recipe.fakes == "real" else []
        if labels and set(labels) != {0, 1}:
            raise RunError("training on real fakes needs real and fake videos, and only one kind is there")
        order = ClipOrder(tracks, recipe=recipe, seed=seed, world=request.world, labels=labels)
        if not order.steps:
            raise RunError("the training videos hold no clip of successive frames with a face")
        held_out = self._held_out(request)
        kept = CACHE_BYTES // request.world.local  # a machine's processes share its memory
        workers: dict[str, Any] = {
            "num_workers": data_workers(request),
            "persistent_workers": data_workers(request) > 0,
            "worker_init_fn": start_worker,
        }
        clips: type[TrainingClips] = method.part("clips")
        kind: type[MethodModule] = method.part("module")
        samples: SamplesFactory = method.part("samples")
        pseudo = recipe.validation_fakes == "pseudo"
        library = Library([file.path for file in train], cache_bytes=kept)
        held_out_library = Library([file.path for file in held_out.files], cache_bytes=kept)
        return kind(
            method,
            net,
            recipe=recipe,
            seed=seed,
            order=order,
            world=request.world,
            train=DataLoader(
                clips(
                    library,
                    tracks,
                    recipe=recipe,
                    maker=maker_of(samples, recipe, request.synthesizer, train, library, training=True),
                    seed=seed,
                    labels=labels,
                ),
                batch_size=order.batch,
                sampler=order,
                collate_fn=join,
                **workers,
            ),
            validation=DataLoader(
                ValidationClips(
                    held_out_library,
                    held_out.clips,
                    recipe=recipe,
                    maker=maker_of(
                        samples,
                        recipe,
                        request.synthesizer,
                        held_out.files,
                        held_out_library,
                        training=False,
                    )
                    if pseudo
                    else None,
                    seed=seed,
                    labels=[int(file.video.label) for file in held_out.files],
                ),
                batch_size=max(1, recipe.batch // 2),
                sampler=ValidationOrder(len(held_out.clips), world=request.world),
                collate_fn=join_validation,
                **workers,
            ),
        )

    def _with_landmarks(
        self, files: Sequence[FaceFile], role: str, request: TrainingRequest, fakes: str
    ) -> Sequence[FaceFile]:
        """Return the videos of which pseudo-fakes can be made: all that have landmarks; the others are named.

        Raises RunError if no video has any. Real `fakes` need none.
        """
        if fakes == "real":
            return files
        found: list[FaceFile] = []
        bare: list[FaceFile] = []
        for file in files:
            landmarks = read_track(file.path).track.landmarks
            (found if landmarks.size and np.isfinite(landmarks).any() else bare).append(file)
        if not found and files:
            raise RunError(
                f"no {role} video has landmarks, which the synthesizer '{self._recipe.synthesizer}' needs",
                hints=(
                    "prepare them with a face finder that finds five points of a face: DFBENCH_FACE_FINDER=mtcnn",
                    "or train on the fakes of the data set: --synthesizer none",
                ),
            )
        if bare:
            request.progress.note(f"{len(bare)} {role} videos are left out, without landmarks: {_some(bare)}")
        return found

    def _held_out(self, request: TrainingRequest) -> _HeldOut:
        recipe = self._recipe
        if recipe.validation_fakes == "pseudo":
            marked = self._with_landmarks(request.validation, "validation", request, recipe.validation_fakes)
            files, tracks = _long_enough(marked, recipe.frames, "validation", request, successive=True)
            return _HeldOut(
                files,
                [
                    (video, list(range(start, start + recipe.frames)))
                    for video, track in enumerate(tracks)
                    for start in successive_starts(track, length=recipe.frames)
                ],
            )
        kept: list[FaceFile] = []
        clips: list[tuple[int, list[int]]] = []
        for file in request.validation:
            try:
                positions = clip_positions(frame_indices(file.path), recipe.clips())
            except TooShortError as error:
                request.progress.note(f"validation video {file.video.video_id} is left out: {error.message}")
                continue
            clips += [(len(kept), clip.tolist()) for clip in positions]
            kept.append(file)
        if {int(file.video.label) for file in kept} != {0, 1}:
            raise RunError(
                "validation on real fakes needs real and fake videos, and only one kind is there",
                hints=("validate on pseudo-fakes instead: --set validation_fakes=pseudo",),
            )
        return _HeldOut(kept, clips)


def _long_enough(
    files: Sequence[FaceFile], least: int, role: str, request: TrainingRequest, *, successive: bool
) -> tuple[list[FaceFile], list[NDArray[np.int64]]]:
    """Return the videos with `least` successive frames, and which frames each holds; a note names the other videos.

    Stored frames that are spread over a video (not `successive`) count as successive.
    """
    kept, tracks, short = [], [], []
    for file in files:
        track = frame_indices(file.path)
        if successive_starts(track, length=least) if successive else len(track) >= least:
            kept.append(file)
            tracks.append(track)
        else:
            short.append(file)
    frames = "successive frames with a face" if successive else "frames with a face"
    if short:
        request.progress.note(
            f"{len(short)} {role} videos are left out, with fewer than {least} {frames}: {_some(short)}"
        )
    if not kept:
        raise RunError(
            f"no {role} video has {least} {frames}",
            hints=("look at what was prepared: dfbench data prepare --help",),
        )
    return kept, tracks


def _some(files: Sequence[FaceFile]) -> str:
    """Return the first five names of videos, for a message."""
    return ", ".join([*(file.video.video_id for file in files[:5]), *(["..."] if len(files) > 5 else [])])
