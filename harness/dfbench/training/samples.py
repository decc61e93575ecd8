"""Define training samples (clips with labels and targets), and the makers of samples that any method can use.

A maker turns a clip, cut slightly larger than the network sees it, into a sample. All randomness comes from the generator that
it receives, so a sample depends on its address only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from dfbench.errors import PluginError, SynthesisError
from dfbench.types import Label, PseudoFake

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from dfbench.interfaces import Synthesizer
    from dfbench.training.augmentation import Augmentation
    from dfbench.training.recipe import Recipe


@dataclass(frozen=True, slots=True, eq=False)
class FaceClip:
    """Holds a clip cut for training, with some margin around what the network sees.

    frames (T, C, C, 3) uint8 RGB, with C the recipe's `train_crop`; landmarks (T, 81, 2) float32 in pixels of the frames, or
    (T, 0, 2) if none were prepared; label of the video; video: its index among the training, or the validation, videos.
    """

    frames: NDArray[np.uint8]
    landmarks: NDArray[np.float32]
    label: Label
    video: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Holds k clips that belong together: one clip with its label, or a real clip and its pseudo-fake.

    clips (k, T, S, S, 3) uint8 RGB; labels (k,) int64, 1 for fake; targets: arrays (k, ...) by name, which only the loss uses.
    """

    clips: NDArray[np.uint8]
    labels: NDArray[np.int64]
    targets: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)


class SampleMaker(Protocol):
    """Makes samples from clips."""

    def __call__(self, clip: FaceClip, rng: np.random.Generator) -> Sample:
        """Make a sample of a clip, with all draws from `rng`.

        Raises SynthesisError if none can be made of it: it is asked again with other draws, and then for another clip.
        """


class SamplesFactory(Protocol):
    """Builds the sample makers of a method."""

    def __call__(self, recipe: Any, synthesizer: Synthesizer | None, *, training: bool) -> SampleMaker:
        """Return the maker of training samples, or of validation samples, which should not be augmented."""


class Batch(NamedTuple):
    """Holds the joined samples of a step.

    clips (B, T, S, S, 3) uint8 RGB; labels (B,) int64; targets (B, ...) by name. `samples` is their number; the B / samples
    clips of a sample are adjacent.
    """

    clips: Tensor
    labels: Tensor
    targets: Mapping[str, Tensor]
    samples: int = 1

    def part(self, first: int, after: int) -> Batch:
        """Return the samples from `first` up to, but not including, `after`."""
        size = len(self.clips) // self.samples
        rows = slice(first * size, after * size)
        targets = {name: values[rows] for name, values in self.targets.items()}
        return Batch(self.clips[rows], self.labels[rows], targets, after - first)


def batch_of(sample: Sample) -> Batch:
    """Return one sample as a batch of tensors that share its memory."""
    import torch

    targets = {name: torch.from_numpy(values) for name, values in sample.targets.items()}
    return Batch(torch.from_numpy(sample.clips), torch.from_numpy(sample.labels), targets)


def join(items: Sequence[Batch]) -> Batch:
    """Return several batches as one, in order. Raises PluginError if their samples differ in the number of clips."""
    import torch

    samples = sum(item.samples for item in items)
    if len({len(item.clips) // item.samples for item in items}) > 1:
        raise PluginError(
            "the samples of a training have different numbers of clips",
            hints=("a sample maker returns equally many clips for every clip that it is handed",),
        )
    return Batch(
        torch.cat([item.clips for item in items]),
        torch.cat([item.labels for item in items]),
        {name: torch.cat([item.targets[name] for item in items]) for name in items[0].targets},
        samples,
    )


def standard_samples(recipe: Recipe, synthesizer: Synthesizer | None, *, training: bool) -> SampleMaker:
    """Return the standard maker for `recipe.fakes`; validation on pseudo-fakes always uses pairs."""
    from dfbench.training.augmentation import Augmentation

    augmentation = Augmentation.parse(recipe.augmentation if training else "")
    if training and recipe.fakes == "real":
        return Labelled(recipe, augmentation)
    assert synthesizer is not None  # the trainer refuses to go without
    return Paired(recipe, synthesizer, augmentation)


class Labelled:
    """Makes samples of one clip with its label."""

    def __init__(self, recipe: Recipe, augmentation: Augmentation) -> None:
        self._recipe, self._augmentation = recipe, augmentation

    def __call__(self, clip: FaceClip, rng: np.random.Generator) -> Sample:
        """Return the clip as the network sees it, augmented."""
        frames = seen(clip.frames, self._recipe)
        return Sample(self._augmentation(frames, rng)[None], np.array([int(clip.label)], np.int64))


class Paired:
    """Makes samples of a real clip and its pseudo-fake, augmented in the same way."""

    def __init__(self, recipe: Recipe, synthesizer: Synthesizer, augmentation: Augmentation) -> None:
        self._recipe, self._synthesizer, self._augmentation = recipe, synthesizer, augmentation

    def __call__(self, clip: FaceClip, rng: np.random.Generator) -> Sample:
        """Return both clips as the network sees them. Raises SynthesisError if they are equal, or the synthesizer fails."""
        pair = self._synthesizer.synthesize(clip.frames, clip.landmarks, rng)
        check_pair(pair, clip.frames)
        both = np.concatenate([seen(pair.real, self._recipe), seen(pair.fake, self._recipe)])
        both = self._augmentation(both, rng)
        real, fake = both[: len(clip.frames)], both[len(clip.frames) :]
        if np.array_equal(real, fake):
            raise SynthesisError(
                "the pseudo-fake does not differ from its original in the sample", hints=("draw again",)
            )
        return Sample(np.stack([real, fake]), np.array([0, 1], np.int64))


def seen(frames: NDArray[np.uint8], recipe: Recipe) -> NDArray[np.uint8]:
    """Return the part (T, S, S, 3) of training crops (T, C, C, 3) uint8 that is cut for scoring."""
    import cv2

    side, size = frames.shape[1], recipe.size
    cut = round(side * margin_to_cut(recipe))
    inner = frames[:, cut : side - cut, cut : side - cut]
    if inner.shape[1] == size:
        return np.ascontiguousarray(inner)
    way = cv2.INTER_AREA if inner.shape[1] > size else cv2.INTER_LINEAR
    return np.stack(
        [np.asarray(cv2.resize(frame, (size, size), interpolation=way), np.uint8) for frame in inner]
    )


def margin_to_cut(recipe: Recipe) -> float:
    """Return how much to cut from each side of a training crop, as a fraction of it, to leave the margin of scoring."""
    return (1 - (1 + 2 * recipe.clip_margin) / (1 + 2 * recipe.train_margin)) / 2


def check_pair(pair: PseudoFake, frames: NDArray[np.uint8]) -> None:
    """Raise SynthesisError if the result of a synthesizer is not a pseudo-fake of `frames`."""
    for name, clip in (("real", pair.real), ("fake", pair.fake)):
        if clip.shape != frames.shape or clip.dtype != np.uint8:
            raise SynthesisError(
                f"the synthesizer's {name} clip is {clip.shape} {clip.dtype}, not {frames.shape} uint8"
            )
    if pair.mask.shape != frames.shape[:3]:
        raise SynthesisError(f"the synthesizer's mask is {pair.mask.shape}, not {frames.shape[:3]}")
    if not (np.isfinite(pair.mask).all() and pair.mask.min() >= 0 and pair.mask.max() <= 1 + 1e-6):
        raise SynthesisError("the synthesizer's mask leaves [0, 1]")
