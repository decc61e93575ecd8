"""The weights that a training of VideoMAE starts from: its own, the authors' files, or those of the Hugging Face hub.

Files of the pre-training hold a decoder too, which is left out, and a norm of all tokens that the published fine-tuning does
not use: the norm of the mean token and the last layer then begin anew. Files of a fine-tuning have that norm; their last layer
names actions, and begins anew as well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from dfbench import Started, StartWeights
from dfbench.training import fitted, read_start, require_finite, start_whole
from dfbench_baselines.videomae import METHOD

if TYPE_CHECKING:
    from torch import Tensor

    from dfbench_baselines.videomae_net import VideoMae

_HINTS = ("use the recipe that it was made for, or set its width, depth, heads, patch and size",)
_UNUSED = ("decoder", "encoder_to_decoder", "mask_token", "norm.", "head.", "classifier.")
_ENCODER = (
    "videomae.",
    "encoder.",
)  # what names begin with in files of the hub, and of the authors' pre-training
_NAMES = (
    (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"^(encoder\.)?layer\.", "blocks."),
    (r"\.attention\.attention\.(q_bias|v_bias)$", r".attn.\1"),
    (r"\.attention\.output\.dense\.", ".attn.proj."),
    (r"\.intermediate\.dense\.", ".mlp.fc1."),
    (r"\.output\.dense\.", ".mlp.fc2."),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
    (r"^layernorm\.", "norm."),
)
_QKV = re.compile(r"^(?:encoder\.)?layer\.(\d+)\.attention\.attention\.(query|key|value)\.weight$")


def from_transformers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`state` under our names, where it has those of Hugging Face's VideoMAE models."""
    named: dict[str, Tensor] = {}
    parts: dict[str, dict[str, Tensor]] = {}
    for key, value in state.items():
        if key.startswith(_UNUSED[:3]) or "position_embeddings" in key:
            continue
        name = key.removeprefix("videomae.")
        if found := _QKV.match(name):
            parts.setdefault(found[1], {})[found[2]] = value
            continue
        for pattern, ours in _NAMES:
            name = re.sub(pattern, ours, name)
        named[name] = value
    for number, weights in parts.items():
        ordered = [weights[kind] for kind in ("query", "key", "value") if kind in weights]
        named[f"blocks.{number}.attn.qkv.weight"] = torch.cat(ordered)
    return named


def start_from(net: VideoMae, weights: StartWeights) -> Started:
    """Give `net` weights to start from, and return what is known of them.

    Raises WeightsError for a file that is missing, unsafe or does not fit, UsageError for a way to read it that is unknown.
    """
    path, own = weights.path, net.state_dict()
    state = dict(read_start(weights))
    if any("embeddings.patch_embeddings" in key for key in state):
        state = from_transformers(state)
    elif any(key.startswith("encoder.blocks.") for key in state):
        state = {k.removeprefix("encoder."): v for k, v in state.items() if k.startswith("encoder.")}
    elif all(key in state and state[key].shape == own[key].shape for key in ("head.weight", "head.bias")):
        return start_whole(METHOD, net, weights)
    given = {key: value for key, value in state.items() if not key.startswith(_UNUSED)}
    anew = [
        key for key in own if key.startswith("head.") or (key.startswith("fc_norm.") and key not in given)
    ]
    fit = fitted(own, given | {key: own[key] for key in anew}, says=f"{path} does not fit", hints=_HINTS)
    require_finite(fit, origin=path, hints=_HINTS)
    net.load_state_dict(fit)
    return Started(f"starting from VideoMAE in {path}; its last layer begins anew")
