"""The chance detector: what a table looks like when a detector knows nothing.

Its intervals must hold 0.5; where they do not, the harness is wrong, not the detector. A score comes from a hash
of the clip, so it is the same alone and in any batch, on any device, and after any restart.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING

from dfbench import UsageError

if TYPE_CHECKING:
    from torch import Tensor

_STANDARD_NORMAL = NormalDist()


class ChanceDetector:
    """Scores a clip by a standard normal draw that its bytes and the seed decide."""

    def __init__(self, *, weights: Path | None, device: str, seed: int) -> None:
        """Raises UsageError if weights are given: there is nothing to load them into."""
        if weights is not None:
            raise UsageError(
                f"the chance detector has no weights, but was given {weights}",
                hints=("leave out --weights for it",),
            )
        self._device = device
        self._key = seed.to_bytes(16, "little", signed=True)

    def score(self, clips: Tensor) -> Tensor:
        """uint8 (B, T, H, W, 3) RGB in; float32 (B,) logits out, standard normal over distinct clips."""
        import torch

        logits = [self._draw(clip.contiguous().cpu().numpy().tobytes()) for clip in clips]
        return torch.tensor(logits, dtype=torch.float32, device=self._device)

    def _draw(self, content: bytes) -> float:
        digest = hashlib.blake2b(content, digest_size=8, key=self._key).digest()
        # 53 bits fill a float's mantissa; the half keeps 0 and 1 out, where the inverse is infinite.
        uniform = ((int.from_bytes(digest, "little") >> 12) + 0.5) / 2**52
        return _STANDARD_NORMAL.inv_cdf(uniform)
