"""Score clips with a trained network: uint8 clips in, logits out."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from dfbench.errors import ScoreError
from dfbench.training.memory import in_parts
from dfbench.training.recipe import IMAGENET_MEAN, IMAGENET_STD
from dfbench.types import FULL_PRECISION

if TYPE_CHECKING:
    from dfbench.training.method import Method

_Triple = tuple[float, float, float]


def normalise(
    clips: Tensor,
    *,
    dtype: torch.dtype = torch.float32,
    mean: _Triple = IMAGENET_MEAN,
    std: _Triple = IMAGENET_STD,
) -> Tensor:
    """Convert clips (B, T, H, W, 3) uint8 to (B, 3, T, H, W), normalised by `mean` and `std`, which refer to values in [0, 1]."""
    scale = 1 / (255 * torch.tensor(std, dtype=torch.float64))
    shift = torch.tensor(mean, dtype=torch.float64) / torch.tensor(std, dtype=torch.float64)
    device = clips.device
    return (clips.to(dtype) * scale.to(device, dtype) - shift.to(device, dtype)).permute(0, 4, 1, 2, 3)


@dataclass(frozen=True, slots=True, eq=False)
class Scoring:
    """Holds a network ready to score: `logits` maps normalised clips (B, 3, T, S, S) on its device to (B,).

    `one_by_one`: clips are passed singly, because the clips of a batch would change each other's scores.
    """

    logits: Callable[[Tensor], Tensor]
    one_by_one: bool = False


def plain_scoring(method: Method, net: nn.Module, precision: str, device: torch.device) -> Scoring:
    """Return the network with unchanged weights; "bf16" runs those operations in bfloat16 that torch considers safe."""
    net = net.to(device).eval().requires_grad_(requires_grad=False)

    def logits(clips: Tensor) -> Tensor:
        half = precision != FULL_PRECISION
        with torch.autocast(device.type, torch.bfloat16) if half else nullcontext():
            return method.logit(net, clips)

    return Scoring(logits)


class MethodDetector:
    """Scores clips with the network of a method; the score of a clip does not depend on the batch."""

    def __init__(
        self,
        name: str,
        scoring: Scoring,
        device: torch.device,
        *,
        frames: int,
        size: int,
        mean: _Triple = IMAGENET_MEAN,
        std: _Triple = IMAGENET_STD,
    ) -> None:
        self._name, self._scoring, self._device = name, scoring, device
        self._expected = (frames, size, size, 3)
        self._mean, self._std = mean, std

    def score(self, clips: Tensor) -> Tensor:
        """Return the logit of "fake", (B,) float32 on the CPU, of clips (B, T, S, S, 3) uint8 RGB.

        Clips that do not fit into the device's memory together are scored in halves; the results are equal up to rounding.
        Raises ScoreError if T or S is not that of the network, or if not even one clip fits.
        """
        expected = self._expected
        if clips.ndim != 5 or tuple(clips.shape[1:]) != expected or clips.dtype != torch.uint8:
            raise ScoreError(
                f"{self._name} was handed clips of {tuple(clips.shape[1:])} {clips.dtype}; "
                f"these weights want {expected} torch.uint8"
            )
        with torch.inference_mode():
            if self._scoring.one_by_one:
                return torch.cat([part for clip in clips for part in self._parts(clip[None])])
            return torch.cat(self._parts(clips))

    def _parts(self, clips: Tensor) -> list[Tensor]:
        return in_parts(self._logits, clips, self._device)

    def _logits(self, clips: Tensor) -> Tensor:
        seen = normalise(clips.to(self._device), mean=self._mean, std=self._std)
        return self._scoring.logits(seen).float().cpu()
