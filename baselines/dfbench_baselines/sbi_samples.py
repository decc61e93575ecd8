"""SBI's samples: what is done to a real face and its self-blended image before the network sees them.

Source: the authors' published code, as of 2023. A pair is mirrored in every second sample before it is made, and altered and
cropped in one way afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from dfbench import SynthesisError
from dfbench.training import FaceClip, Sample, SampleMaker, check_pair
from dfbench_synthesis.geometric import Window
from dfbench_synthesis.landmarks import mirror_landmarks
from dfbench_synthesis.photometric import apply_steps, draw_final_steps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dfbench import Synthesizer
    from dfbench_baselines.sbi import SbiRecipe

MIRRORED = 0.5
DRAWN = (0.4, 1.6)  # the ends of what a drawn margin is, in units of that of scoring


def sample_maker(recipe: SbiRecipe, synthesizer: Synthesizer | None, *, training: bool) -> SampleMaker:
    """Build the maker of samples: pairs, or clips with their label where the training is on real fakes."""

    def make(clip: FaceClip, rng: np.random.Generator) -> Sample:
        if training and rng.random() < MIRRORED:
            clip = mirrored(clip)
        if training and recipe.fakes == "real":
            return Sample(view(clip.frames, recipe, rng)[None], np.array([int(clip.label)], np.int64))
        assert synthesizer is not None  # the trainer refuses to go without
        pair = synthesizer.synthesize(clip.frames, clip.landmarks, rng)
        check_pair(pair, clip.frames)
        both = view(np.concatenate([pair.real, pair.fake]), recipe, rng if training else None)
        clips = both.reshape(2, -1, *both.shape[1:])
        if np.array_equal(clips[0], clips[1]):
            raise SynthesisError(
                "the pseudo-fake does not differ from its original in the sample", hints=("draw again",)
            )
        return Sample(clips, np.array([0, 1], np.int64))

    return make


def mirrored(clip: FaceClip) -> FaceClip:
    """The mirror image of a clip, with its landmarks if it has any."""
    frames = np.ascontiguousarray(clip.frames[:, :, ::-1])
    landmarks = clip.landmarks
    if landmarks.shape[1]:
        landmarks = mirror_landmarks(landmarks, frames.shape[2]).astype(np.float32)
    return FaceClip(frames, landmarks, clip.label)


def view(frames: NDArray[np.uint8], recipe: SbiRecipe, rng: np.random.Generator | None) -> NDArray[np.uint8]:
    """Frames (n, C, C, 3) as the network sees them, (n, S, S, 3): all in one way, and without `rng` as for scoring."""
    shares = np.ones(4)
    if rng is not None:
        frames = apply_steps(frames, draw_final_steps(rng))
        shares = rng.uniform(*DRAWN, size=4)
    left, right, up, down = (float(share) for share in recipe.clip_margin * shares)
    side = frames.shape[1]
    # Rounded, as a whole pixel must not be lost to the last bit.
    first = round(side * recipe.train_margin / (1 + 2 * recipe.train_margin), 6)
    last = side - first
    box = (first, first, last, last)  # of the face, in a crop that reaches `train_margin` beyond it
    return cut(frames, Window.about(box, (side, side), reach=(left, up, right, down)), recipe.size)


def cut(frames: NDArray[np.uint8], window: Window, size: int) -> NDArray[np.uint8]:
    """A part of frames (n, H, W, 3), enlarged or shrunk to (n, size, size, 3) by bilinear samples."""
    return np.stack([np.asarray(cv2.resize(frame, (size, size)), np.uint8) for frame in window.of(frames)])
