"""Self-blended video: a clip blended with a slightly altered copy of itself, the same way in every frame.

`draw` turns a generator into the parameters of `dfbench_synthesis.self_blend`. Sources: Shiohara and Yamasaki, "Detecting
deepfakes with self-blended images" (CVPR 2022), and FakeSTormer (ICCV 2025), which draws once per clip so that the forgery
moves with the face.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from dfbench import PseudoFake
from dfbench_synthesis.blending import draw_ratio, draw_softening
from dfbench_synthesis.clips import check_clip
from dfbench_synthesis.geometric import Elastic, draw_affine
from dfbench_synthesis.hulls import HullKind
from dfbench_synthesis.options import chosen_of
from dfbench_synthesis.photometric import draw_blend_steps
from dfbench_synthesis.self_blend import BlendParameters, apply

Units = Literal["relative", "pixels"]
ElasticField = Literal["fast", "released"]

# The released preprocessing writes crops of this side; lengths in pixels were tuned on them.
REFERENCE_SIDE = 256


@dataclass(frozen=True, slots=True)
class SelfBlendedOptions:
    """The switches of the self-blended synthesizer.

    `units`: "relative" scales blur kernels and displacements with the crop (they are meant for 256 px), "pixels"
    leaves them as they are, as the released code does. `elastic`: "released" computes the displacement field in the
    released way, "fast" an equally distributed one.
    """

    units: Units = "relative"
    elastic: ElasticField = "fast"

    @classmethod
    def parse(cls, options: Mapping[str, object]) -> SelfBlendedOptions:
        """From a plugin's option mapping. Raises UsageError for an unknown option or value."""
        choices = {"units": get_args(Units), "elastic": get_args(ElasticField)}
        chosen = chosen_of(options, choices, synthesizer="self_blended_video")
        return cls(**chosen)  # type: ignore[arg-type] # checked a line before


def draw(
    rng: np.random.Generator, *, height: int, width: int, options: SelfBlendedOptions | None = None
) -> BlendParameters:
    """Parameters for a clip whose frames are (height, width) pixels."""
    options = options or SelfBlendedOptions()
    scale = max(height, width) / REFERENCE_SIDE if options.units == "relative" else 1.0
    return BlendParameters(
        hull=HullKind(int(rng.integers(0, len(HullKind)))),
        points=68 if rng.random() < 0.25 else 81,
        photometric=draw_blend_steps(rng),
        on_source=bool(rng.random() < 0.5),
        affine=draw_affine(rng, height, width),
        elastic=Elastic(
            seed=int(rng.integers(0, 2**31 - 1)),
            # Noise blurred over a wider kernel is weaker in inverse proportion, hence the square.
            amplitude=50.0 * scale**2,
            sigma=7.0 * scale,
            released=options.elastic == "released",
        ),
        softening=draw_softening(rng, height, width, scale=scale),
        ratio=draw_ratio(rng),
    )


@dataclass(frozen=True, slots=True)
class SelfBlended:
    """The synthesizer: `draw`, then `apply`."""

    options: SelfBlendedOptions = SelfBlendedOptions()

    def synthesize(
        self, frames: NDArray[np.uint8], landmarks: NDArray[np.float32], rng: np.random.Generator
    ) -> PseudoFake:
        """One pseudo-fake. frames (T, H, W, 3) uint8 RGB; landmarks (T, 81, 2) float32 in pixels of frames.

        Raises SynthesisError for frames under 16 pixels, missing landmarks, or landmarks outside of the frames.
        """
        check_clip(frames, landmarks)
        height, width = frames.shape[1:3]
        return apply(frames, landmarks, draw(rng, height=height, width=width, options=self.options))
