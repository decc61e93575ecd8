"""FakeSTormer at test time: uint8 clips in, logits out."""

from __future__ import annotations

import torch

from dfbench import LoadOptions, UsageError, WeightsError
from dfbench.training import Method, MethodDetector, Scoring, resolve_device
from dfbench_fakestormer.checkpoints import load_network
from dfbench_fakestormer.method import METHOD, NAME, WAYS_OUT, network
from dfbench_fakestormer.model import FakeSTormerNet
from dfbench_fakestormer.recipe import load_recipe
from dfbench_fakestormer.scoring import ScoringNet


def scoring(method: Method, net: FakeSTormerNet, precision: str, device: torch.device) -> Scoring:
    """`scoring.ScoringNet`; "bf16" computes the linear layers of the blocks in bfloat16; "int8" quantises their weights
    once, and what enters them anew for each clip. Raises UsageError for int8 elsewhere than on the processor."""
    if precision == "int8" and device.type != "cpu":
        raise UsageError(
            f"{method.name} scores in int8 on the processor alone, not on {device}",
            hints=("use --device cpu", "or --precision bf16"),
        )
    scored = ScoringNet(net.to(device), dtype=torch.bfloat16 if precision == "bf16" else None)
    # One scale holds for everything that enters a quantised layer at once, so that must be a single clip.
    one_by_one = precision == "int8"
    if one_by_one:
        scored.quantise()
    return Scoring(scored, one_by_one=one_by_one)


class FakeSTormer(MethodDetector):
    """A network ready to score, in precision "32", "bf16" or "int8", as `scoring` says."""

    def __init__(self, net: FakeSTormerNet, device: torch.device, precision: str = "32") -> None:
        scored = scoring(METHOD, net, precision, device)
        super().__init__(NAME, scored, device, frames=net.config.frames, size=net.config.size)


def build(options: LoadOptions) -> FakeSTormer:
    """Load FakeSTormer with trained weights; `options.seed` is not used, as scoring draws nothing.

    Raises WeightsError; UsageError for int8 on another device than the CPU, and for a recipe that does not fit, as
    `checkpoints.recipe_of` does.
    """
    if options.weights is None:
        raise WeightsError("fakestormer needs trained weights", hints=WAYS_OUT)
    net, _ = load_network(options.weights, recipe=options.recipe, changes=options.changes)
    return FakeSTormer(net, resolve_device(options.device), options.precision)


def untrained(options: LoadOptions) -> FakeSTormer:
    """Make the network of the demo recipe with random weights drawn from `options.seed`: what training has to beat."""
    if options.weights is not None:
        raise WeightsError("fakestormer-untrained takes no weights", hints=("use --detector fakestormer",))
    net = network(load_recipe("demo"), seed=options.seed)
    return FakeSTormer(net, resolve_device(options.device), options.precision)
