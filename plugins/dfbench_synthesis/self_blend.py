"""A clip blended with an altered copy of itself: what is drawn for it, and what is made of frames by that.

Drawing is apart from applying: a synthesizer draws `BlendParameters`, and `apply` is a pure function of frames, landmarks and
parameters. Source: Shiohara and Yamasaki, "Detecting deepfakes with self-blended images" (CVPR 2022).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dfbench import PseudoFake
from dfbench_synthesis.blending import Softening, blend, soften
from dfbench_synthesis.geometric import Affine, Elastic, Window
from dfbench_synthesis.hulls import HullKind, hull_mask
from dfbench_synthesis.photometric import Step, apply_steps


@dataclass(frozen=True, slots=True)
class BlendParameters:
    """Everything that is drawn for one clip.

    The hull is drawn around the first `points` landmarks (81, or 68 without the forehead). `photometric` alters the
    source (foreground) if `on_source`, otherwise the target (background), which is then also what the real clip
    shows. The foreground, and the mask, are moved by `affine`; the mask alone by `elastic`.
    """

    hull: HullKind
    points: int
    photometric: tuple[Step, ...]
    on_source: bool
    affine: Affine
    elastic: Elastic
    softening: Softening
    ratio: float


def apply(
    frames: NDArray[np.uint8],
    landmarks: NDArray[np.floating],
    parameters: BlendParameters,
    *,
    face: Window | None = None,
) -> PseudoFake:
    """The pseudo-fake: frames (T, H, W, 3) uint8 RGB, landmarks (T, n, 2) in their pixels, n = 68 or 81.

    `face`: the part of the frames in which foreground and background meet, and about which the geometry of the parameters
    is meant; all of the frames, if there is none. The mask that is returned is the blending mask before `ratio`: it says
    where foreground and background meet, which is what the targets are about, whatever the strength. Raises SynthesisError
    if the hull of any frame is empty.
    """
    face = face or Window.whole(frames)
    altered = apply_steps(frames, parameters.photometric)
    source, target = (altered, frames) if parameters.on_source else (frames, altered)
    within = blending_masks(landmarks - (face.left, face.top), parameters, (face.height, face.width))
    # Outside of the mask, the fake is the target: the foreground is only computed where it shows.
    shown = Window.around(within)
    foreground = parameters.affine.warp_frames(face.of(source), shown)
    fake = target.copy()
    place = shown.of(face.of(fake))
    place[:] = blend(foreground, place, shown.of(within), parameters.ratio)
    masks = np.zeros(frames.shape[:3], np.float32)
    face.of(masks)[:] = within
    return PseudoFake(real=target, fake=fake, mask=masks)


def blending_masks(
    landmarks: NDArray[np.floating], parameters: BlendParameters, shape: tuple[int, int]
) -> NDArray[np.float32]:
    """The masks (T, H, W) in [0, 1] by which a clip of frames of `shape` is blended, before `ratio`; landmarks (T, n, 2).

    Raises SynthesisError if one is empty.
    """
    hulls = np.stack([hull_mask(points[: parameters.points], parameters.hull, shape) for points in landmarks])
    deformed = parameters.elastic.warp_masks(parameters.affine.warp_masks(hulls))
    return np.stack([soften(mask, parameters.softening) for mask in deformed])
