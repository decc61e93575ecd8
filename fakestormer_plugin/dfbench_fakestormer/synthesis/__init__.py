"""Making self-blended pseudo-fake clips and the training samples cut from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dfbench import Synthesizer


def build(options: Mapping[str, object]) -> Synthesizer:
    """The self-blended video synthesizer; `self_blended.SelfBlendedOptions` lists the options."""
    # OpenCV and SciPy are imported only when a synthesizer is asked for.
    from dfbench_fakestormer.synthesis.self_blended import SelfBlended, SelfBlendedOptions

    return SelfBlended(SelfBlendedOptions.parse(options))
