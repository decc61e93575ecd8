"""What every synthesizer asks of the clip that it is handed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dfbench import SynthesisError

_LEAST_SIDE = 16


def check_clip(frames: NDArray[np.uint8], landmarks: NDArray[np.floating]) -> None:
    """Raise SynthesisError unless frames are (T, H, W, 3) uint8 and landmarks (T, 81, 2) finite, with T > 0."""
    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8 or not len(frames):
        raise SynthesisError(f"a clip must be (T, H, W, 3) uint8, not {frames.shape} {frames.dtype}")
    if min(frames.shape[1:3]) < _LEAST_SIDE:
        raise SynthesisError(
            f"a face of {frames.shape[2]}x{frames.shape[1]} pixels is too small to be blended"
        )
    if landmarks.shape != (len(frames), 81, 2):
        raise SynthesisError(
            f"a clip of {len(frames)} frames needs landmarks ({len(frames)}, 81, 2), not {landmarks.shape}",
            hints=("prepare the videos with landmarks",),
        )
    if not np.isfinite(landmarks).all():
        raise SynthesisError("a landmark is not a finite number", hints=("prepare this video again",))
