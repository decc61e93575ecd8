"""Self-blended images: a face blended with a slightly altered copy of itself (Shiohara and Yamasaki, CVPR 2022).

The method is defined on single images. What is drawn, and how a face is cut out of a frame, are as in the code that the
authors released; the generator is ours, so that no sequence of draws is theirs. A clip is frames that are each blended by
draws of their own, which flicker as a forgery made frame by frame does: `over_clip=same` draws once for the whole clip.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dfbench import PseudoFake
from dfbench_synthesis.blending import draw_ratio, draw_released_softening
from dfbench_synthesis.clips import check_clip
from dfbench_synthesis.geometric import Elastic, Window, draw_affine
from dfbench_synthesis.hulls import HullKind
from dfbench_synthesis.options import chosen_of
from dfbench_synthesis.photometric import draw_blend_steps
from dfbench_synthesis.self_blend import BlendParameters, apply

NAME = "self_blended_image"
# How far the part of a frame that is blended reaches beyond the box of the 68 landmarks: left, up, right and down.
FACE_REACH = (0.5, 1.0, 0.5, 0.4)
WITHOUT_FOREHEAD = 0.25  # the share of hulls that are drawn around the 68 landmarks alone


def draw(rng: np.random.Generator, *, height: int, width: int) -> BlendParameters:
    """Draw the parameters for a face that was cut out as (height, width) pixels."""
    return BlendParameters(
        points=68 if rng.random() < WITHOUT_FOREHEAD else 81,
        hull=HullKind(int(rng.integers(len(HullKind)))),
        on_source=bool(rng.random() < 0.5),
        photometric=draw_blend_steps(rng),
        affine=draw_affine(rng, height, width),
        elastic=Elastic(seed=int(rng.integers(2**31 - 1))),
        softening=draw_released_softening(rng),
        ratio=draw_ratio(rng),
    )


def face_window(landmarks: NDArray[np.floating], shape: tuple[int, int]) -> Window:
    """The part of (H, W) frames that is blended; landmarks (T, n, 2), of which the first 68 count, of all frames together."""
    points = landmarks[:, :68].reshape(-1, 2)
    x0, y0, x1, y1 = (float(value) for value in (*points.min(axis=0), *points.max(axis=0)))
    return Window.about((x0, y0, x1, y1), shape, reach=FACE_REACH)


@dataclass(frozen=True, slots=True)
class SelfBlendedImage:
    """Makes self-blended images; `over_clip`: "each" frame is drawn for, or the "same" draws are for all of them."""

    over_clip: Literal["each", "same"] = "each"

    def synthesize(
        self, frames: NDArray[np.uint8], landmarks: NDArray[np.float32], rng: np.random.Generator
    ) -> PseudoFake:
        """Make a pseudo-fake of frames (T, H, W, 3) uint8 RGB with landmarks (T, 81, 2) float32 in their pixels.

        Raises SynthesisError for frames under 16 pixels, missing landmarks, or landmarks outside of the frames.
        """
        check_clip(frames, landmarks)
        if self.over_clip == "same":
            return _blended(frames, landmarks, rng)
        made = [_blended(frames[t : t + 1], landmarks[t : t + 1], rng) for t in range(len(frames))]
        return PseudoFake(
            real=np.concatenate([one.real for one in made]),
            fake=np.concatenate([one.fake for one in made]),
            mask=np.concatenate([one.mask for one in made]),
        )


def _blended(
    frames: NDArray[np.uint8], landmarks: NDArray[np.float32], rng: np.random.Generator
) -> PseudoFake:
    face = face_window(landmarks, (frames.shape[1], frames.shape[2]))
    return apply(frames, landmarks, draw(rng, height=face.height, width=face.width), face=face)


def build(options: Mapping[str, object]) -> SelfBlendedImage:
    """Build the synthesizer. Raises UsageError for an unknown option or value."""
    chosen = chosen_of(options, {"over_clip": ("each", "same")}, synthesizer=NAME)
    return SelfBlendedImage(**chosen)  # type: ignore[arg-type] # checked a line before
