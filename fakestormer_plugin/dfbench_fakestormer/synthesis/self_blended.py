"""Self-blended video: a clip blended with a slightly altered copy of itself, the same way in every frame.

Drawing is apart from applying: `draw` turns a generator into `BlendParameters`, `apply` is a pure function of
frames, landmarks and parameters. Sources: Shiohara and Yamasaki, "Detecting deepfakes with self-blended images"
(CVPR 2022), and FakeSTormer (ICCV 2025), which draws once per clip so that the forgery moves with the face.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from dfbench import PseudoFake, UsageError
from dfbench_synthesis.blending import Softening, blend, draw_ratio, draw_softening, soften
from dfbench_synthesis.clips import check_clip
from dfbench_synthesis.geometric import Affine, Elastic, Window, draw_affine
from dfbench_synthesis.hulls import HullKind, hull_mask
from dfbench_synthesis.photometric import Step, apply_steps, draw_blend_steps

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
        choices: dict[str, tuple[str, ...]] = {"units": get_args(Units), "elastic": get_args(ElasticField)}
        for name, value in options.items():
            if name not in choices:
                raise UsageError(
                    f"the self-blended synthesizer has no option {name!r}",
                    hints=(f"its options are {', '.join(f.name for f in fields(cls))}",),
                )
            if value not in choices[name]:
                raise UsageError(
                    f"option {name!r} of the self-blended synthesizer cannot be {value!r}",
                    hints=(f"use one of {', '.join(choices[name])}",),
                )
        return cls(**options)  # type: ignore[arg-type] # checked above


@dataclass(frozen=True, slots=True)
class BlendParameters:
    """Everything that is drawn for one clip.

    The hull is drawn around the first `points` landmarks (81, or 68 without the forehead). `photometric` alters the
    source (foreground) if `on_source`, otherwise the target (background), which is then also what the real clip
    shows. The foreground, and the mask, are moved by `affine`; the mask alone by `elastic`.
    """

    hull: HullKind
    points: int
    photometric: tuple[Step, ...]
    on_source: bool
    affine: Affine
    elastic: Elastic
    softening: Softening
    ratio: float


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


def apply(
    frames: NDArray[np.uint8], landmarks: NDArray[np.floating], parameters: BlendParameters
) -> PseudoFake:
    """The pseudo-fake: frames (T, H, W, 3) uint8 RGB, landmarks (T, n, 2) in their pixels, n = 68 or 81.

    The mask that is returned is the blending mask before `ratio`: it says where foreground and background meet, which
    is what the targets are about, whatever the strength. Raises SynthesisError if the hull of any frame is empty.
    """
    hulls = np.stack(
        [hull_mask(points[: parameters.points], parameters.hull, frames.shape[1:3]) for points in landmarks]
    )
    deformed = parameters.elastic.warp_masks(parameters.affine.warp_masks(hulls))
    masks = np.stack([soften(mask, parameters.softening) for mask in deformed])

    altered = apply_steps(frames, parameters.photometric)
    source, target = (altered, frames) if parameters.on_source else (frames, altered)
    # Outside of the mask, the fake is the target: the foreground is only computed where it shows.
    window = Window.around(masks)
    foreground = parameters.affine.warp_frames(source, window)
    fake = target.copy()
    window.of(fake)[:] = blend(foreground, window.of(target), window.of(masks), parameters.ratio)
    return PseudoFake(real=target, fake=fake, mask=masks)


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
