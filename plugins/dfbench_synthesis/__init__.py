"""Synthesizers of pseudo-fakes that no detector owns, and the parts that such are made of: hulls of faces, photometric and
geometric steps, soft masks, blends.

Bundled plugins may import the other modules; this one is data only and imports neither OpenCV nor SciPy.
"""

from __future__ import annotations

from dfbench import SynthesizerSpec, hookimpl


@hookimpl
def dfbench_synthesizers() -> list[SynthesizerSpec]:
    """Offer the synthesizers of single images."""
    return [
        SynthesizerSpec(
            name="self_blended_image",
            summary="Blends a face with an altered copy of itself, each frame for itself.",
            licence="Apache-2.0",
            citation="Kaede Shiohara, Toshihiko Yamasaki: Detecting Deepfakes with Self-Blended Images, CVPR 2022",
            build="dfbench_synthesis.self_blended_image:build",
        ),
        SynthesizerSpec(
            name="blended_image",
            summary="Blends another person's face, the nearest by its landmarks, into a face clip.",
            licence="Apache-2.0",
            citation="Lingzhi Li, Jianmin Bao, Ting Zhang, Hao Yang, Dong Chen, Fang Wen, Baining Guo: Face X-ray for More "
            "General Face Forgery Detection, CVPR 2020",
            build="dfbench_synthesis.blended_image:build",
        ),
    ]
