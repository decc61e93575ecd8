"""Weights of foundation models and of detectors on them, as others publish them, in the names of timm.

CLIP's vision transformer as Hugging Face names it becomes `vit_*_clip_quickgelu_*` of timm: the three matrices of an attention
are stacked, and the class token gets the shape that timm gives it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from dfbench import Started, StartWeights
from dfbench.training import (
    fitted,
    one_logit,
    read_start,
    renamed,
    require_finite,
)
from dfbench_baselines.foundation_layers import SplitLinear

if TYPE_CHECKING:
    from torch import Tensor

    from dfbench_baselines.foundation_layers import FrameDetector

_LAYER = re.compile(r"encoder\.layers\.(\d+)\.(.+)")
_OUTSIDE = {
    "embeddings.patch_embedding.weight": "patch_embed.proj.weight",
    "pre_layrnorm.": "norm_pre.",
    "post_layernorm.": "norm.",
}
_INSIDE = {
    "layer_norm1.": "norm1.",
    "layer_norm2.": "norm2.",
    "self_attn.out_proj.": "attn.proj.",
}
_STACKED = ("q_proj", "k_proj", "v_proj")
_HINTS = ("name a file with the image transformer of the recipe:  --start FILE",)


def start_backbone(net: FrameDetector, weights: StartWeights) -> Started:
    """Give `net` the transformer in a file, of timm (also timm:NAME=FILE) or as Hugging Face has CLIP's; its head begins anew.

    Weights of a detector are no such file, as they have seen deepfakes, and do not fit. Raises WeightsError for a file that is
    unsafe, damaged or does not fit, UsageError for a way to read it that is unknown.
    """
    path = weights.path
    state = dict(read_start(weights))
    if any(name.startswith("vision_model.") for name in state):
        inside = {name: value for name, value in state.items() if name.startswith("vision_model.")}
        state = clip_as_timm(renamed(inside, {"vision_model.": ""}))
    state = renamed(state, {}, dropped=("head.",))
    own = {name: value for name, value in net.backbone.state_dict().items() if not _of_split(name)}
    plain = _plain(net)
    fit = fitted({**own, **plain}, state, says=f"{path} does not fit", hints=_HINTS)
    require_finite(fit, origin=path, hints=_HINTS)
    net.backbone.load_state_dict({name: fit[name] for name in own}, strict=False)
    _split_anew(net, fit)
    return Started(f"starting from the image transformer in {path}; the last layer begins anew")


def clip_as_timm(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return CLIP's vision transformer in the names of timm. Raises KeyError for a tensor that is missing."""
    made: dict[str, Tensor] = {}
    stacked: dict[str, dict[str, Tensor]] = {}
    for name, value in state.items():
        if name == "embeddings.position_ids":
            continue
        layer = _LAYER.fullmatch(name)
        if name == "embeddings.class_embedding":
            made["cls_token"] = value.reshape(1, 1, -1)
        elif name == "embeddings.position_embedding.weight":
            made["pos_embed"] = value[None]
        elif layer is None:
            made.update(renamed({name: value}, _OUTSIDE))
        else:
            block, inside = f"blocks.{layer[1]}.", layer[2]
            part = next((one for one in _STACKED if inside.startswith(f"self_attn.{one}.")), None)
            if part is None:
                made.update({block + own: kept for own, kept in renamed({inside: value}, _INSIDE).items()})
            else:
                own = f"{block}attn.qkv.{inside.removeprefix(f'self_attn.{part}.')}"
                stacked.setdefault(own, {})[part] = value
    return made | {name: torch.cat([parts[one] for one in _STACKED]) for name, parts in stacked.items()}


def gend_clip(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of a GenD checkpoint on CLIP in the names of `FrameDetector`. Raises KeyError, WeightsError."""
    inside = {
        name: value
        for name, value in state.items()
        if name.startswith("feature_extractor.vision_model.")  # the projection beside it is not used
    }
    backbone = clip_as_timm(renamed(inside, {"feature_extractor.vision_model.": ""}))
    return _with_head(backbone, state, "model.linear")


def gend_timm(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of a GenD checkpoint on a transformer of timm in the names of `FrameDetector`."""
    prefix = "feature_extractor.backbone."
    inside = {name: value for name, value in state.items() if name.startswith(prefix)}
    return _with_head(renamed(inside, {prefix: ""}), state, "model.linear")


def effort_clip(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of an Effort checkpoint on CLIP in the names of `FrameDetector`.

    Of each attention matrix, the singular vectors of the part that is not trained stand in the file too, for a loss: they are
    left out. Raises KeyError, WeightsError.
    """
    inside = {
        name: value
        for name, value in state.items()
        if name.startswith("backbone.") and not name.endswith((".S_r", ".U_r", ".V_r"))
    }
    plain: dict[str, Tensor] = {}
    parts: dict[str, dict[str, Tensor]] = {}
    for name, value in renamed(inside, {"backbone.": ""}).items():
        matrix, _, field = name.rpartition(".")
        layer = _LAYER.fullmatch(matrix)
        if layer is None or "self_attn" not in matrix:
            plain[name] = value
        else:
            parts.setdefault(f"{layer[1]}.{field}", {})[layer[2].removeprefix("self_attn.")] = value
    made = clip_as_timm(plain)
    for place, found in parts.items():
        block, _, field = place.partition(".")
        join = torch.cat if field == "bias" else torch.stack
        made[f"blocks.{block}.attn.qkv.{field}"] = join([found[one] for one in _STACKED])
        made[f"blocks.{block}.attn.proj.{field}"] = join([found["out_proj"]])
    return _with_head(made, state, "head")


def _with_head(backbone: Mapping[str, Tensor], state: Mapping[str, Tensor], head: str) -> dict[str, Tensor]:
    both = {f"head.{name}": state[f"{head}.{name}"] for name in ("weight", "bias")}
    return {**{f"backbone.{name}": value for name, value in backbone.items()}, **one_logit(both, "head")}


def _of_split(name: str) -> bool:
    return name.endswith((".weight_main", ".U_residual", ".S_residual", ".V_residual"))


def _split_layers(net: FrameDetector) -> list[tuple[str, Any, str]]:
    """Each split layer of the transformer: its name, the module that holds it, and its name there."""
    return [
        (name, net.backbone.get_submodule(name.rpartition(".")[0]), name.rpartition(".")[2])
        for name, module in net.backbone.named_modules()
        if isinstance(module, SplitLinear)
    ]


def _plain(net: FrameDetector) -> dict[str, Tensor]:
    """The weights of the split layers as a plain transformer has them."""
    return {
        f"{name}.weight": getattr(holder, own).weight.detach() for name, holder, own in _split_layers(net)
    }


def _split_anew(net: FrameDetector, state: Mapping[str, Tensor]) -> None:
    """Split the matrices of `state`, in place of those that the network was built with."""
    for name, holder, own in _split_layers(net):
        before: SplitLinear = getattr(holder, own)
        parts, _, rank = before.U_residual.shape
        weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
        linear = torch.nn.Linear(weight.shape[1], weight.shape[0])
        linear.load_state_dict({"weight": weight, "bias": bias})
        setattr(holder, own, SplitLinear(linear, parts=parts, rank=rank))
