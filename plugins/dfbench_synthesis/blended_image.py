"""Blended images: another person's face, found by its landmarks, with its colours matched and its edge feathered.

Source: Li et al., "Face X-ray for More General Face Forgery Detection" (CVPR 2020), section 3.2, and one of its authors' public
code for what the paper leaves open: who is searched, how the mask is deformed, and how wide its edge is. Other than there, the
found face is turned, moved and scaled onto the landmarks of the clip (`align=none` leaves it as it lies), because small data
sets have no face that fits by itself. In a clip, everything is drawn and found once, by its first frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from dfbench import OtherFaces, PseudoFake, SynthesisError, Synthesizer
from dfbench_synthesis.clips import check_clip
from dfbench_synthesis.feathering import feathered
from dfbench_synthesis.geometric import GridWarp, draw_grid_warp, similarity
from dfbench_synthesis.hulls import HullKind, hull_mask
from dfbench_synthesis.options import chosen_of

NAME = "blended_image"
SEARCHED = 5000  # faces, drawn among those of other people
_SIDE = 317  # of the crops for which kernels are given in pixels
_ERODE, _DILATE = 21, 5  # largest kernels, in such pixels
Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class ExchangeParameters:
    """What is drawn for one clip: the hull around the 68 landmarks, how it is deformed, and by a square kernel of how many
    pixels it is then eroded or dilated (0: neither)."""

    hull: HullKind
    warp: GridWarp
    morphology: Literal["erode", "dilate"]
    kernel: int


def draw(rng: np.random.Generator, *, side: int) -> ExchangeParameters:
    """Draw the parameters for frames of `side` pixels."""
    erodes = bool(rng.random() < 0.5)
    kernel = int(rng.integers(1, (_ERODE if erodes else _DILATE) + 1))
    return ExchangeParameters(
        hull=HullKind(int(rng.integers(len(HullKind)))),
        warp=draw_grid_warp(rng),
        morphology="erode" if erodes else "dilate",
        kernel=_odd(kernel * side / _SIDE),
    )


def nearest_face(landmarks: NDArray[np.floating], candidates: NDArray[np.floating]) -> int:
    """Which of the candidates (k, n, 2) is nearest to landmarks (n, 2), by the sum of the distances of its points."""
    return int(np.linalg.norm(candidates - landmarks, axis=2).sum(axis=1).argmin())


def binary_mask(
    landmarks: NDArray[np.floating], parameters: ExchangeParameters, shape: tuple[int, int]
) -> Pixels:
    """The part of a (H, W) frame that is exchanged, 0 or 1, before its edge is feathered; landmarks (n, 2)."""
    mask = parameters.warp.warp_mask(hull_mask(landmarks[:68], parameters.hull, shape))
    return eroded_or_dilated(mask, parameters.morphology, parameters.kernel)


def eroded_or_dilated(mask: Pixels, morphology: Literal["erode", "dilate"], kernel: int) -> Pixels:
    """A mask after an erosion or a dilation by a square of `kernel` pixels; 0 leaves it as it is."""
    if not kernel:
        return mask
    change = cv2.erode if morphology == "erode" else cv2.dilate
    return np.asarray(change(mask, np.ones((kernel, kernel), np.uint8)), np.uint8)


def matched(source: Pixels, target: Pixels, masks: Pixels) -> Pixels:
    """Frames `source` (T, H, W, 3) whose mean colour inside of masks (T, H, W) is that of `target`; truncated to uint8.

    The frames of a clip are moved by one colour together. Outside of the masks they are left as they are.
    """
    inside = masks > 0
    moved = source.copy()
    shift = target[inside].mean(axis=0) - source[inside].mean(axis=0)
    moved[inside] = np.clip(source[inside] + shift, 0, 255)
    return moved


def exchange(source: Pixels, target: Pixels, masks: Pixels) -> PseudoFake:
    """Blend the masked part of `source` into `target`, both (T, H, W, 3), with matched colours and a feathered edge."""
    fake, soft = target.copy(), np.zeros(masks.shape, np.float32)
    for frame, shares, front, mask in zip(fake, soft, matched(source, target, masks), masks, strict=True):
        feather = feathered(mask)
        inside = feather > 0
        share = feather[inside][:, None]  # in double precision, as the blend of the public code
        frame[inside] = share * front[inside] + (1 - share) * frame[inside]  # truncates
        shares[:] = feather
    return PseudoFake(target, fake, soft)


@dataclass(frozen=True, slots=True)
class BlendedImage:
    """Makes blended images, once it is told among whom to look for a face."""

    align: Literal["similarity", "none"] = "similarity"
    faces: OtherFaces | None = field(default=None, compare=False)

    def among(self, faces: OtherFaces) -> Synthesizer:
        """Return the synthesizer for clips of one person, whose faces are exchanged for some of `faces`."""
        return BlendedImage(self.align, faces)

    def synthesize(
        self, frames: Pixels, landmarks: NDArray[np.float32], rng: np.random.Generator
    ) -> PseudoFake:
        """Make a pseudo-fake of frames (T, H, W, 3) uint8 RGB with landmarks (T, 81, 2) float32 in their pixels.

        Raises SynthesisError for frames under 16 pixels, landmarks that are missing or outside of the frames, and where
        there is no face of another person.
        """
        check_clip(frames, landmarks)
        if self.faces is None or not len(self.faces):
            raise SynthesisError(
                "there is no face of another person to blend into this clip",
                hints=("train on videos of several people",),
            )
        drawn = rng.choice(len(self.faces), min(SEARCHED, len(self.faces)), replace=False)
        parameters = draw(rng, side=max(frames.shape[1:3]))
        found = nearest_face(landmarks[0, :68], self.faces.landmarks(drawn)[:, :68])
        others, points = self.faces.clip(int(drawn[found]), len(frames))
        source, shown = self._placed(others, points, landmarks)
        shape = (frames.shape[1], frames.shape[2])
        masks = np.stack([binary_mask(one, parameters, shape) for one in landmarks]) & shown
        if not masks.any(axis=(1, 2)).all():
            raise SynthesisError("nothing is left of the part of the face to exchange", hints=("draw again",))
        return exchange(source, frames, masks)

    def _placed(
        self, others: Pixels, points: NDArray[np.float32], landmarks: NDArray[np.float32]
    ) -> tuple[Pixels, Pixels]:
        """The other person's frames where the clip's landmarks are, and where their pixels come from the stored crop."""
        if self.align == "none":
            return others, np.ones(others.shape[:3], np.uint8)
        placed, shown = np.empty_like(others), np.empty(others.shape[:3], np.uint8)
        size = (others.shape[2], others.shape[1])
        whole = np.ones(others.shape[1:3], np.uint8)
        for frame, theirs, ours, into, there in zip(others, points, landmarks, placed, shown, strict=True):
            matrix = similarity(theirs[:68], ours[:68])
            cv2.warpAffine(
                frame, matrix, size, dst=into, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
            cv2.warpAffine(whole, matrix, size, dst=there, flags=cv2.INTER_NEAREST)
        return placed, shown


def build(options: Mapping[str, object]) -> BlendedImage:
    """Build the synthesizer. Raises UsageError for an unknown option or value."""
    chosen = chosen_of(options, {"align": ("similarity", "none")}, synthesizer=NAME)
    return BlendedImage(**chosen)  # type: ignore[arg-type] # checked a line before


def _odd(kernel: float) -> int:
    """The kernel in whole pixels, one more if that is even."""
    return max(1, round(kernel)) | 1
