"""Training FakeSTormer: real videos in, weights out; every fake is synthesised on the way."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from dfbench import (
    ClipSpec,
    FaceFile,
    FrameChoice,
    PrepareSpec,
    RunError,
    Started,
    StartWeights,
    Synthesizer,
    TooShortError,
    TrainingNeeds,
    TrainingRequest,
    World,
)
from dfbench.cores import own_cores
from dfbench.data.clips import clip_positions
from dfbench.runs.records.provenance import file_sha256
from dfbench.training.devices import resolve_device
from dfbench.training.loop import FitResult, fit_module
from dfbench.training.memory import out_of_memory
from dfbench.training.record import FitPlan
from dfbench.training.weights_file import BEST, LAST, WEIGHTS
from dfbench_fakestormer.checkpoints import Header, network_config, trained_on, write_weights
from dfbench_fakestormer.clipdata import (
    ClipStream,
    Library,
    TrainingClips,
    ValidationClips,
    ValidationOrder,
    frame_indices,
    join,
    join_validation,
    start_worker,
    successive_starts,
)
from dfbench_fakestormer.losses import Losses
from dfbench_fakestormer.model import FakeSTormerNet
from dfbench_fakestormer.pretrained import start_from
from dfbench_fakestormer.recipe import Recipe, load_recipe
from dfbench_fakestormer.training_module import CLIP_ACCURACY, VIDEO_AUC, TrainingModule

if TYPE_CHECKING:
    from numpy.typing import NDArray

CACHE_BYTES = 1 << 30  # of decoded faces, in each data worker
MONITORS = {"video_auc": VIDEO_AUC, "clip_accuracy": CLIP_ACCURACY}


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
        """Real videos with landmarks: the first frames for training, runs of successive frames for validation.

        Validation on real fakes needs the videos of both labels, prepared as for scoring.
        """
        recipe = self._recipe
        prepare = recipe.prepare()
        needs = TrainingNeeds(
            prepare=prepare,
            prepare_validation=replace(
                prepare,
                frames=FrameChoice("runs", recipe.validation_clips, recipe.frames),
                detect_every=1,
            ),
            labels=frozenset({0}),
            synthesizer=recipe.synthesizer,
            synthesizer_options=recipe.options(),
        )
        if recipe.validation_fakes == "pseudo":
            return needs
        scored = PrepareSpec(recipe.clips().frame_choice())
        return replace(needs, prepare_validation=scored, validation_labels=frozenset({0, 1}))

    def clips(self) -> ClipSpec:
        """The clips that weights trained by this recipe score."""
        return self._recipe.clips()

    def check_start(self, start: StartWeights) -> None:
        """Raises WeightsError or UsageError if a training by this recipe cannot start from `start`."""
        start_from(FakeSTormerNet(network_config(self._recipe)), start)

    def fit(self, request: TrainingRequest) -> Path:
        """Train, or go on, or return what is finished; the weights are those of the best validation score.

        Raises RunError if there is nothing to train or validate on, StoreError if the folder cannot be written,
        WeightsError if the weights to start from do not fit.
        """
        weights = request.folder / WEIGHTS
        if weights.is_file():
            return weights
        if request.synthesizer is None:
            raise RunError(
                f"training fakestormer needs the synthesizer '{self._recipe.synthesizer}', and got none"
            )
        net = FakeSTormerNet(network_config(self._recipe), seed=request.seed)
        start = start_from(net, request.start) if request.start is not None else Started("")
        if start.says:
            request.progress.note(start.says)
        module = self._module(request, request.synthesizer, net)
        stream = module.stream
        plan = FitPlan(
            rounds=self._recipe.epochs * stream.rounds_per_epoch,
            steps=stream.steps,
            validate_every=min(self._recipe.validate_every, self._recipe.epochs) * stream.rounds_per_epoch,
            monitor=MONITORS[self._recipe.best_by],
            device=request.device,
            precision=self._recipe.precision,
            patience=self._recipe.patience,
            shown=("loss", *Losses._fields),
            samples=stream.batch * request.world.size,
            world=request.world,
        )
        title = f"train fakestormer ({self._recipe.name})"
        try:
            with _compute_threads(request):
                result = fit_module(
                    module, folder=request.folder, plan=plan, progress=request.progress, title=title
                )
        except torch._dynamo.exc.TorchDynamoException as error:
            raise RunError(
                f"torch.compile with backend '{self._recipe.compile}' failed: {error}",
                hints=(
                    "train without it: --set compile=none",
                    "inductor on the processor needs a C++ compiler",
                ),
            ) from error
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            parts = min(self._recipe.accumulate, stream.batch)
            raise RunError(
                f"training ran out of memory on {request.device} with batch {stream.batch} a device"
                f" in {parts} part(s)",
                hints=_smaller(self._recipe, stream.batch, request.world),
            ) from error
        if request.world.first:
            self._write(result, request, start)
        return weights

    def _write(self, result: FitResult, request: TrainingRequest, start: Started) -> None:
        recipe = self._recipe
        used = [
            (file.video.dataset, file.video.compression) for file in (*request.train, *request.validation)
        ]
        datasets, compression = trained_on(used)
        outcome: dict[str, Any] = {
            "best_by": recipe.best_by,
            f"validation_{recipe.best_by}": result.score,
            "validation_fakes": recipe.validation_fakes,
            "step": result.step,
            "seed": request.seed,
            "processes": request.world.size,
        }
        if recipe.resume == "released":
            outcome["resumed_at"] = list(result.resumed_at)
        provenance = {**request.provenance, "training": outcome}
        if request.start is not None:
            path = request.start.path
            corpora = None if start.corpora is None else sorted(start.corpora)
            provenance["start"] = {"file": path.name, "sha256": file_sha256(path), "corpora": corpora}
        header = Header(recipe, tuple(sorted({*datasets, *start.trained_on})), compression, provenance)
        prefix = "average.module." if recipe.ema_decay else "net."
        net_state = {
            key.removeprefix(prefix): value.float() if value.is_floating_point() else value
            for key, value in result.state.items()
            if key.startswith(prefix)
        }
        write_weights(request.folder / WEIGHTS, net_state, header)
        for leftover in (LAST, BEST):
            (request.folder / leftover).unlink(missing_ok=True)

    def _module(
        self, request: TrainingRequest, synthesizer: Synthesizer, net: FakeSTormerNet
    ) -> TrainingModule:
        recipe, seed = self._recipe, request.seed
        train, tracks = _long_enough(request.train, recipe.shortest_track(), "training", request)
        stream = ClipStream(tracks, recipe=recipe, seed=seed, world=request.world)
        if not stream.steps:
            raise RunError("the training videos hold no clip of successive frames with a face")
        held_out, clips = self._held_out(request)
        order = ValidationOrder(len(clips), world=request.world)
        kept = CACHE_BYTES // request.world.local  # a machine's processes share its memory
        workers: dict[str, Any] = {
            "num_workers": _loader_workers(request),
            "persistent_workers": _loader_workers(request) > 0,
            "worker_init_fn": start_worker,
        }
        return TrainingModule(
            net,
            recipe=recipe,
            seed=seed,
            stream=stream,
            world=request.world,
            train=DataLoader(
                TrainingClips(
                    Library([f.path for f in train], cache_bytes=kept),
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
                    Library([f.path for f in held_out], cache_bytes=kept),
                    clips,
                    recipe=recipe,
                    synthesizer=synthesizer,
                    seed=seed,
                    labels=[int(file.video.label) for file in held_out]
                    if recipe.validation_fakes == "real"
                    else None,
                ),
                batch_size=max(1, recipe.batch // 2),
                sampler=order,
                collate_fn=join_validation,
                **workers,
            ),
        )

    def _held_out(self, request: TrainingRequest) -> tuple[list[FaceFile], list[tuple[int, list[int]]]]:
        """The validation videos and their clips, (video, positions among the stored frames)."""
        recipe = self._recipe
        if recipe.validation_fakes == "pseudo":
            files, tracks = _long_enough(request.validation, recipe.frames, "validation", request)
            return files, [
                (video, list(range(start, start + recipe.frames)))
                for video, track in enumerate(tracks)
                for start in successive_starts(track, length=recipe.frames)
            ]
        kept: list[FaceFile] = []
        clips: list[tuple[int, list[int]]] = []
        for file in request.validation:
            try:
                positions = clip_positions(frame_indices(file.path), recipe.clips())
            except TooShortError as error:
                request.progress.note(f"validation video {file.video.video_id} is left out: {error.message}")
                continue
            clips += [(len(kept), one.tolist()) for one in positions]
            kept.append(file)
        if {int(file.video.label) for file in kept} != {0, 1}:
            raise RunError(
                "validation on real fakes needs real and fake videos, and only one kind is there",
                hints=("validate on pseudo-fakes instead: --set validation_fakes=pseudo",),
            )
        return kept, clips


def _smaller(recipe: Recipe, batch: int, world: World) -> tuple[str, ...]:
    """What needs less memory than a training that did not fit, nearest first; `batch` is that of a device.

    It may be smaller than the recipe's, whose half would then change nothing.
    """
    hints = []
    if batch > recipe.accumulate:
        parts = min(2 * recipe.accumulate, batch)
        hints.append(f"the same batch in more parts, one after the other: --set accumulate={parts}")
    if batch > 1:
        hints.append(f"the next smaller batch: --set batch={batch // 2 * world.size}")
    if recipe.precision == "32":
        hints.append("activations of half the width: --set precision=bf16")
    if recipe.width > load_recipe("small").width:
        hints.append("a smaller network: --recipe small")
    return tuple(hints) or ("end what else uses the device",)


def _loader_workers(request: TrainingRequest) -> int:
    """Workers for the data; on the CPU at most half of the cores, because the network needs the others."""
    if resolve_device(request.device).type != "cpu":
        return request.workers
    return min(request.workers, max(1, _cores(request) // 2))


def _cores(request: TrainingRequest) -> int:
    """Cores of this machine for each of the processes that train on it."""
    return max(1, own_cores() // request.world.local)


@contextmanager
def _compute_threads(request: TrainingRequest) -> Iterator[None]:
    """On the CPU, threads beside the data workers: a core each where they sleep while they wait, as the command line
    asks of OpenMP; otherwise only the cores that no worker has, because threads that spin slow each other down."""
    before = torch.get_num_threads()
    if resolve_device(request.device).type == "cpu" and os.environ.get("OMP_WAIT_POLICY") != "passive":
        torch.set_num_threads(max(1, min(before, _cores(request) - _loader_workers(request))))
    try:
        yield
    finally:
        torch.set_num_threads(before)


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
