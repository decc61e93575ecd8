"""The specs of the detectors that see clips: data alone."""

from __future__ import annotations

from dfbench import DetectorSpec


def clip_detectors() -> list[DetectorSpec]:
    """Return the specs of the networks of pytorchvideo, and of VideoMAE."""
    return [
        _spec("x3d_s", "X3D-S, small 3D convolutions"),
        _spec("x3d_m", "X3D-M, small 3D convolutions"),
        _spec("slow_r50", "The slow pathway of SlowFast, a 3D ResNet-50"),
        _spec("slowfast_r50", "SlowFast, a 3D ResNet-50 with a pathway for motion"),
        _spec("r2plus1d_r50", "R(2+1)D, a ResNet-50 that convolves space, then time"),
        _spec("csn_r101", "CSN, a ResNet-101 that convolves each channel alone"),
        _spec("mvit_base_16x4", "MViT-B, a multiscale transformer"),
        _spec("i3d_r50", "I3D, an inflated ResNet-50"),
        DetectorSpec(
            name="pytorchvideo",
            family=True,
            summary="Any clip network of pytorchvideo, trained on clips of real and fake videos.",
            method="dfbench_baselines.clips:member",
            card_file="dfbench_baselines.cards:pytorchvideo",
        ),
        DetectorSpec(
            name="videomae",
            summary="VideoMAE's transformer on tubelets, trained on clips of real and fake videos.",
            method="dfbench_baselines.videomae:METHOD",
            default_recipe="standard",
            card_file="dfbench_baselines.cards:videomae",
        ),
    ]


def _spec(name: str, what: str) -> DetectorSpec:
    return DetectorSpec(
        name=name,
        summary=f"{what}, trained on clips of real and fake videos.",
        method=f"dfbench_baselines.clips:{name.upper()}",
        default_recipe="standard",
        card_file=f"dfbench_baselines.cards:{name}",
    )
