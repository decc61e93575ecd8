"""The weights that a training of TimeSformer starts from: its own, those of Kinetics, or an image transformer's.

Kinetics: the authors' `.pyth` files, whose names are ours, and those of the Hugging Face hub (`facebook/timesformer-base-*`, or
DeepfakeBench's with its head), whose names `from_transformers` maps. An image transformer gives what it has; time then plays no
part at first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch.nn import functional as F

from dfbench import LoadOptions, Started, StartWeights, WeightsError
from dfbench.training import UNKNOWN, fitted, read_start, require_finite
from dfbench_fakestormer.checkpoints import like_grid
from dfbench_fakestormer.timesformer import METHOD, WAYS_OUT

if TYPE_CHECKING:
    from torch import Tensor

    from dfbench_fakestormer.timesformer_net import TimeSformerNet

_HINTS = ("use the recipe that it was made for, or set its width, depth, patch and stem",)
_NAMES = (
    (r"^(backbone|timesformer)\.", ""),
    (r"^embeddings\.cls_token$", "cls_token"),
    (r"^embeddings\.position_embeddings$", "pos_embed"),
    (r"^embeddings\.time_embeddings$", "time_embed"),
    (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"^encoder\.layer\.", "blocks."),
    (r"\.temporal_attention\.attention\.qkv\.", ".temporal_attn.qkv."),
    (r"\.temporal_attention\.output\.dense\.", ".temporal_attn.proj."),
    (r"\.temporal_layernorm\.", ".temporal_norm1."),
    (r"\.temporal_dense\.", ".temporal_fc."),
    (r"\.attention\.attention\.qkv\.", ".attn.qkv."),
    (r"\.attention\.output\.dense\.", ".attn.proj."),
    (r"\.intermediate\.dense\.", ".mlp.fc1."),
    (r"\.output\.dense\.", ".mlp.fc2."),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
    (r"^layernorm\.", "norm."),
    (r"^classifier\.", "head."),
)
_IMAGES_ONLY = ("decoder_", "fc_norm.", "mask_token")  # of an image transformer: its decoder and its own norm


def from_transformers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`state` under our names, where it has those of Hugging Face's TimesformerModel."""
    named = {}
    for key, value in state.items():
        for pattern, ours in _NAMES:
            key = re.sub(pattern, ours, key)  # noqa: PLW2901 # step by step
        named[key] = value
    return named


def start_from(net: TimeSformerNet, weights: StartWeights) -> Started:
    """Give `net` weights to start from, and return what is known of them; the head begins anew unless they are of one logit.

    Embeddings of places and times are resized. Raises WeightsError for a file that is missing, unsafe or does not fit,
    UsageError for a way to read it that is unknown.
    """
    path = weights.path
    state = dict(read_start(weights))
    if any("embeddings.cls_token" in key for key in state):
        state = from_transformers(state)
    elif any(key.startswith("encoder.") for key in state):
        state = {k.removeprefix("encoder."): v for k, v in state.items() if k.startswith("encoder.")}
    own = net.state_dict()
    of_images = not any("temporal_" in key for key in state)
    given = {key: value for key, value in state.items() if not key.startswith(_IMAGES_ONLY)}
    whole = all(key in given and given[key].shape == own[key].shape for key in ("head.weight", "head.bias"))
    if of_images or not whole:
        given = {key: value for key, value in given.items() if not key.startswith("head.")}
        given |= {key: value for key, value in own.items() if key.startswith("head.")}
    if of_images:
        for key, value in own.items():
            if "temporal_" in key or key == "time_embed":
                without = key == "time_embed" or "temporal_fc" in key
                given[key] = value.new_zeros(value.shape) if without else value
            elif key in ("norm.weight", "norm.bias"):
                given.setdefault(key, value)  # absent from some exports
    given = like_grid(given, own, "pos_embed")
    times = given.get("time_embed")
    if times is not None and times.ndim == 3 and times.shape[1] != own["time_embed"].shape[1]:
        # The published code does so, too, where clips are of another length.
        given["time_embed"] = F.interpolate(times.mT, size=own["time_embed"].shape[1], mode="nearest").mT
    fit = fitted(own, given, says=f"{path} does not fit", hints=_HINTS)
    require_finite(fit, origin=path, hints=WAYS_OUT)
    net.load_state_dict(fit)
    if of_images:
        return Started(f"starting from the image transformer in {path}: time and the head begin anew")
    if not whole:
        return Started(f"starting from the network in {path}; its last layer begins anew")
    says = f"starting from the whole network in {path}"
    try:
        card = METHOD.describe(LoadOptions(path))
    except WeightsError:  # tensors without a header
        return Started(says, frozenset({UNKNOWN}), None)
    return Started(says, card.trained_on or frozenset({UNKNOWN}), card.corpora)
