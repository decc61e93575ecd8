"""A synthesizer that mirrors the lower half of the face."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dfbench import PseudoFake


class MirroredMouth:
    """Blends the mirrored lower half into the clip, with a strength drawn anew for each clip."""

    def __init__(self, options: Mapping[str, object]) -> None:
        self._strongest = float(str(options.get("strongest", 1.0)))

    def synthesize(
        self, frames: NDArray[np.uint8], landmarks: NDArray[np.float32], rng: np.random.Generator
    ) -> PseudoFake:
        """One pseudo-fake; the landmarks are not needed."""
        del landmarks
        mask = np.zeros(frames.shape[:3], dtype=np.float32)
        mask[:, frames.shape[1] // 2 :] = rng.uniform(0.5, 1.0) * self._strongest
        share = mask[..., None]
        fake = np.rint(share * frames[:, :, ::-1] + (1 - share) * frames).astype(np.uint8)
        return PseudoFake(real=frames.copy(), fake=fake, mask=mask)
