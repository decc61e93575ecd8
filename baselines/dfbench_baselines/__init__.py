"""Baselines that every detector should be compared with.

Only specs live here: what they describe is imported when someone asks for it.
"""

from __future__ import annotations

from dfbench import ClipSpec, DetectorSpec, hookimpl
from dfbench_baselines.clip_offers import clip_detectors
from dfbench_baselines.cue_offers import cue_detectors

# Networks of timm: name, method, and what it is.
_TIMM = (
    ("efficientnet_b4", "EFFICIENTNET_B4", "EfficientNet-B4"),
    ("resnet50", "RESNET50", "ResNet-50"),
    ("convnext_tiny", "CONVNEXT_TINY", "ConvNeXt-T"),
    ("vit_b16", "VIT_B16", "ViT-B/16"),
    ("swin_small", "SWIN_SMALL", "Swin-S"),
)


@hookimpl
def dfbench_detectors() -> list[DetectorSpec]:
    """Offer the baselines."""
    return [
        *_no_skill(),
        *_image_networks(),
        *_small_networks(),
        *_frequencies(),
        *_foundation_models(),
        *clip_detectors(),
    ]


def _no_skill() -> list[DetectorSpec]:
    return [
        DetectorSpec(
            name="chance",
            summary="Random scores that depend on nothing but the clip and the seed: the floor of every table.",
            build="dfbench_baselines.chance:ChanceDetector",
            card_file="dfbench_baselines.cards:chance",
            # The demo recipe of FakeSTormer wants the same twelve frames, so both share the prepared faces.
            clips=ClipSpec(frames=2, size=112, per_video=6, margin=0.25),
            trained_on=frozenset(),
        ),
        *cue_detectors(),
    ]


def _image_networks() -> list[DetectorSpec]:
    return [
        _trained(
            "frame_cnn",
            "An image network of timm, trained on real and fake videos; it sees single frames.",
            "frames:METHOD",
        ),
        _trained(
            "xception",
            "Xception on single frames, trained on real and fake videos: what FaceForensics++ compares with.",
            "xception:METHOD",
            recipe="standard",
        ),
        *(
            _trained(
                name,
                f"{title} on single frames, trained on real and fake videos.",
                f"timm_frames:{method}",
                recipe="standard",
            )
            for name, method, title in _TIMM
        ),
        DetectorSpec(
            name="timm",
            family=True,
            summary="Any image network of timm on single frames, trained on real and fake videos.",
            method="dfbench_baselines.timm_frames:member",
            card_file="dfbench_baselines.cards:timm",
        ),
        DetectorSpec(
            name="probe",
            family=True,
            summary="Features of any frozen image network of timm, and a logistic regression on them: what no training gives.",
            method="dfbench_baselines.probe:member",
            card_file="dfbench_baselines.cards:probe",
        ),
    ]


def _small_networks() -> list[DetectorSpec]:
    return [
        _trained(
            "meso4",
            "MesoNet's four convolutions, trained on real and fake videos; it sees single frames.",
            "mesonet:MESO4",
            recipe="standard",
        ),
        _trained(
            "mesoinception4",
            "MesoNet with two inception layers, trained on real and fake videos; it sees single frames.",
            "mesonet:MESOINCEPTION4",
            recipe="standard",
        ),
    ]


def _frequencies() -> list[DetectorSpec]:
    return [
        _trained(
            "f3net",
            "Xception on four frequency bands of single frames, trained on real and fake videos.",
            "f3net:METHOD",
        ),
        _trained(
            "spsl",
            "Xception on single frames and the phase of their spectra, trained on real and fake videos.",
            "spsl:METHOD",
        ),
        _trained(
            "srm",
            "Two Xceptions on single frames and their noise residuals, trained on real and fake videos.",
            "srm:METHOD",
        ),
        _trained(
            "sbi",
            "EfficientNet-B4 on self-blended images, trained on real videos only; it sees single frames.",
            "sbi:METHOD",
            recipe="standard",
        ),
    ]


def _foundation_models() -> list[DetectorSpec]:
    return [
        _trained(
            "gend",
            "GenD: layer norms of a CLIP transformer and a head on features of length one; it sees single frames.",
            "foundation:GEND",
            recipe="clip_l14",
        ),
        _trained(
            "effort",
            "Effort: the smallest singular values of a CLIP transformer's attention; it sees single frames.",
            "foundation:EFFORT",
            recipe="clip_l14",
        ),
    ]


def _trained(name: str, summary: str, method: str, *, recipe: str = "") -> DetectorSpec:
    """Return the spec of a detector that dfbench trains by a method of this package, such as "frames:METHOD".

    `recipe`: the default, where there are several beside that for made corpora.
    """
    return DetectorSpec(
        name=name,
        summary=summary,
        method=f"dfbench_baselines.{method}",
        default_recipe=recipe,
        card_file=f"dfbench_baselines.cards:{name}",
    )
