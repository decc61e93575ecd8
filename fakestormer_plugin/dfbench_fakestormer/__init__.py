"""FakeSTormer (ICCV 2025) as a dfbench plugin: the detector, its training, and its self-blended videos.

This module is what the entry point loads; it is data only and never imports torch.
"""

from __future__ import annotations

from dfbench import ClipSpec, DetectorSpec, SynthesizerSpec, hookimpl
from dfbench_fakestormer.commands import dfbench_commands

CITATION = (
    "Dat Nguyen, Marcella Astrid, Anis Kacem, Enjie Ghorbel, Djamila Aouada: Vulnerability-Aware Spatio-Temporal "
    "Learning for Generalizable Deepfake Video Detection, ICCV 2025"
)
# The clips of the demo recipe, and the maps; tests hold them equal to what recipes/demo.toml and the explainer say.
DEMO_CLIPS = ClipSpec(frames=2, size=144, per_video=6, margin=0.16)
PRECISIONS = ("32", "bf16", "int8")
MAPS = ("heatmap", "sensitivity", "attribution", "pixels", "temporal", "rollout", "gradient")


@hookimpl
def dfbench_detectors() -> list[DetectorSpec]:
    """FakeSTormer, and the same network before training."""
    return [
        DetectorSpec(
            name="fakestormer",
            summary="Vulnerability-aware spatio-temporal transformer, trained on real videos only.",
            card_file="dfbench_fakestormer.cards:fakestormer",
            build="dfbench_fakestormer.detector:build",
            version="5",
            method="dfbench_fakestormer.method:METHOD",
            describe="dfbench_fakestormer.checkpoints:describe",  # of the authors' checkpoints too
            explain="dfbench_fakestormer.explain:build",
            maps=MAPS,
            default_recipe="base_c23",
            precisions=PRECISIONS,
            scoring_fields=("test_margins",),
            recipe_for_weights=True,
        ),
        DetectorSpec(
            name="fakestormer-untrained",
            summary="FakeSTormer's demo network with random weights: what training has to beat.",
            card_file="dfbench_fakestormer.cards:untrained",
            build="dfbench_fakestormer.detector:untrained",
            explain="dfbench_fakestormer.explain:untrained",
            maps=MAPS,
            clips=DEMO_CLIPS,
            trained_on=frozenset(),
            version="4",
            precisions=PRECISIONS,
        ),
        DetectorSpec(
            name="timesformer",
            summary="FakeSTormer's backbone with a plain head, on the same samples: its natural ablation.",
            card_file="dfbench_fakestormer.cards:timesformer",
            method="dfbench_fakestormer.timesformer:METHOD",
        ),
    ]


@hookimpl
def dfbench_synthesizers() -> list[SynthesizerSpec]:
    """Self-blended videos."""
    return [
        SynthesizerSpec(
            name="self_blended_video",
            summary="Blends a face clip with an altered copy of itself, the same way in every frame.",
            licence="Apache-2.0",
            citation=CITATION,
            build="dfbench_fakestormer.synthesis:build",
            version="2",
        )
    ]


__all__ = [
    "CITATION",
    "DEMO_CLIPS",
    "dfbench_commands",
    "dfbench_detectors",
    "dfbench_synthesizers",
]
