"""Baselines that every detector should be compared with.

Only specs live here: what they describe is imported when someone asks for it.
"""

from __future__ import annotations

from dfbench import ClipSpec, DetectorSpec, hookimpl
from dfbench_baselines.clip_offers import clip_detectors
from dfbench_baselines.cue_offers import cue_detectors

_SBI = "Kaede Shiohara, Toshihiko Yamasaki: Detecting Deepfakes with Self-Blended Images, CVPR 2022"
_MESONET = (
    "Darius Afchar, Vincent Nozick, Junichi Yamagishi, Isao Echizen: MesoNet: a Compact Facial Video Forgery Detection"
    " Network, WIFS 2018"
)
_FFPP = (
    "Andreas Rossler, Davide Cozzolino, Luisa Verdoliva, Christian Riess, Justus Thies, Matthias Niessner:"
    " FaceForensics++: Learning to Detect Manipulated Facial Images, ICCV 2019"
)
_F3NET = (
    "Yuyang Qian, Guojun Yin, Lu Sheng, Zixuan Chen, Jing Shao: Thinking in Frequency: Face Forgery Detection by Mining"
    " Frequency-Aware Clues, ECCV 2020"
)
_SPSL = (
    "Honggu Liu, Xiaodan Li, Wenbo Zhou, Yuefeng Chen, Yuan He, Hui Xue, Weiming Zhang, Nenghai Yu: Spatial-Phase Shallow"
    " Learning: Rethinking Face Forgery Detection in Frequency Domain, CVPR 2021"
)
_SRM = "Yuchen Luo, Yong Zhang, Junchi Yan, Wei Liu: Generalizing Face Forgery Detection with High-frequency Features, CVPR 2021"
_GEND = "Andrii Yermakov, Jan Cech, Jiri Matas, Mario Fritz: Deepfake Detection that Generalizes Across Benchmarks, 2025"
_EFFORT = "Zhiyuan Yan et al.: Orthogonal Subspace Decomposition for Generalizable AI-Generated Image Detection, ICML 2025"
# Networks of timm: name, method, what it is, and the paper whose values it has.
_TIMM = (
    (
        "efficientnet_b4",
        "EFFICIENTNET_B4",
        "EfficientNet-B4",
        "Mingxing Tan, Quoc V. Le: EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, ICML 2019",
    ),
    (
        "resnet50",
        "RESNET50",
        "ResNet-50",
        "Sheng-Yu Wang, Oliver Wang, Richard Zhang, Andrew Owens, Alexei A. Efros: CNN-generated images are surprisingly easy"
        " to spot... for now, CVPR 2020",
    ),
    (
        "convnext_tiny",
        "CONVNEXT_TINY",
        "ConvNeXt-T",
        "Zhuang Liu, Hanzi Mao, Chao-Yuan Wu, Christoph Feichtenhofer, Trevor Darrell, Saining Xie: A ConvNet for the 2020s,"
        " CVPR 2022",
    ),
    (
        "vit_b16",
        "VIT_B16",
        "ViT-B/16",
        "Alexey Dosovitskiy et al.: An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale, ICLR 2021",
    ),
    (
        "swin_small",
        "SWIN_SMALL",
        "Swin-S",
        "Ze Liu, Yutong Lin, Yue Cao, Han Hu, Yixuan Wei, Zheng Zhang, Stephen Lin, Baining Guo: Swin Transformer:"
        " Hierarchical Vision Transformer using Shifted Windows, ICCV 2021",
    ),
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
            licence="Apache-2.0",
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
            _FFPP,
            recipe="standard",
        ),
        *(
            _trained(
                name,
                f"{title} on single frames, trained on real and fake videos.",
                f"timm_frames:{method}",
                citation,
            )
            for name, method, title, citation in _TIMM
        ),
        DetectorSpec(
            name="timm",
            family=True,
            summary="Any image network of timm on single frames, trained on real and fake videos.",
            method="dfbench_baselines.timm_frames:member",
            licence="Apache-2.0",
        ),
    ]


def _small_networks() -> list[DetectorSpec]:
    return [
        _trained(
            "meso4",
            "MesoNet's four convolutions, trained on real and fake videos; it sees single frames.",
            "mesonet:MESO4",
            _MESONET,
        ),
        _trained(
            "mesoinception4",
            "MesoNet with two inception layers, trained on real and fake videos; it sees single frames.",
            "mesonet:MESOINCEPTION4",
            _MESONET,
        ),
    ]


def _frequencies() -> list[DetectorSpec]:
    return [
        _trained(
            "f3net",
            "Xception on four frequency bands of single frames, trained on real and fake videos.",
            "f3net:METHOD",
            _F3NET,
        ),
        _trained(
            "spsl",
            "Xception on single frames and the phase of their spectra, trained on real and fake videos.",
            "spsl:METHOD",
            _SPSL,
        ),
        _trained(
            "srm",
            "Two Xceptions on single frames and their noise residuals, trained on real and fake videos.",
            "srm:METHOD",
            _SRM,
        ),
        _trained(
            "sbi",
            "EfficientNet-B4 on self-blended images, trained on real videos only; it sees single frames.",
            "sbi:METHOD",
            _SBI,
            recipe="standard",
        ),
    ]


def _foundation_models() -> list[DetectorSpec]:
    return [
        _trained(
            "gend",
            "GenD: layer norms of a CLIP transformer and a head on features of length one; it sees single frames.",
            "foundation:GEND",
            _GEND,
            recipe="clip_l14",
        ),
        _trained(
            "effort",
            "Effort: the smallest singular values of a CLIP transformer's attention; it sees single frames.",
            "foundation:EFFORT",
            _EFFORT,
            recipe="clip_l14",
        ),
    ]


def _trained(name: str, summary: str, method: str, citation: str = "", *, recipe: str = "") -> DetectorSpec:
    """Return the spec of a detector that dfbench trains by a method of this package, such as "frames:METHOD".

    `recipe`: the default, where there are several beside that for made corpora.
    """
    return DetectorSpec(
        name=name,
        summary=summary,
        method=f"dfbench_baselines.{method}",
        default_recipe=recipe,
        licence="Apache-2.0",
        citation=citation,
    )
