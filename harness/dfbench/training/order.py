"""Decide which clips of which videos are trained on, and in which order: by epoch, round and rank.

An address (epoch, video, clip) depends on nothing else, so the number and the order of data workers do not change what is
trained on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from torch.utils.data import Sampler

from dfbench.errors import UsageError
from dfbench.types import World

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dfbench.training.recipe import Recipe

TRAINING, VALIDATION = 0, 1  # the second word of every generator's seed


class Address(NamedTuple):
    """Identifies a training clip. `start` and `stride` are positions among the stored frames of the video."""

    epoch: int
    video: int
    clip: int
    start: int
    stride: int


def successive_starts(
    frame_indices: NDArray[np.int64], *, length: int, stride: int = 1, offset: int = 0
) -> list[int]:
    """Return where clips of `length` frames, `stride` apart, begin, so that no frame occurs twice and no clip has a gap."""
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


def clip_starts(track: NDArray[np.int64], recipe: Recipe, *, offset: int = 0) -> list[int]:
    """Return where the training clips of a video begin, as positions among its stored frames with the indices `track` (n,).

    Stored frames that are spread over the video count as successive, however far apart they are.
    """
    if recipe.train_sampling == "uniform":
        track = np.arange(len(track))
    return successive_starts(track, length=recipe.frames, stride=recipe.train_stride, offset=offset)


class ClipOrder(Sampler[Address]):
    """Yields the addresses of one round of training; `set_epoch(r)` selects round r, whatever came before.

    An epoch shows every clip of every video once, cut from an offset of at most `Recipe.most_offset` that is drawn for each
    video and epoch (0 in the first epoch). With `balance = "classes"` it shows as many real as fake clips; those of the larger
    class are drawn anew. An epoch is divided into rounds of equal length; a remainder is left out. `batch` is the number of
    samples that this rank takes in a step; all ranks have the same number of steps. `labels` (0 or 1) of the videos are only
    needed for the balance.
    """

    def __init__(
        self,
        tracks: Sequence[NDArray[np.int64]],
        *,
        recipe: Recipe,
        seed: int,
        world: World = World(),  # noqa: B008 - frozen
        labels: Sequence[int] = (),
    ) -> None:
        self._tracks, self._recipe, self._seed, self._world = tracks, recipe, seed, world
        self._labels = labels if recipe.balance == "classes" else ()
        counts = [
            min(len(self._starts(track, offset)) for offset in range(recipe.most_offset() + 1))
            for track in tracks
        ]
        if recipe.train_clips:
            counts = [min(count, recipe.train_clips) for count in counts]
        least = sum(counts)
        if self._labels:
            fakes = sum(count for count, label in zip(counts, self._labels, strict=True) if label)
            self._each = min(fakes, least - fakes)
            least = 2 * self._each
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
        """Select the round. Lightning, which calls this, calls a round an epoch."""
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
        if self._labels:
            addresses = self._balanced(addresses, rng)
        return [addresses[i] for i in rng.permutation(len(addresses))]

    def _balanced(self, addresses: Sequence[Address], rng: np.random.Generator) -> list[Address]:
        """Return equally many addresses of each class: at least those of the smaller one."""
        kept = []
        for label in (0, 1):
            own = [address for address in addresses if self._labels[address.video] == label]
            kept += [own[i] for i in sorted(rng.choice(len(own), self._each, replace=False).tolist())]
        return kept

    def _starts(self, track: NDArray[np.int64], offset: int) -> list[int]:
        return clip_starts(track, self._recipe, offset=offset)


class ValidationOrder(Sampler[tuple[int, int]]):
    """Yields (round, clip) for every validation clip of this rank; `set_epoch` selects the round."""

    def __init__(self, count: int, *, world: World) -> None:
        self._own = range(world.rank, count, world.size)
        self._round = 0

    def __len__(self) -> int:
        return len(self._own)

    def set_epoch(self, epoch: int) -> None:
        """Select the round."""
        self._round = epoch

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter([(self._round, clip) for clip in self._own])
