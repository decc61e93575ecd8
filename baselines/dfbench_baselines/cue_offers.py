"""The specs of the detectors that look at cheap cues alone: data, and no code."""

from __future__ import annotations

from dfbench import ClipSpec, DetectorSpec

# Twelve frames of a video, which the demo recipes of the others score, so that no face is prepared for these alone.
CUE_CLIPS = ClipSpec(frames=2, size=96, per_video=6, margin=0.0)


def cue_detectors() -> list[DetectorSpec]:
    """Return the specs of what every detector must beat beside chance."""
    return [
        DetectorSpec(
            name="sharpness",
            summary="How soft the face is, and no more: the variance of its Laplacian; nothing is learned.",
            build="dfbench_baselines.sharpness:SharpnessDetector",
            card_file="dfbench_baselines.cards:sharpness",
            clips=CUE_CLIPS,
            trained_on=frozenset(),
        ),
        DetectorSpec(
            name="metadata",
            summary="What files give away: a logistic regression on size, bit rate, frame rate, resolution, duration, codec.",
            build="dfbench_baselines.metadata:build",
            describe="dfbench_baselines.metadata:describe",
            trainer="dfbench_baselines.metadata:make_trainer",
            recipes=("standard",),
            default_recipe="standard",
            needs_weights=True,
            card_file="dfbench_baselines.cards:metadata",
            clips=CUE_CLIPS,
        ),
    ]
