"""Weights by the rule for networks of Xception, under the names that the public code gives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from tests.baselines.golden import drawn
from torch import nn


def give_weights(
    net: nn.Module,
    model: str,
    *,
    public: Callable[[str], str],
    gains: Mapping[str, float],
    kept: tuple[str, ...] = (),
) -> None:
    """Give `net` the weights that the rule draws for `model`. `public`: what the public code calls a tensor of ours.

    `gains`: by a part of the public name, 1 for others. `kept`: parts of our names that are constants of the network.
    """
    state = {}
    for name, value in net.state_dict().items():
        if any(part in name for part in kept):
            state[name] = value
            continue
        key = public(name)
        gain = next((gain for part, gain in gains.items() if part in key), 1.0)
        state[name] = torch.from_numpy(drawn(f"{model}/{key}", tuple(value.shape), gain=gain))
    net.load_state_dict(state)


def in_backbone(name: str) -> str:
    """What DeepfakeBench calls a tensor of our Xception: `backbone.`, and `last_linear` for the last layer."""
    return "backbone." + name.replace("fc.", "last_linear.")
