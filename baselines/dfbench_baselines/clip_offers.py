"""The specs of the detectors that see clips: data alone."""

from __future__ import annotations

from dfbench import DetectorSpec

_LIBRARY = (
    "Haoqi Fan et al.: PyTorchVideo: A Deep Learning Library for Video Understanding, ACM Multimedia 2021"
)
_X3D = "Christoph Feichtenhofer: X3D: Expanding Architectures for Efficient Video Recognition, CVPR 2020"
_SLOWFAST = "Christoph Feichtenhofer, Haoqi Fan, Jitendra Malik, Kaiming He: SlowFast Networks for Video Recognition, ICCV 2019"
_R2PLUS1D = (
    "Du Tran, Heng Wang, Lorenzo Torresani, Jamie Ray, Yann LeCun, Manohar Paluri: A Closer Look at Spatiotemporal"
    " Convolutions for Action Recognition, CVPR 2018"
)
_CSN = (
    "Du Tran, Heng Wang, Lorenzo Torresani, Matt Feiszli: Video Classification with Channel-Separated Convolutional"
    " Networks, ICCV 2019"
)
_MVIT = (
    "Haoqi Fan, Bo Xiong, Karttikeya Mangalam, Yanghao Li, Zhicheng Yan, Jitendra Malik, Christoph Feichtenhofer:"
    " Multiscale Vision Transformers, ICCV 2021"
)
_I3D = "Joao Carreira, Andrew Zisserman: Quo Vadis, Action Recognition? A New Model and the Kinetics Dataset, CVPR 2017"
_VIDEOMAE = (
    "Zhan Tong, Yibing Song, Jue Wang, Limin Wang: VideoMAE: Masked Autoencoders are Data-Efficient Learners for"
    " Self-Supervised Video Pre-Training, NeurIPS 2022"
)
UNPUBLISHED = "no figure for it is known that was published after training on FF++"


def clip_detectors() -> list[DetectorSpec]:
    """Return the specs of the networks of pytorchvideo, and of VideoMAE."""
    return [
        _spec("x3d_s", "X3D-S, small 3D convolutions", _X3D),
        _spec("x3d_m", "X3D-M, small 3D convolutions", _X3D),
        _spec("slow_r50", "The slow pathway of SlowFast, a 3D ResNet-50", _SLOWFAST),
        _spec("slowfast_r50", "SlowFast, a 3D ResNet-50 with a pathway for motion", _SLOWFAST),
        _spec("r2plus1d_r50", "R(2+1)D, a ResNet-50 that convolves space, then time", _R2PLUS1D),
        _spec("csn_r101", "CSN, a ResNet-101 that convolves each channel alone", _CSN),
        _spec("mvit_base_16x4", "MViT-B, a multiscale transformer", _MVIT),
        _spec("i3d_r50", "I3D, an inflated ResNet-50", _I3D),
        DetectorSpec(
            name="pytorchvideo",
            family=True,
            summary=f"Any clip network of pytorchvideo, trained on clips of real and fake videos; {UNPUBLISHED}.",
            method="dfbench_baselines.clips:member",
            licence="Apache-2.0",
            citation=_LIBRARY,
        ),
        DetectorSpec(
            name="videomae",
            summary=f"VideoMAE's transformer on tubelets, trained on clips of real and fake videos; {UNPUBLISHED}.",
            method="dfbench_baselines.videomae:METHOD",
            default_recipe="standard",
            licence="Apache-2.0",
            citation=_VIDEOMAE,
        ),
    ]


def _spec(name: str, what: str, citation: str) -> DetectorSpec:
    return DetectorSpec(
        name=name,
        summary=f"{what}, trained on clips of real and fake videos; {UNPUBLISHED}.",
        method=f"dfbench_baselines.clips:{name.upper()}",
        default_recipe="standard",
        licence="Apache-2.0",
        citation=f"{citation}; {_LIBRARY}",
    )
