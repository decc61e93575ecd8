"""Learning rates as pure functions of the position in training, so that resuming cannot lose them."""

from __future__ import annotations

import math


def ramp_decay(epoch: int, *, base: float, boost: float, epochs: int, start_decay: float) -> float:
    """A linear ramp from `base` to `base * boost` over `epochs // start_decay` epochs, then linearly to zero.

    Zero would be reached at `epoch == epochs`. Source: `linear_decay` of the released code.
    """
    ramp = int(epochs // start_decay)
    peak = base * boost
    if epoch < ramp:
        return base + (peak - base) / ramp * epoch
    return peak - peak / (epochs - ramp) * (epoch - ramp)


def warmup_cosine(step: int, *, peak: float, warmup: int, steps: int) -> float:
    """A linear ramp to `peak` over `warmup` steps, then half a cosine that reaches zero at `steps`."""
    if step < warmup:
        return peak * (step + 1) / (warmup + 1)
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))
