"""FakeSTormer's evidence: its own heat map and frame logits, and what moved its class logit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from dfbench import Evidence, EvidenceMap, LoadOptions, UsageError, WeightsError
from dfbench.training import in_parts, normalise, resolve_device
from dfbench_fakestormer.attribution import (
    attention_rollout,
    integrated_gradients,
    smoothed,
    temporal_evidence,
    to_patches,
    token_gradients,
    token_sensitivity,
)
from dfbench_fakestormer.checkpoints import load_network
from dfbench_fakestormer.detector import FakeSTormer
from dfbench_fakestormer.method import network
from dfbench_fakestormer.model import FakeSTormerNet
from dfbench_fakestormer.recipe import load_recipe

STEPS = 8  # on demo faces, sums are within a tenth of the difference of logits
TIME_STEPS = 4  # there, cells are within a fiftieth of the largest
SIGMA = 3.0  # pixels of a frame of 144; scaled with the frame
MAPS = (
    EvidenceMap(
        "heatmap",
        "the network's own heat map, trained to mark where a blend shows, in standard deviations of its target",
        unit="vulnerability",
        span=(0.0, 3.0),
    ),
    EvidenceMap(
        "sensitivity", "how far the logit can be moved at each patch (gradient length)", unit="slope"
    ),
    EvidenceMap(
        "attribution",
        "how much of the logit the fine detail of each patch adds (integrated gradients)",
        unit="logit",
        signed=True,
    ),
    EvidenceMap(
        "pixels",
        "how much of the logit the fine detail at each pixel adds (integrated gradients)",
        unit="logit",
        signed=True,
    ),
    EvidenceMap(
        "temporal",
        "how much of the logit each patch of each frame adds through temporal attention (integrated gradients)",
        unit="logit",
        signed=True,
        temporal=True,
    ),
    EvidenceMap("rollout", "gradient-weighted attention of both kinds", unit="relevance", standard=False),
    EvidenceMap(
        "gradient", "gradient times embedding of each patch", unit="logit", signed=True, standard=False
    ),
)
_BY_LOGIT = ("attribution", "pixels")


class FakeSTormerExplainer:
    """A network ready to explain; it sees each clip of a batch alone."""

    def __init__(self, net: FakeSTormerNet, device: torch.device) -> None:
        self._net = net.to(device).eval().requires_grad_(False)
        self._device = device
        self._detector = FakeSTormer(self._net, device)

    def maps(self) -> Sequence[EvidenceMap]:
        """The heat map first; then the attributions of the class logit."""
        return MAPS

    def explain(self, clips: Tensor, names: Sequence[str]) -> Evidence:
        """Evidence of uint8 (B, T, S, S, 3) RGB clips, float32 on the CPU.

        Clips that do not fit into memory together are explained in halves. Raises UsageError for an unknown map,
        ScoreError if the clips are not of the network's T and S, or not even one fits.
        """
        known = [one.name for one in MAPS]
        if unknown := [name for name in names if name not in known]:
            raise UsageError(f"fakestormer has no map {unknown[0]!r}", hints=(f"maps: {', '.join(known)}",))
        logits = self._detector.score(clips)
        parts = in_parts(partial(self._seen, names=names), clips, self._device)
        return Evidence(
            logits=logits,
            frame_logits=torch.cat([frames for frames, _ in parts]),
            maps={name: torch.cat([maps[name] for _, maps in parts]) for name in names},
        )

    def _seen(self, clips: Tensor, names: Sequence[str]) -> tuple[Tensor, dict[str, Tensor]]:
        """Frame logits (B, T) and the maps, on the CPU."""
        with torch.inference_mode(False), torch.enable_grad():
            x = normalise(clips.clone().to(self._device))
            with torch.no_grad():
                output = self._net(x)
            made = {name: self._map(name, x, output.heatmap) for name in names if name not in _BY_LOGIT}
            if set(names) & set(_BY_LOGIT):
                pixels = integrated_gradients(self._net.logit, x, self._without_detail(x), steps=STEPS).sum(
                    dim=1
                )
                made |= {"pixels": pixels, "attribution": to_patches(pixels, self._net.config.grid)}
        return output.frame_logits.detach().float().cpu(), {
            name: made[name].detach().float().cpu() for name in names
        }

    def _map(self, name: str, x: Tensor, heatmap: Tensor) -> Tensor:
        ways: dict[str, Callable[[], Tensor]] = {
            "heatmap": lambda: heatmap[:, 0],
            "sensitivity": partial(token_sensitivity, self._net, x),
            "temporal": partial(temporal_evidence, self._net, x, steps=TIME_STEPS),
            "rollout": partial(attention_rollout, self._net, x),
            "gradient": partial(token_gradients, self._net, x),
        }
        return ways[name]()

    def _without_detail(self, x: Tensor) -> Tensor:
        return smoothed(x, sigma=SIGMA * self._net.config.size / 144)


def build(options: LoadOptions) -> FakeSTormerExplainer:
    """Load the explainer of trained weights, as the detector is loaded. Raises WeightsError, UsageError."""
    if options.weights is None:
        raise WeightsError(
            "fakestormer needs trained weights",
            hints=("train them:   dfbench train --detector fakestormer",),
        )
    net, _ = load_network(options.weights, recipe=options.recipe, changes=options.changes)
    return FakeSTormerExplainer(net, resolve_device(options.device))


def untrained(options: LoadOptions) -> FakeSTormerExplainer:
    """Make the explainer of the demo recipe's network with random weights: what an explanation has to beat."""
    if options.weights is not None:
        raise WeightsError("fakestormer-untrained takes no weights", hints=("use --detector fakestormer",))
    net = network(load_recipe("demo"), seed=options.seed)
    return FakeSTormerExplainer(net, resolve_device(options.device))
