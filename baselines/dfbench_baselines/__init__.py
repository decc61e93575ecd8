"""Baselines that every detector should be compared with.

Only specs live here: what they describe is imported when someone asks for it.
"""

from __future__ import annotations

from dfbench import ClipSpec, DetectorSpec, Pooling, hookimpl
from dfbench_synthesis import dfbench_synthesizers

_SBI = "Kaede Shiohara, Toshihiko Yamasaki: Detecting Deepfakes with Self-Blended Images, CVPR 2022"
_MESONET = (
    "Darius Afchar, Vincent Nozick, Junichi Yamagishi, Isao Echizen: MesoNet: a Compact Facial Video Forgery Detection"
    " Network, WIFS 2018"
)
_MESONET_CLIPS = ClipSpec(frames=1, size=256, per_video=32, margin=0.15)


@hookimpl
def dfbench_detectors() -> list[DetectorSpec]:
    """Offer the baselines."""
    return [
        DetectorSpec(
            name="chance",
            summary="Random scores that depend on nothing but the clip and the seed: the floor of every table.",
            build="dfbench_baselines.chance:ChanceDetector",
            licence="Apache-2.0",
            # The demo recipe of FakeSTormer wants the same twelve frames, so both share the prepared faces.
            clips=ClipSpec(frames=2, size=112, per_video=6, margin=0.25),
            trained_on=frozenset(),
        ),
        DetectorSpec(
            name="frame_cnn",
            summary="An image network of timm, trained on real and fake videos; it sees single frames.",
            method="dfbench_baselines.frames:METHOD",
            licence="Apache-2.0",
            clips=ClipSpec(frames=2, size=112, per_video=6, margin=0.16),
        ),
        DetectorSpec(
            name="meso4",
            summary="MesoNet's four convolutions, trained on real and fake videos; it sees single frames.",
            method="dfbench_baselines.mesonet:MESO4",
            recipes=("standard", "demo"),
            licence="Apache-2.0",
            citation=_MESONET,
            clips=_MESONET_CLIPS,
        ),
        DetectorSpec(
            name="mesoinception4",
            summary="MesoNet with two inception layers, trained on real and fake videos; it sees single frames.",
            method="dfbench_baselines.mesonet:MESOINCEPTION4",
            recipes=("standard", "demo"),
            licence="Apache-2.0",
            citation=_MESONET,
            clips=_MESONET_CLIPS,
        ),
        DetectorSpec(
            name="sbi",
            summary="EfficientNet-B4 on self-blended images, trained on real videos only; it sees single frames.",
            method="dfbench_baselines.sbi:METHOD",
            recipes=("standard", "demo"),
            licence="Apache-2.0",
            citation=_SBI,
            clips=ClipSpec(frames=1, size=380, per_video=32, margin=0.125, square=False),
            pooling=Pooling.MEAN_PROB,
        ),
    ]


__all__ = ["dfbench_detectors", "dfbench_synthesizers"]
