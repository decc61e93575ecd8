"""The checkpoints that the authors of SBI publish, in the names of timm.

Their EfficientNet-B4 is of the package efficientnet_pytorch, which numbers all blocks in one row, and calls the layers of a block
otherwise. At 380 pixels both pad alike; at other sizes the package pads as it would at 380.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_IN_BLOCK = re.compile(r"_blocks\.(\d{1,3})\.(\w+)\.(.+)", re.ASCII)
_STAGES = (2, 4, 4, 6, 6, 8, 2)  # blocks of each stage of an EfficientNet-B4
_OUTSIDE = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
_SQUEEZE = {"_depthwise_conv": "conv_dw", "_se_reduce": "se.conv_reduce", "_se_expand": "se.conv_expand"}
# Blocks of the first stage do not widen their input first, so that their layers are counted from the depthwise one.
_FIRST = {**_SQUEEZE, "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_LATER = {
    **_SQUEEZE,
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


def as_timm(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors with the names of timm's `tf_efficientnet_b4`; other layers keep theirs, and fit no network."""
    return {timm_name(name): value for name, value in state.items()}


def timm_name(name: str) -> str:
    """Return timm's name of a tensor: "blocks.1.0.conv_dw.weight" for "_blocks.2._depthwise_conv.weight"."""
    inside = _IN_BLOCK.fullmatch(name)
    if inside is None:
        layer, _, rest = name.partition(".")
        return f"{_OUTSIDE.get(layer, layer)}.{rest}"
    block, layer, rest = int(inside[1]), inside[2], inside[3]
    first_of = (0, *accumulate(_STAGES))
    stage = sum(block >= after for after in first_of[1:-1])
    layers = _FIRST if stage == 0 else _LATER
    return f"blocks.{stage}.{block - first_of[stage]}.{layers.get(layer, layer)}.{rest}"
