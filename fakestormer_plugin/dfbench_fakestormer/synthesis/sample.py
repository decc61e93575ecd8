"""One training sample: a real clip, a pseudo-fake of it, and the targets of both.

The synthesizer is reached through the `dfbench.Synthesizer` protocol alone, so any plugin's will do. All draws come
from one generator, and a sample that fails hands nothing on to the next.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from dfbench import PseudoFake, SynthesisError, Synthesizer, UsageError
from dfbench.training import check_pair
from dfbench_fakestormer.synthesis.self_blended import REFERENCE_SIDE
from dfbench_fakestormer.targets import (
    Cells,
    Derivative,
    HeatmapKind,
    MaskOut,
    hide_patches,
    mask_out,
    temporal_heatmaps,
    vulnerability_grid,
)
from dfbench_synthesis.clips import check_clip
from dfbench_synthesis.geometric import warp_to
from dfbench_synthesis.landmarks import mirror_landmarks, smooth_landmarks
from dfbench_synthesis.photometric import apply_steps, draw_final_steps

# Self-blending alters the real clip in every second draw.
UNTOUCHED_DRAWS = 16


@dataclass(frozen=True, slots=True)
class SampleSettings:
    """How a sample is made of a clip and its pseudo-fake. Defaults are the mended method.

    `size` is the side of the model's frames in pixels, `grid` the number of patches along it (size is a multiple).
    `augment` false is for validation: no mirror image, no photometric steps, no mask-out, the fixed `margin_fixed`, and
    a real clip that the synthesizer did not alter.
    Margins, cut from each side, are shares of the crop's side; `margin_range` holds the ends of the uniform draw.
    `mask_out` is the probability that the most vulnerable cells of a clip are hidden, and `mask_out_share` the least
    share of cells to hide. `derivative` and `heatmap` are explained at `targets.temporal_heatmaps`, `cells` at
    `targets.vulnerability_grid`.
    `mirror`: "released" leaves landmarks of a mirrored clip one pixel off. `jpeg`: "released" compresses
    RGB as if it were BGR. `smooth` shortens sudden jumps of landmarks between frames.
    """

    size: int
    grid: int
    augment: bool = True
    heatmap: HeatmapKind = "m_std_normalized"
    derivative: Derivative = "mended"
    cells: Cells = "area"
    flip: float = 0.5
    mask_out: float = 0.5
    mask_out_share: float = 0.01
    margin_range: tuple[float, float] = (5 / REFERENCE_SIDE, 25 / REFERENCE_SIDE)
    margin_fixed: float = 15 / REFERENCE_SIDE
    smooth: bool = True
    mirror: Literal["mended", "released"] = "mended"
    jpeg: Literal["mended", "released"] = "mended"

    def __post_init__(self) -> None:
        if self.grid < 1 or self.size < self.grid or self.size % self.grid:
            raise UsageError(f"a grid of {self.grid} cells does not divide {self.size} pixels")
        for name, value in (
            ("flip", self.flip),
            ("mask_out", self.mask_out),
            ("mask_out_share", self.mask_out_share),
        ):
            if not 0 <= value <= 1:
                raise UsageError(f"{name} is a probability or share, not {value}")
        if not (0 <= self.margin_range[0] <= self.margin_range[1] < 0.5 and 0 <= self.margin_fixed < 0.5):
            raise UsageError("margins are shares of the crop's side, from 0 to less than a half")


@dataclass(frozen=True, slots=True, eq=False)
class TrainingSample:
    """A pair of clips and what is to be learned from them.

    real, fake: (T, S, S, 3) uint8 RGB. heatmap_real, heatmap_fake: (T, h, w) float32, spatio-temporal targets.
    temporal_real, temporal_fake: (T,) float32 in [0, 1], how fake each frame is. keep: (T, h, w) uint8, 0 where
    a cell was hidden (in both clips) and must not count in the loss.
    """

    real: NDArray[np.uint8]
    fake: NDArray[np.uint8]
    heatmap_real: NDArray[np.float32]
    heatmap_fake: NDArray[np.float32]
    temporal_real: NDArray[np.float32]
    temporal_fake: NDArray[np.float32]
    keep: NDArray[np.uint8]


def make_sample(
    frames: NDArray[np.uint8],
    landmarks: NDArray[np.float32],
    *,
    synthesizer: Synthesizer,
    rng: np.random.Generator,
    settings: SampleSettings,
) -> TrainingSample:
    """A sample from a real clip: frames (T, H, W, 3) uint8 RGB, landmarks (T, 81, 2) float32 in their pixels.

    Raises SynthesisError if no pseudo-fake can be made of this clip, or none that shows in the finished sample: a weak
    blend may fall outside the margin, be compressed away or be hidden, and an original must not be called a fake.
    """
    check_clip(frames, landmarks)
    height, width = frames.shape[1:3]
    if settings.smooth:
        scale = max(height, width) / REFERENCE_SIDE
        landmarks = smooth_landmarks(landmarks, scale=scale).astype(np.float32)
    if settings.augment and rng.random() < settings.flip:
        frames = _mirrored(frames)
        exact = settings.mirror == "mended"
        landmarks = mirror_landmarks(landmarks, width, exact=exact).astype(np.float32)

    if settings.augment:
        pair = synthesizer.synthesize(frames, landmarks, rng)
        check_pair(pair, frames)
    else:
        pair = _pair_with_untouched_real(frames, landmarks, synthesizer, rng)

    inner = _draw_inner(rng, frames, settings)
    if not pair.mask[inner].any():
        raise SynthesisError(
            "the pseudo-fake does not differ from its original inside the crop", hints=("use another clip",)
        )
    maps = vulnerability_grid(pair.mask[inner], settings.grid, cells=settings.cells)
    clips = np.empty((2 * len(frames), settings.size, settings.size, 3), np.uint8)
    warp_to(pair.real[inner], settings.size, out=clips[: len(frames)])
    warp_to(pair.fake[inner], settings.size, out=clips[len(frames) :])
    if settings.augment:
        clips = apply_steps(clips, draw_final_steps(rng, swapped_jpeg=settings.jpeg == "released"))
    hidden = _draw_mask_out(maps, rng, settings)
    hide_patches(clips, hidden.keep)
    real, fake = clips[: len(frames)], clips[len(frames) :]
    if np.array_equal(real, fake):
        raise SynthesisError(
            "the pseudo-fake does not differ from its original in the sample", hints=("draw again",)
        )

    heatmap_fake, heatmap_real = temporal_heatmaps(
        maps, kind=settings.heatmap, derivative=settings.derivative
    )
    return TrainingSample(
        real=real,
        fake=fake,
        heatmap_real=heatmap_real.astype(np.float32),
        heatmap_fake=heatmap_fake.astype(np.float32),
        temporal_real=np.zeros(len(frames), np.float32),
        temporal_fake=hidden.labels.astype(np.float32),
        keep=np.repeat(hidden.keep[None], len(frames), axis=0),
    )


def make_view(
    frames: NDArray[np.uint8], *, rng: np.random.Generator, settings: SampleSettings
) -> NDArray[np.uint8]:
    """The clip (T, S, S, 3) uint8 RGB that a sample without a pseudo-fake is made of: frames (T, H, W, 3) mirrored, cropped and
    altered as those of `make_sample`, with nothing hidden."""
    if settings.augment and rng.random() < settings.flip:
        frames = _mirrored(frames)
    seen = warp_to(frames[_draw_inner(rng, frames, settings)], settings.size)
    if not settings.augment:
        return seen
    return apply_steps(seen, draw_final_steps(rng, swapped_jpeg=settings.jpeg == "released"))


def _draw_inner(
    rng: np.random.Generator, frames: NDArray[np.uint8], settings: SampleSettings
) -> tuple[slice, slice, slice]:
    """The part of frames (T, H, W, 3) that the model sees: a margin is cut from each side."""
    height, width = frames.shape[1:3]
    margin = rng.uniform(*settings.margin_range) if settings.augment else settings.margin_fixed
    cut = round(margin * min(height, width))
    return np.s_[:, cut : height - cut, cut : width - cut]


def _pair_with_untouched_real(
    frames: NDArray[np.uint8],
    landmarks: NDArray[np.float32],
    synthesizer: Synthesizer,
    rng: np.random.Generator,
) -> PseudoFake:
    """A pair whose real clip is the clip as it is.

    A synthesizer may alter the background, of the real clip too so that only the blend tells them apart. It is asked
    again, as long as it does; one that always does gets the real clip put in.
    """
    for _ in range(UNTOUCHED_DRAWS):
        pair = synthesizer.synthesize(frames, landmarks, rng)
        check_pair(pair, frames)
        if np.array_equal(pair.real, frames):
            return pair
    return replace(pair, real=frames)


def _mirrored(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    out = np.empty_like(frames)
    for frame, into in zip(frames, out, strict=True):
        cv2.flip(frame, 1, dst=into)
    return out


def _draw_mask_out(maps: NDArray[np.uint8], rng: np.random.Generator, settings: SampleSettings) -> MaskOut:
    if settings.augment and rng.random() < settings.mask_out:
        return mask_out(
            maps,
            intensity=float(rng.uniform(0.5, 1)),
            rng=rng,
            share=settings.mask_out_share,
        )
    return MaskOut(keep=np.ones(maps.shape[1:], np.uint8), labels=np.ones(len(maps)))
