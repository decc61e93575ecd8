"""Training data: which frames of which video make a clip, and the clips as tensors.

One item is one address (epoch, video, clip) and depends on nothing else, so neither the number of workers nor
their order changes what is trained on. Only real videos are read; every fake is synthesised from its real partner.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

import dfbench
from dfbench import FaceTrack, Synthesizer, TooShortError
from dfbench_fakestormer.recipe import Recipe
from dfbench_fakestormer.synthesis.sample import SampleSettings, make_sample

if TYPE_CHECKING:
    from numpy.typing import NDArray

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

    clips (B, T, S, S, 3) uint8; label (B, 1) float32; frame_labels (B, T) float32; heatmap and keep
    (B, 1, T, h, w) float32.
    """

    clips: Tensor
    label: Tensor
    frame_labels: Tensor
    heatmap: Tensor
    keep: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class FaceClip:
    """Square crops around one face: frames (T, S, S, 3) uint8 RGB, landmarks (T, 81, 2) float32 in their pixels."""

    frames: NDArray[np.uint8]
    landmarks: NDArray[np.float32]


class VideoFaces:
    """The stored faces of one video, cut on demand; `keep` holds the decoded crops in memory."""

    def __init__(self, path: Path, *, frames: Sequence[int] | None = None) -> None:
        stored = dfbench.read_faces(path) if frames is None else dfbench.read_faces(path, frames=frames)
        self._crops = [np.ascontiguousarray(crop) for crop in stored.crops]
        self._crop_boxes = np.asarray(stored.crop_boxes, dtype=np.float64)
        self._track: FaceTrack = stored.track
        self._rows = {position: i for i, position in enumerate(frames)} if frames is not None else None

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        return sum(crop.nbytes for crop in self._crops)

    def clip(self, positions: Sequence[int], *, margin: float, size: int) -> FaceClip:
        """Crops of the stored frames at `positions`, `margin` (of the face box's longer side) beyond the box."""
        rows = list(positions) if self._rows is None else [self._rows[p] for p in positions]
        frames = np.empty((len(rows), size, size, 3), dtype=np.uint8)
        landmarks = np.empty((len(rows), *self._track.landmarks.shape[1:]), dtype=np.float32)
        for i, row in enumerate(rows):
            left, top, side = square_around(self._track.boxes[row], margin)
            x0, y0, x1, y1 = self._crop_boxes[row]
            crop = self._crops[row]
            # Frame pixels (edges at integers) to crop pixels to output pixels (centres at halves).
            ratio = crop.shape[1] / (x1 - x0), crop.shape[0] / (y1 - y0)
            scale = side / size
            matrix = np.array(
                [
                    [scale * ratio[0], 0, (left - x0 + 0.5 * scale) * ratio[0] - 0.5],
                    [0, scale * ratio[1], (top - y0 + 0.5 * scale) * ratio[1] - 0.5],
                ]
            )
            frames[i] = _sample(crop, matrix, size)
            landmarks[i] = (self._track.landmarks[row] - (left, top)) / scale
        return FaceClip(frames, landmarks)


def square_around(box: NDArray[np.float32], margin: float) -> tuple[float, float, float]:
    """Left, top and side of the square about the box's centre that reaches `margin` beyond its longer side."""
    x0, y0, x1, y1 = (float(v) for v in box)
    side = max(x1 - x0, y1 - y0) * (1 + 2 * margin)
    return (x0 + x1 - side) / 2, (y0 + y1 - side) / 2, side


def _sample(image: NDArray[np.uint8], matrix: NDArray[np.float64], size: int) -> NDArray[np.uint8]:
    shrink = max(matrix[0, 0], matrix[1, 1])
    if shrink > 1.5:  # bilinear sampling alone would alias
        sigma = 0.4 * (shrink - 1)
        image = cv2.GaussianBlur(image, (0, 0), sigma)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    out = cv2.warpAffine(image, matrix, (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(out, dtype=np.uint8)


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

    An epoch shows every clip of every video once, cut from an offset of 0 to 2 frames that is drawn anew a video and
    epoch (0 in the first), as the source does; it is divided into rounds of equal length, the rest is left out.
    """

    MOST_OFFSET = 2

    def __init__(
        self, tracks: Sequence[NDArray[np.int64]], *, recipe: Recipe, seed: int, rank: int = 0, world: int = 1
    ) -> None:
        self._tracks, self._recipe, self._seed = tracks, recipe, seed
        self._rank, self._world = rank, world
        least = sum(
            min(len(self._starts(t, offset)) for offset in range(self.MOST_OFFSET + 1)) for t in tracks
        )
        self.batch = max(1, min(recipe.batch, least) // world)
        steps = least // (self.batch * world)
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
        size = self.steps * self.batch * self._world
        return iter(addresses[part * size : (part + 1) * size][self._rank :: self._world])

    def _epoch(self, epoch: int) -> list[Address]:
        rng = np.random.default_rng([self._seed, TRAINING, epoch])
        addresses = []
        for video, track in enumerate(self._tracks):
            offset = int(rng.integers(0, self.MOST_OFFSET + 1)) if epoch else 0
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
        self._kept: dict[int, VideoFaces] = {}

    def clip(self, video: int, positions: Sequence[int], *, recipe: Recipe) -> FaceClip:
        """Training crops of a video, generous enough for the synthesizer."""
        faces = self._kept.get(video)
        if faces is None and self._free > 0:
            faces = VideoFaces(self._paths[video])
            if faces.nbytes <= self._free:
                self._kept[video] = faces
                self._free -= faces.nbytes
            else:
                self._free = 0
        elif faces is None:
            faces = VideoFaces(self._paths[video], frames=positions)
        return faces.clip(positions, margin=recipe.train_margin, size=recipe.train_crop)


class TrainingClips(Dataset[Batch]):
    """One item: a real clip and the fake that is made of it, with all targets, augmented."""

    def __init__(self, library: Library, *, recipe: Recipe, synthesizer: Synthesizer, seed: int) -> None:
        self._library, self._recipe, self._synthesizer, self._seed = library, recipe, synthesizer, seed
        self._settings = sample_settings(recipe)

    def __getitem__(self, address: Address) -> Batch:
        positions = [address.start + i * address.stride for i in range(self._recipe.frames)]
        clip = self._library.clip(address.video, positions, recipe=self._recipe)
        rng = np.random.default_rng([self._seed, TRAINING, address.epoch, address.video, address.clip])
        sample = make_sample(
            clip.frames, clip.landmarks, synthesizer=self._synthesizer, rng=rng, settings=self._settings
        )
        keep = np.asarray(sample.keep, dtype=np.float32)
        return Batch(
            clips=torch.from_numpy(np.stack([sample.real, sample.fake])),
            label=torch.tensor([[0.0], [1.0]]),
            frame_labels=torch.from_numpy(
                np.stack([sample.temporal_real, sample.temporal_fake]).astype(np.float32)
            ),
            heatmap=torch.from_numpy(
                np.stack([sample.heatmap_real, sample.heatmap_fake]).astype(np.float32)
            ).unsqueeze(1),
            keep=torch.from_numpy(np.stack([keep, keep])).unsqueeze(1),
        )


class ValidationBatch(NamedTuple):
    """clips (B, T, S, S, 3) uint8; label (B,) int64; video (B,) int64."""

    clips: Tensor
    label: Tensor
    video: Tensor


class ValidationClips(Dataset[ValidationBatch]):
    """Real validation clips and one unaugmented pseudo-fake of each, the same in every epoch; kept in memory."""

    def __init__(
        self,
        library: Library,
        clips: Sequence[tuple[int, Sequence[int]]],
        *,
        recipe: Recipe,
        synthesizer: Synthesizer,
        seed: int,
        cache_bytes: int = 1 << 28,
    ) -> None:
        self._library, self._clips, self._recipe = library, clips, recipe
        self._synthesizer, self._seed = synthesizer, seed
        self._free = cache_bytes
        self._kept: dict[int, ValidationBatch] = {}

    def __len__(self) -> int:
        return len(self._clips)

    def __getitem__(self, index: int) -> ValidationBatch:
        if index in self._kept:
            return self._kept[index]
        video, positions = self._clips[index]
        clip = self._library.clip(video, positions, recipe=self._recipe)
        rng = np.random.default_rng([self._seed, VALIDATION, index])
        pair = self._synthesizer.synthesize(clip.frames, clip.landmarks, rng)
        item = ValidationBatch(
            clips=torch.from_numpy(np.stack([self._scored_part(pair.real), self._scored_part(pair.fake)])),
            label=torch.tensor([0, 1]),
            video=torch.tensor([video, video]),
        )
        if item.clips.nbytes <= self._free:
            self._kept[index] = item
            self._free -= item.clips.nbytes
        return item

    def _scored_part(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """What the detector would be handed of training crops: the smaller margin, at its size."""
        recipe = self._recipe
        inner = frames.shape[1] * (1 + 2 * recipe.clip_margin) / (1 + 2 * recipe.train_margin)
        scale = inner / recipe.size
        begin = (frames.shape[1] - inner) / 2 + 0.5 * scale - 0.5
        matrix = np.array([[scale, 0, begin], [0, scale, begin]])
        return np.stack([_sample(frame, matrix, recipe.size) for frame in frames])


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


def sample_settings(recipe: Recipe) -> SampleSettings:
    """The recipe's part for the synthesis of a sample."""
    return SampleSettings(size=recipe.size, grid=recipe.size // recipe.patch)


def frame_indices(path: Path) -> NDArray[np.int64]:
    """Which frames of its video a face file holds. Raises TooShortError if none."""
    found: NDArray[np.int64] = dfbench.read_faces(path, frames=[]).track.frame_indices
    if not len(found):
        raise TooShortError(f"{path} holds no faces")
    return found
