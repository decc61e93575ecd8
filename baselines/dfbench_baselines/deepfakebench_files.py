"""Checkpoints of DeepfakeBench's frame detectors, and of FaceForensics++: whose each is, and how its tensors are called.

Their outputs are "real" and "fake", in this order. All keep tensors that no score depends on: `adjust_channel`, and constants
such as matrices of cosines, which the networks here compute.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from dfbench.training import Released, one_logit, renamed
from dfbench_baselines.sbi_files import as_timm

if TYPE_CHECKING:
    from torch import Tensor

_UNUSED = "adjust_channel."
_F3NET, _SRM = "FAD_head.filters.0.learnable", "srm_sa.conv.0.weight"
_FIRST = "backbone.conv1.weight"
_BANDS = 4
# Parts of SRM by what DeepfakeBench calls them.
_SRM_PARTS = {
    "backbone_rgb.last_linear.": "rgb.fc.",
    "backbone_srm.last_linear.": "noise.fc.",
    "backbone_rgb.": "rgb.",
    "backbone_srm.": "noise.",
    "srm_conv1.out_conv.": "residuals1.mixing.",
    "srm_conv2.out_conv.": "residuals2.mixing.",
    "srm_sa.conv.": "attention.layers.",
    "srm_sa.pa.conv.": "attention.weighing.",
    "srm_sa_post.": "attended.",
    "dual_cma0.": "cross1.",
    "dual_cma1.": "cross2.",
    "fusion.convblk.": "fusion.mixing.",
    "fusion.ca.sharedMLP.": "fusion.weighing.",
}
_SRM_CONSTANTS = ("blur.", "srm_conv0.", "srm_conv1.kernel", "srm_conv2.kernel", "srm_sa.srm.")

# Of Meso4 and MesoInception4: in which of our layers each of DeepfakeBench's lies, by its number, and their heads.
_HEAD = {"backbone.fc1.": "hidden.", "backbone.fc2.": "output."}
_MESO4_PARTS = {
    **{f"backbone.conv{number}.": f"layers.{number - 1}.0." for number in (1, 2, 3, 4)},
    **{f"backbone.bn{number}.": f"norms.{number - 1}." for number in (1, 2)},
    **_HEAD,
}
_BRANCHES = {
    "conv1": "0.0",
    **{f"conv{branch}_{conv}": f"{branch - 1}.{conv - 1}" for branch in (2, 3, 4) for conv in (1, 2)},
}
_MESOINCEPTION4_PARTS = {
    **{
        f"backbone.Incption{number}_{theirs}.": f"layers.{number - 1}.branches.{ours}."
        for number in (1, 2)
        for theirs, ours in _BRANCHES.items()
    },
    **{f"backbone.Incption{number}_bn.": f"norms.{number - 1}." for number in (1, 2)},
    **{f"backbone.conv{number}.": f"layers.{number + 1}.0." for number in (1, 2)},
    "backbone.bn1.": "norms.2.",
    **_HEAD,
}


def xception_tensors(state: Mapping[str, Tensor], *, inside: str) -> dict[str, Tensor]:
    """Return the tensors of the Xception whose names begin with `inside`, by timm's names.

    Its last layer may stand behind a dropout.
    """
    mine = {name.removeprefix(inside): value for name, value in state.items() if name.startswith(inside)}
    prefixes = {"last_linear.1.": "fc.", "last_linear.": "fc."}
    return renamed(mine, prefixes, dropped=(_UNUSED,))


def _xception(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return xception_tensors(state, inside="backbone.")


def _spsl(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"backbone.{name}": value for name, value in xception_tensors(state, inside="backbone.").items()}


def _f3net(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    import torch

    bands = [state[f"FAD_head.filters.{band}.learnable"] for band in range(_BANDS)]
    backbone = xception_tensors(state, inside="backbone.")
    return {
        **{f"backbone.{name}": value for name, value in backbone.items()},
        "decomposition.learnable": torch.stack(bands),
    }


def _srm(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    kept = {name: value for name, value in state.items() if _UNUSED not in name}
    return renamed(kept, _SRM_PARTS, dropped=_SRM_CONSTANTS)


def _efficientnet(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    theirs = renamed(state, {"backbone.efficientnet.": "", "backbone.last_layer.": "_fc."})
    return one_logit(as_timm(theirs), "classifier")


def _meso4(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return _real_logit(renamed(state, _MESO4_PARTS))


def _mesoinception4(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return _real_logit(renamed(state, _MESOINCEPTION4_PARTS))


def _real_logit(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Make the outputs for "real" and "fake" one logit, of "real": that is what networks of MesoNet give here."""
    return one_logit(state, "output", fake=0)


def _ffpp(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return xception_tensors(state, inside="")  # "model." is taken off by whoever reads the file


def _kind(
    what: str,
    tells: tuple[str, ...],
    convert: Callable[[Mapping[str, Tensor]], dict[str, Tensor]],
    *,
    recipe: str = "standard",
    channels: int = 0,
) -> Released:
    """`channels`: those that the first kernel sees, where another kind has tensors of the same names."""
    seen = {_FIRST: channels} if channels else {}
    return Released(says=what, recipe=recipe, tells=tells, convert=convert, channels=seen)


# Of CORE, which trains the same network by another loss, the checkpoint has the same tensors.
_PLAIN = (_FIRST, "backbone.last_linear.*", "backbone.adjust_channel.*")
XCEPTION_FILES = (
    _kind("DeepfakeBench's Xception, or CORE", _PLAIN, _xception, channels=3),
    Released(
        says="FaceForensics++'s Xception (the state of its TransferModel)",
        recipe="ffpp",
        tells=("conv1.weight", "last_linear.*", "block12.*"),
        convert=_ffpp,
    ),
)
SPSL_FILES = (_kind("DeepfakeBench's SPSL", _PLAIN, _spsl, channels=4),)
F3NET_FILES = (_kind("DeepfakeBench's F3-Net", (_F3NET, _FIRST), _f3net),)
SRM_FILES = (_kind("DeepfakeBench's SRM", (_SRM, "backbone_rgb.*", "backbone_srm.*"), _srm),)
EFFICIENTNET_FILES = (
    _kind(
        "DeepfakeBench's EfficientNet-B4",
        ("backbone.efficientnet._conv_stem.weight", "backbone.last_layer.*"),
        _efficientnet,
        recipe="deepfakebench",
    ),
)
MESO4_FILES = (
    _kind(
        "DeepfakeBench's Meso4", ("backbone.conv4.weight", "backbone.fc2.*"), _meso4, recipe="deepfakebench"
    ),
)
MESOINCEPTION4_FILES = (
    _kind(
        "DeepfakeBench's MesoInception4",
        ("backbone.Incption1_bn.weight", "backbone.fc2.*"),
        _mesoinception4,
        recipe="deepfakebench",
    ),
)
