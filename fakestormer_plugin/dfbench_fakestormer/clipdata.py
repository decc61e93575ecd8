"""Training data: which frames of which video make a clip, and the clips as tensors.

One item is one address (epoch, video, clip) and depends on nothing else, so neither the number of workers nor
their order changes what is trained on. Only real videos are read; every fake is synthesised from its real partner.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from dfbench import (
    ClipSpec,
    StoredFaces,
    SynthesisError,
    Synthesizer,
    UsageError,
    World,
    cut_crops,
    cut_landmarks,
    read_faces,
    read_track,
)
from dfbench_fakestormer.recipe import Recipe
from dfbench_fakestormer.synthesis.sample import SampleSettings, TrainingSample, make_sample

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MEMORY_TO_KEEP = 30 << 20  # bytes; glibc pays no heed to more than 32 MiB
TRAINING, VALIDATION = 0, 1  # the first word of every generator's seed


class Address(NamedTuple):
    """Where a training clip comes from; `start` and `stride` are positions among the stored frames."""

    epoch: int
    video: int
    clip: int
    start: int
    stride: int


class Batch(NamedTuple):
    """Clips with their targets, after collation.

    clips (B, T, S, S, 3) uint8; label (B, 1) float32; frame_labels (B, T) float32; heatmap (B, 1, T, h, w)
    float32; keep (B, 1, T, h, w) uint8.
    """

    clips: Tensor
    label: Tensor
    frame_labels: Tensor
    heatmap: Tensor
    keep: Tensor


def successive_starts(
    frame_indices: NDArray[np.int64], *, length: int, stride: int = 1, offset: int = 0
) -> list[int]:
    """Positions at which clips of `length` frames, `stride` apart, begin: no frame twice, no gap inside a clip."""
    starts: list[int] = []
    reach = (length - 1) * stride
    i = offset
    while i + reach < len(frame_indices):
        phases = [j for j in range(i, i + stride) if j + reach < len(frame_indices)]
        if all(frame_indices[j + reach] - frame_indices[j] == reach for j in phases):
            starts += phases
            i += length * stride
        else:
            i += 1
    return starts


class ClipStream(Sampler[Address]):
    """The addresses of one round of training; `set_epoch(r)` chooses round r, whatever came before.

    An epoch shows every clip of every video once, cut from an offset of at most `Recipe.most_offset` that is drawn anew a
    video and epoch (0 in the first), as the source does; it is divided into rounds of equal length, the rest is left out.
    Processes that train together share the same steps: `batch` is what each of them takes of one.
    """

    def __init__(
        self,
        tracks: Sequence[NDArray[np.int64]],
        *,
        recipe: Recipe,
        seed: int,
        world: World = World(),  # noqa: B008 - frozen
    ) -> None:
        self._tracks, self._recipe, self._seed, self._world = tracks, recipe, seed, world
        least = sum(
            min(len(self._starts(t, offset)) for offset in range(recipe.most_offset() + 1)) for t in tracks
        )
        whole = max(1, min(recipe.batch, least))
        if whole % world.size:
            raise UsageError(
                f"a batch of {whole} samples cannot be shared by {world.size} processes",
                hints=(f"for example: --set batch={max(1, whole // world.size) * world.size}",),
            )
        self.batch = whole // world.size
        steps = least // (self.batch * world.size)
        self.rounds_per_epoch = max(1, round(steps / recipe.checkpoint_steps))
        self.steps = steps // self.rounds_per_epoch
        self._round = 0

    def __len__(self) -> int:
        return self.steps * self.batch

    def set_epoch(self, epoch: int) -> None:
        """Choose the round (the loop that calls this calls a round an epoch)."""
        self._round = epoch

    def __iter__(self) -> Iterator[Address]:
        epoch, part = divmod(self._round, self.rounds_per_epoch)
        addresses = self._epoch(epoch)
        size = self.steps * self.batch * self._world.size
        return iter(addresses[part * size : (part + 1) * size][self._world.rank :: self._world.size])

    def _epoch(self, epoch: int) -> list[Address]:
        rng = np.random.default_rng([self._seed, TRAINING, epoch])
        addresses = []
        for video, track in enumerate(self._tracks):
            offset = int(rng.integers(0, self._recipe.most_offset() + 1)) if epoch else 0
            starts = self._starts(track, offset)
            if 0 < self._recipe.train_clips < len(starts):
                starts = sorted(rng.choice(starts, self._recipe.train_clips, replace=False).tolist())
            stride = self._recipe.train_stride
            addresses += [Address(epoch, video, clip, start, stride) for clip, start in enumerate(starts)]
        return [addresses[i] for i in rng.permutation(len(addresses))]

    def _starts(self, track: NDArray[np.int64], offset: int) -> list[int]:
        r = self._recipe
        return successive_starts(track, length=r.frames, stride=r.train_stride, offset=offset)


class Library:
    """The stored faces of a set of videos, decoded once and kept while they fit into `cache_bytes` a process."""

    def __init__(self, paths: Sequence[Path], *, cache_bytes: int = 1 << 30) -> None:
        self._paths = paths
        self._free = cache_bytes
        self._kept: dict[int, StoredFaces] = {}

    def cut(
        self, video: int, positions: Sequence[int], *, recipe: Recipe
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Training crops (T, S, S, 3) uint8 RGB at stored `positions`, landmarks (T, 81, 2) float32 in their pixels."""
        faces = self._whole(video)
        if faces is None:
            faces, positions = read_faces(self._paths[video], frames=positions), range(len(positions))
        size, margin, square = recipe.train_crop, recipe.train_margin, recipe.clips().square
        return (
            cut_crops(faces, positions, size=size, margin=margin, square=square),
            cut_landmarks(faces, positions, size=size, margin=margin, square=square),
        )

    def crops(self, video: int, positions: Sequence[int], *, clips: ClipSpec) -> NDArray[np.uint8]:
        """Crops (T, S, S, 3) uint8 RGB at stored `positions`, as they are cut for scoring."""
        faces = self._whole(video)
        if faces is None:
            faces, positions = read_faces(self._paths[video], frames=positions), range(len(positions))
        return cut_crops(faces, positions, size=clips.size, margin=clips.margin, square=clips.square)

    def _whole(self, video: int) -> StoredFaces | None:
        if video not in self._kept and self._free > 0:
            faces = read_faces(self._paths[video])
            self._free -= sum(crop.nbytes for crop in faces.crops)
            self._kept[video] = faces
        return self._kept.get(video)


class TrainingClips(Dataset[Batch]):
    """One item: a real clip and the fake that is made of it, with all targets, augmented.

    Where no fake can be made of a clip, another is drawn in its place. Each attempt has its own generator, so nothing
    that was drawn for a failed one is handed on; with `retry = "released"`, the next clip gets the very draws that the
    last one failed with.
    """

    ATTEMPTS, ELSEWHERE_AFTER, HANDED_ON = 16, 4, 8

    def __init__(
        self,
        library: Library,
        tracks: Sequence[NDArray[np.int64]],
        *,
        recipe: Recipe,
        synthesizer: Synthesizer,
        seed: int,
    ) -> None:
        self._library, self._tracks = library, tracks
        self._recipe, self._synthesizer, self._seed = recipe, synthesizer, seed
        self._settings = sample_settings(recipe, augment=True)

    def __getitem__(self, address: Address) -> Batch:
        asked_for = address
        for attempt in range(self.ATTEMPTS):
            rng = self._generator(address, attempt)
            if self._recipe.retry == "released" and 0 < attempt < self.HANDED_ON:
                address, rng = self._elsewhere(address, rng), self._generator(asked_for, 0)
            elif attempt >= self.ELSEWHERE_AFTER:
                address = self._elsewhere(address, rng)
            positions = [address.start + i * address.stride for i in range(self._recipe.frames)]
            frames, landmarks = self._library.cut(address.video, positions, recipe=self._recipe)
            try:
                sample = make_sample(
                    frames, landmarks, synthesizer=self._synthesizer, rng=rng, settings=self._settings
                )
            except SynthesisError:
                if attempt == self.ATTEMPTS - 1:
                    raise
            else:
                return _batch_of(sample)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _generator(self, address: Address, attempt: int) -> np.random.Generator:
        return np.random.default_rng(
            [self._seed, TRAINING, address.epoch, address.video, address.clip, attempt]
        )

    def _elsewhere(self, address: Address, rng: np.random.Generator) -> Address:
        video = int(rng.integers(len(self._tracks)))
        length, stride = self._recipe.frames, address.stride
        starts = successive_starts(self._tracks[video], length=length, stride=stride)
        return address._replace(video=video, start=int(rng.choice(starts)))


def _batch_of(sample: TrainingSample) -> Batch:
    return Batch(
        clips=torch.from_numpy(np.stack([sample.real, sample.fake])),
        label=torch.tensor([[0.0], [1.0]]),
        frame_labels=torch.from_numpy(np.stack([sample.temporal_real, sample.temporal_fake])),
        heatmap=torch.from_numpy(np.stack([sample.heatmap_real, sample.heatmap_fake])).unsqueeze(1),
        keep=torch.from_numpy(np.stack([sample.keep, sample.keep])).unsqueeze(1),
    )


class ValidationBatch(NamedTuple):
    """clips (B, T, S, S, 3) uint8; label (B,) int64; video (B,) int64."""

    clips: Tensor
    label: Tensor
    video: Tensor


class ValidationOrder(Sampler[tuple[int, int]]):
    """(round, clip) of every validation clip, or of this process's share; `set_epoch` chooses the round."""

    def __init__(self, count: int, *, world: World) -> None:
        self._own = range(world.rank, count, world.size)
        self._round = 0

    def __len__(self) -> int:
        return len(self._own)

    def set_epoch(self, epoch: int) -> None:
        """Choose the round."""
        self._round = epoch

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter([(self._round, clip) for clip in self._own])


class ValidationClips(Dataset[ValidationBatch]):
    """Real validation clips and a pseudo-fake of each, unaugmented, the same in every round and kept in memory.

    A clip of which no fake can be made is an empty item. With `validation_view = "released"` they are augmented like
    training clips, but for the mirror image, and drawn anew in each round. Where the videos have labels of their own
    (`labels`, with `validation_fakes = "real"`), nothing is made: an item is the clip as it is scored.
    """

    ATTEMPTS = 8

    def __init__(
        self,
        library: Library,
        clips: Sequence[tuple[int, Sequence[int]]],
        *,
        recipe: Recipe,
        synthesizer: Synthesizer,
        seed: int,
        labels: Sequence[int] | None = None,
        cache_bytes: int = 1 << 28,
    ) -> None:
        self._library, self._clips, self._recipe = library, clips, recipe
        self._synthesizer, self._seed, self._labels = synthesizer, seed, labels
        self._anew = recipe.validation_view == "released"
        self._settings = sample_settings(recipe, augment=self._anew)
        if self._anew:
            self._settings = replace(self._settings, flip=0.0)
        self._free = 0 if self._anew else cache_bytes
        self._kept: dict[int, ValidationBatch] = {}

    def __len__(self) -> int:
        return len(self._clips)

    def __getitem__(self, place: tuple[int, int]) -> ValidationBatch:
        turn, index = place
        if index in self._kept:
            return self._kept[index]
        item = self._synthesised(turn, index) if self._labels is None else self._as_scored(index)
        if item.clips.nbytes <= self._free:
            self._kept[index] = item
            self._free -= item.clips.nbytes
        return item

    def _as_scored(self, index: int) -> ValidationBatch:
        assert self._labels is not None
        video, positions = self._clips[index]
        clips = self._library.crops(video, positions, clips=self._recipe.clips())
        return ValidationBatch(
            clips=torch.from_numpy(clips[None]),
            label=torch.tensor([self._labels[video]]),
            video=torch.tensor([video]),
        )

    def _synthesised(self, turn: int, index: int) -> ValidationBatch:
        video, positions = self._clips[index]
        frames, landmarks = self._library.cut(video, positions, recipe=self._recipe)
        sample = None
        for attempt in range(self.ATTEMPTS):
            seed = [self._seed, VALIDATION, index, attempt]
            rng = np.random.default_rng([*seed, turn] if self._anew else seed)
            try:
                sample = make_sample(
                    frames, landmarks, synthesizer=self._synthesizer, rng=rng, settings=self._settings
                )
                break
            except SynthesisError:
                continue
        if sample is None:
            nothing = torch.empty(0, dtype=torch.int64)
            shape = (0, self._recipe.frames, self._recipe.size, self._recipe.size, 3)
            return ValidationBatch(torch.empty(shape, dtype=torch.uint8), nothing, nothing)
        return ValidationBatch(
            clips=torch.from_numpy(np.stack([sample.real, sample.fake])),
            label=torch.tensor([0, 1]),
            video=torch.tensor([video, video]),
        )


def join(items: Sequence[Batch]) -> Batch:
    """Items of (2, ...) to one batch of (2 n, ...)."""
    return Batch(*(torch.cat(parts) for parts in zip(*items, strict=True)))


def join_validation(items: Sequence[ValidationBatch]) -> ValidationBatch:
    """The same for validation."""
    return ValidationBatch(*(torch.cat(parts) for parts in zip(*items, strict=True)))


def start_worker(_: int) -> None:
    """One thread a worker: with more, OpenCV is slower on images of this size."""
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    # glibc takes the largest block that was freed so far for the measure of what to hand back to the system. Without
    # this, it hands back the images of each sample, only to have the system clear the same memory again for the next.
    np.empty(_MEMORY_TO_KEEP, np.uint8)


def sample_settings(recipe: Recipe, *, augment: bool) -> SampleSettings:
    """The recipe's part for the synthesis of a sample; without augmentation, exactly the detector's own margin."""
    return SampleSettings(
        size=recipe.size,
        grid=recipe.size // recipe.patch,
        augment=augment,
        heatmap=recipe.heatmap,
        derivative=recipe.derivative,
        cells=recipe.cells,
        mask_out=recipe.mask_out,
        margin_fixed=(1 - (1 + 2 * recipe.clip_margin) / (1 + 2 * recipe.train_margin)) / 2,
        mirror=recipe.mirror,
        jpeg=recipe.jpeg,
    )


def frame_indices(path: Path) -> NDArray[np.int64]:
    """Which frames of its video a face file holds, (n,)."""
    return read_track(path).track.frame_indices
