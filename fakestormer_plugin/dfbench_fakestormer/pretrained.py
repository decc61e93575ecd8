"""The weights that a training starts from: another FakeSTormer, or an image transformer such as MAE's ViT-B/16.

What an image transformer has is copied; what it lacks begins such that time plays no part at first: the layer after
temporal attention is zero, and so are the embeddings of time. Source: the initialisation of the released code, whose
outcome for every parameter is stored in the golden numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from dfbench import LoadOptions, Started, StartWeights, WeightsError
from dfbench.training import UNKNOWN, read_start, require_finite
from dfbench_fakestormer.checkpoints import describe, fitted
from dfbench_fakestormer.method import WAYS_OUT

if TYPE_CHECKING:
    from torch import Tensor

    from dfbench_fakestormer.model import FakeSTormerNet

_HINTS = ("use the recipe that it was made for",)
TEMPORAL_TOKEN_STD = 1e-6
# Of an image transformer: what its own head and decoder consist of.
_UNUSED = ("decoder_", "head.", "fc_norm.", "mask_token")
# Absent from some exports, and then left at one and zero.
_OPTIONAL = ("norm.weight", "norm.bias")


def start_from(net: FakeSTormerNet, weights: StartWeights) -> Started:
    """Give `net` weights to start from, and return what is known of them.

    They are in a file (.safetensors, or .pth and the like), read as `timm:MODEL` where timm reads it as weights of MODEL.
    Raises WeightsError for a file that is missing, unsafe or does not fit, UsageError for a way to read it that is unknown.
    """
    path = weights.path
    state = read_start(weights)
    if any(key.startswith("backbone.") for key in state):
        says = _whole(net, state, path)
        card = describe(LoadOptions(path))  # raises WeightsError without a header
        # What nobody knows stays unknown in the header of what begins with it: no dataset is called so.
        return Started(says, card.trained_on or frozenset({UNKNOWN}), card.corpora)
    if any(key.startswith("encoder.") for key in state):
        state = {k.removeprefix("encoder."): v for k, v in state.items() if k.startswith("encoder.")}
    return Started(_image_transformer(net, state, path))


def _whole(net: FakeSTormerNet, state: Mapping[str, Tensor], path: Path) -> str:
    fit = fitted(
        net.state_dict(), state, says=f"{path} does not fit", hints=_HINTS, positions="backbone.pos_embed"
    )
    require_finite(fit, origin=path, hints=WAYS_OUT)
    net.load_state_dict(fit)
    return f"starting from the whole network in {path}"


def _image_transformer(net: FakeSTormerNet, state: Mapping[str, Tensor], path: Path) -> str:
    backbone = net.backbone
    if net.config.stem != "patch":
        raise WeightsError(
            f"{path} holds an image transformer, and this recipe's stem is '{net.config.stem}'",
            hints=("use a recipe with stem 'patch', such as base_c23",),
        )
    own = {k: v for k, v in backbone.state_dict().items() if not _is_temporal(k)}
    given = {k: v for k, v in state.items() if not k.startswith(_UNUSED)}
    for key in _OPTIONAL:
        given.setdefault(key, own[key])
    fit = fitted(own, given, says=f"{path} does not fit", hints=_HINTS, positions="pos_embed")
    require_finite(fit, origin=path, hints=WAYS_OUT)
    backbone.load_state_dict(fit, strict=False)
    with torch.no_grad():
        backbone.time_embed.zero_()
        backbone.temp_token.mul_(TEMPORAL_TOKEN_STD / 0.02)
        for block in backbone.blocks:
            fc = block.temporal_fc
            assert isinstance(fc, nn.Linear)
            fc.weight.zero_()
            fc.bias.zero_()
    return (
        f"starting from the image transformer in {path}: {len(own)} tensors copied, time and heads begin anew"
    )


def _is_temporal(key: str) -> bool:
    """Whether an image transformer has no counterpart of this tensor of the backbone."""
    return "temporal_" in key or key in ("temp_token", "time_embed") or key.startswith(("norm_s", "norm_t"))
