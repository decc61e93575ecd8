"""What can go wrong while a training sample is made."""

from __future__ import annotations

from dfbench import DataError


class SynthesisError(DataError):
    """No pseudo-fake can be made of this clip: its landmarks enclose nothing inside the frame, or are not finite."""
