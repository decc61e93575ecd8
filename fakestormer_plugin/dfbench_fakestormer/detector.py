"""FakeSTormer at test time: uint8 clips in, logits out."""

from __future__ import annotations

import torch
from torch import Tensor

from dfbench import LoadOptions, ScoreError, UsageError, WeightsError
from dfbench.training.devices import resolve_device
from dfbench.training.memory import in_parts
from dfbench_fakestormer.checkpoints import load_network, network_config
from dfbench_fakestormer.model import FakeSTormerNet
from dfbench_fakestormer.recipe import load_recipe
from dfbench_fakestormer.scoring import ScoringNet

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def normalise(clips: Tensor, *, dtype: torch.dtype = torch.float32) -> Tensor:
    """uint8 (B, T, H, W, 3) in [0, 255] to (B, 3, T, H, W) with ImageNet's mean and standard deviation."""
    scale = 1 / (255 * torch.tensor(IMAGENET_STD, dtype=torch.float64))
    shift = torch.tensor(IMAGENET_MEAN, dtype=torch.float64) / torch.tensor(IMAGENET_STD, dtype=torch.float64)
    device = clips.device
    return (clips.to(dtype) * scale.to(device, dtype) - shift.to(device, dtype)).permute(0, 4, 1, 2, 3)


class FakeSTormer:
    """A network ready to score; it sees each clip of a batch alone.

    `precision` "bf16" computes the linear layers of the blocks in bfloat16; "int8" quantises their weights once, and
    what enters them anew for each clip. Raises UsageError for int8 elsewhere than on the processor.
    """

    def __init__(self, net: FakeSTormerNet, device: torch.device, precision: str = "32") -> None:
        if precision == "int8" and device.type != "cpu":
            raise UsageError(
                f"fakestormer scores in int8 on the processor alone, not on {device}",
                hints=("use --device cpu", "or --precision bf16"),
            )
        self._config = net.config
        self._device = device
        self._scoring = ScoringNet(net.to(device), dtype=torch.bfloat16 if precision == "bf16" else None)
        # One scale holds for everything that enters a quantised layer at once, so that must be a single clip.
        self._one_by_one = precision == "int8"
        if self._one_by_one:
            self._scoring.quantise()

    def score(self, clips: Tensor) -> Tensor:
        """Logits of "fake", (B,) float32 on the CPU, of uint8 (B, T, S, S, 3) RGB clips.

        Clips that do not fit into the device's memory together are scored in halves, equal up to rounding. Raises
        ScoreError if the clips are not of the network's T and S, or not even one fits.
        """
        config = self._config
        expected = (config.frames, config.size, config.size, 3)
        if clips.ndim != 5 or tuple(clips.shape[1:]) != expected or clips.dtype != torch.uint8:
            raise ScoreError(
                f"fakestormer was handed clips of {tuple(clips.shape[1:])} {clips.dtype}; "
                f"these weights want {expected} torch.uint8"
            )
        with torch.inference_mode():
            if self._one_by_one:
                return torch.cat([one for clip in clips for one in self._parts(clip[None])])
            return torch.cat(self._parts(clips))

    def _parts(self, clips: Tensor) -> list[Tensor]:
        return in_parts(self._logits, clips, self._device)

    def _logits(self, clips: Tensor) -> Tensor:
        return self._scoring(normalise(clips.to(self._device))).float().cpu()  # type: ignore[no-any-return]


def build(options: LoadOptions) -> FakeSTormer:
    """Load FakeSTormer with trained weights; `options.seed` is not used, as scoring draws nothing.

    Raises WeightsError; UsageError for int8 on another device than the CPU, and for a recipe that does not fit, as
    `checkpoints.recipe_of` does.
    """
    if options.weights is None:
        raise WeightsError(
            "fakestormer needs trained weights",
            hints=(
                "train them:          dfbench train --detector fakestormer",
                "or use the authors': dfbench run --detector fakestormer --weights PATH/TO/checkpoint.pth",
            ),
        )
    net, _ = load_network(options.weights, recipe=options.recipe, changes=options.changes)
    return FakeSTormer(net, resolve_device(options.device), options.precision)


def untrained(options: LoadOptions) -> FakeSTormer:
    """Make the network of the demo recipe with random weights drawn from `options.seed`: what training has to beat."""
    if options.weights is not None:
        raise WeightsError("fakestormer-untrained takes no weights", hints=("use --detector fakestormer",))
    net = FakeSTormerNet(network_config(load_recipe("demo")), seed=options.seed)
    return FakeSTormer(net, resolve_device(options.device), options.precision)
