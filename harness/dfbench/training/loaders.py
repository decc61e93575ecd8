"""Load clips as tensors for training and validation: read them from the face store, make samples, and join these to batches."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from dfbench.cores import own_cores
from dfbench.data.clips import cut_crops, cut_landmarks
from dfbench.data.store.face_files import StoredFaces, read_faces, read_track
from dfbench.errors import SynthesisError
from dfbench.training.devices import resolve_device
from dfbench.training.order import TRAINING, VALIDATION, Address, clip_starts
from dfbench.training.samples import Batch, FaceClip, Sample, SampleMaker, batch_of
from dfbench.types import ClipSpec, Label

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dfbench.exchanged import TrainingRequest
    from dfbench.training.recipe import Recipe

CACHE_BYTES = 1 << 30  # of decoded faces, in each data worker
_MEMORY_TO_KEEP = 30 << 20  # bytes; glibc pays no heed to more than 32 MiB


class Library:
    """Reads the stored faces of videos, decodes each video once, and caches up to `cache_bytes` per process."""

    def __init__(self, paths: Sequence[Path], *, cache_bytes: int = CACHE_BYTES) -> None:
        self._paths = paths
        self._free = cache_bytes
        self._kept: dict[int, StoredFaces] = {}

    def cut(
        self, video: int, positions: Sequence[int], *, recipe: Recipe
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Return training crops (T, C, C, 3) uint8 RGB at stored `positions`, and landmarks (T, 81, 2) float32 in their
        pixels.
        """
        faces, positions = self._stored(video, positions)
        size, margin, square = recipe.train_crop, recipe.train_margin, recipe.clips().square
        return (
            cut_crops(faces, positions, size=size, margin=margin, square=square),
            cut_landmarks(faces, positions, size=size, margin=margin, square=square),
        )

    def crops(self, video: int, positions: Sequence[int], *, clips: ClipSpec) -> NDArray[np.uint8]:
        """Return crops (T, S, S, 3) uint8 RGB at stored `positions`, cut as for scoring."""
        faces, positions = self._stored(video, positions)
        return cut_crops(faces, positions, size=clips.size, margin=clips.margin, square=clips.square)

    def _stored(self, video: int, positions: Sequence[int]) -> tuple[StoredFaces, Sequence[int]]:
        """Return faces of a video and the places of the wanted ones among them: all faces if they are cached, else the wanted
        ones.
        """
        if video not in self._kept and self._free > 0:
            faces = read_faces(self._paths[video])
            self._free -= sum(crop.nbytes for crop in faces.crops)
            self._kept[video] = faces
        if video in self._kept:
            return self._kept[video], positions
        return read_faces(self._paths[video], frames=positions), range(len(positions))


class TrainingClips(Dataset[Batch]):
    """Loads training samples by the address of their clip.

    If no sample can be made of a clip, other random draws are tried, and after a few attempts a clip of another video with the
    same label. Each attempt has a generator of its own, so that a failed attempt does not change later draws.
    """

    ATTEMPTS, ELSEWHERE_AFTER = 16, 4

    def __init__(
        self,
        library: Library,
        tracks: Sequence[NDArray[np.int64]],
        *,
        recipe: Recipe,
        maker: SampleMaker,
        seed: int,
        labels: Sequence[int] = (),
    ) -> None:
        self.recipe = recipe
        self._library, self._tracks = library, tracks
        self._maker, self._seed, self._labels = maker, seed, labels

    def __getitem__(self, address: Address) -> Batch:
        asked_for = address
        for attempt in range(self.ATTEMPTS):
            address, rng = self.attempt(asked_for, address, attempt)
            positions = [address.start + i * address.stride for i in range(self.recipe.frames)]
            frames, landmarks = self._library.cut(address.video, positions, recipe=self.recipe)
            clip = FaceClip(frames, landmarks, self._label(address.video), address.video)
            try:
                return batch_of(self._maker(clip, rng))
            except SynthesisError:
                if attempt == self.ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable: the last attempt returns or raises")

    def attempt(
        self, asked_for: Address, address: Address, attempt: int
    ) -> tuple[Address, np.random.Generator]:
        """Return the address for an attempt, and the generator for its sample; `address` is that of the previous attempt."""
        del asked_for
        rng = self.generator(address, attempt)
        return (self.elsewhere(address, rng) if attempt >= self.ELSEWHERE_AFTER else address), rng

    def generator(self, address: Address, attempt: int) -> np.random.Generator:
        """Return the generator for an attempt at an address."""
        return np.random.default_rng(
            [self._seed, TRAINING, address.epoch, address.video, address.clip, attempt]
        )

    def elsewhere(self, address: Address, rng: np.random.Generator) -> Address:
        """Return the address of a clip drawn from the videos with the same label."""
        videos = [i for i, label in enumerate(self._labels) if label == self._labels[address.video]]
        drawn = int(rng.integers(len(videos) or len(self._tracks)))
        video = videos[drawn] if videos else drawn
        return address._replace(
            video=video, start=int(rng.choice(clip_starts(self._tracks[video], self.recipe)))
        )

    def _label(self, video: int) -> Label:
        return Label(self._labels[video]) if self._labels else Label.REAL


class ValidationBatch(NamedTuple):
    """Holds validation clips (B, T, S, S, 3) uint8 RGB, their label (B,) int64, and the index of their video (B,) int64."""

    clips: Tensor
    label: Tensor
    video: Tensor


class ValidationClips(Dataset[ValidationBatch]):
    """Loads validation clips: real clips with a pseudo-fake of each, or clips of labelled videos cut as for scoring.

    Pseudo-fakes are the same in every round and cached, unless `Recipe.validates_anew`. If none can be made of a clip, its
    item is empty.
    """

    ATTEMPTS = 8

    def __init__(
        self,
        library: Library,
        clips: Sequence[tuple[int, Sequence[int]]],
        *,
        recipe: Recipe,
        maker: SampleMaker | None,
        seed: int,
        labels: Sequence[int] = (),
        cache_bytes: int = 1 << 28,
    ) -> None:
        self._library, self._clips, self._recipe = library, clips, recipe
        self._maker, self._seed, self._labels = maker, seed, labels
        self._free = 0 if recipe.validates_anew else cache_bytes
        self._kept: dict[int, ValidationBatch] = {}

    def __len__(self) -> int:
        return len(self._clips)

    def __getitem__(self, place: tuple[int, int]) -> ValidationBatch:
        turn, index = place
        if index in self._kept:
            return self._kept[index]
        item = self._as_scored(index) if self._maker is None else self._synthesised(turn, index, self._maker)
        if item.clips.nbytes <= self._free:
            self._kept[index] = item
            self._free -= item.clips.nbytes
        return item

    def _as_scored(self, index: int) -> ValidationBatch:
        video, positions = self._clips[index]
        clips = self._library.crops(video, positions, clips=self._recipe.clips())
        return ValidationBatch(
            clips=torch.from_numpy(clips[None]),
            label=torch.tensor([self._labels[video]]),
            video=torch.tensor([video]),
        )

    def _synthesised(self, turn: int, index: int, maker: SampleMaker) -> ValidationBatch:
        video, positions = self._clips[index]
        clip = FaceClip(*self._library.cut(video, positions, recipe=self._recipe), Label.REAL, video)
        sample: Sample | None = None
        for attempt in range(self.ATTEMPTS):
            seed = [self._seed, VALIDATION, index, attempt]
            rng = np.random.default_rng([*seed, turn] if self._recipe.validates_anew else seed)
            try:
                sample = maker(clip, rng)
                break
            except SynthesisError:
                continue
        if sample is None:
            nothing = torch.empty(0, dtype=torch.int64)
            shape = (0, self._recipe.frames, self._recipe.size, self._recipe.size, 3)
            return ValidationBatch(torch.empty(shape, dtype=torch.uint8), nothing, nothing)
        return ValidationBatch(
            clips=torch.from_numpy(sample.clips),
            label=torch.from_numpy(sample.labels),
            video=torch.full((len(sample.labels),), video),
        )


def join_validation(items: Sequence[ValidationBatch]) -> ValidationBatch:
    """Return items joined to a batch, in order."""
    return ValidationBatch(*(torch.cat(parts) for parts in zip(*items, strict=True)))


def frame_indices(path: Path) -> NDArray[np.int64]:
    """Return which frames of its video a face file holds, (n,)."""
    return read_track(path).track.frame_indices


def start_worker(_: int) -> None:
    """Set up a data worker with one thread: with more, OpenCV is slower on images of this size."""
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    # glibc takes the largest block that was freed so far for the measure of what to hand back to the system. Without
    # this, it hands back the images of each sample, only to have the system clear the same memory again for the next.
    np.empty(_MEMORY_TO_KEEP, np.uint8)


def data_workers(request: TrainingRequest) -> int:
    """Return the number of data workers; on the CPU at most half of the cores, because the network needs the others."""
    if resolve_device(request.device).type != "cpu":
        return request.workers
    return min(request.workers, max(1, _cores(request) // 2))


@contextmanager
def compute_threads(request: TrainingRequest) -> Iterator[None]:
    """Return the number of threads for the network beside the data workers, on the CPU.

    If idle threads sleep, as the command line configures OpenMP, that is one per core. Otherwise it is the number of cores
    without a worker, because spinning threads would slow the workers down.
    """
    before = torch.get_num_threads()
    if resolve_device(request.device).type == "cpu" and os.environ.get("OMP_WAIT_POLICY") != "passive":
        torch.set_num_threads(max(1, min(before, _cores(request) - data_workers(request))))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _cores(request: TrainingRequest) -> int:
    """Return the number of cores of this machine for each process that trains on it."""
    return max(1, own_cores() // request.world.local)
