"""Which tool made a fake, and how well: one recipe a video, drawn from its method's ranges."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from dfbench_plugins.demo.exact import settled


class Kind(StrEnum):
    """AUTOENCODER: another identity's face generated at the target's pose. GRAPHICS: a photo of another identity
    warped piecewise. EXPRESSION: the own face re-rendered with another's expression. MOUTH: only the mouth."""

    AUTOENCODER = "autoencoder"
    GRAPHICS = "graphics"
    EXPRESSION = "expression"
    MOUTH = "mouth"


@dataclass(frozen=True, slots=True)
class Recipe:
    """One fake's settings.

    `resolution`: pixels of the generated face, over 2.3 face units (as an autoencoder's output is fixed);
    `softness`: its blur in those pixels; `colour`: how much of the colour mismatch is corrected, 0 to 1;
    `tint`: error of that correction per channel, grey levels; `feather`: softness of the mask's border as a share
    of the face's width; `jitter`: per-frame error of the landmarks, same share; `smoothing`: how much of the
    previous frame's alignment is kept; `grain`: share of the camera's noise that the tool puts back (Celeb-DF's and
    DFD's do, since a smooth face in a grainy frame shows; those of DFDC each to another degree; a photo brings its own);
    `fidelity`: how strong head pose and expression are beside the target's own, 1 the same, above 1 exaggerated;
    `poisson`: blend gradients; `active`: the forged share of the video as (start, end).
    """

    kind: Kind
    resolution: int
    softness: float
    colour: float
    tint: tuple[float, float, float]
    feather: float
    jitter: float
    smoothing: float
    grain: float
    fidelity: float
    poisson: bool
    active: tuple[float, float] = (0.0, 1.0)


def draw_recipe(method: str, *, rng: np.random.Generator) -> Recipe:
    """The recipe of one fake made by `method`, a manipulation name of FF++ or a corpus name."""
    drawers = {
        "Deepfakes": _deepfakes,
        "Face2Face": _face2face,
        "FaceSwap": _faceswap,
        "NeuralTextures": _neuraltextures,
        "celeb_df_v2": _celeb,
        "dfdc": _dfdc,
        "dfd": _dfd,
    }
    return drawers[method](rng)


def _tint(rng: np.random.Generator, size: float) -> tuple[float, float, float]:
    red, green, blue = settled(rng.normal(0.0, size, 3)) + settled(rng.normal(0.0, 0.6 * size))
    return float(red), float(green), float(blue)


def _deepfakes(rng: np.random.Generator) -> Recipe:
    return Recipe(
        kind=Kind.AUTOENCODER,
        resolution=int(rng.integers(64, 97)),
        softness=float(rng.uniform(0.4, 0.8)),
        colour=float(rng.uniform(0.75, 0.95)),
        tint=_tint(rng, 4.0),
        feather=float(rng.uniform(0.035, 0.07)),
        jitter=float(rng.uniform(0.006, 0.012)),
        smoothing=0.2,
        grain=0.0,
        fidelity=float(rng.uniform(0.7, 0.9)),
        poisson=False,
    )


def _face2face(rng: np.random.Generator) -> Recipe:
    return Recipe(
        kind=Kind.EXPRESSION,
        resolution=int(rng.integers(110, 150)),
        softness=float(rng.uniform(0.3, 0.6)),
        colour=float(rng.uniform(0.8, 0.95)),
        tint=_tint(rng, 3.0),
        feather=float(rng.uniform(0.02, 0.045)),
        jitter=float(rng.uniform(0.005, 0.010)),
        smoothing=0.3,
        grain=0.0,
        fidelity=1.0,
        poisson=False,
    )


def _faceswap(rng: np.random.Generator) -> Recipe:
    return Recipe(
        kind=Kind.GRAPHICS,
        resolution=0,
        softness=0.0,
        colour=float(rng.uniform(0.7, 0.9)),
        tint=_tint(rng, 3.5),
        feather=float(rng.uniform(0.02, 0.05)),
        jitter=float(rng.uniform(0.008, 0.016)),
        smoothing=0.0,
        grain=0.0,
        fidelity=1.0,
        poisson=bool(rng.random() < 0.6),
    )


def _neuraltextures(rng: np.random.Generator) -> Recipe:
    return Recipe(
        kind=Kind.MOUTH,
        resolution=int(rng.integers(90, 130)),
        softness=float(rng.uniform(0.5, 0.8)),
        colour=float(rng.uniform(0.85, 0.97)),
        tint=_tint(rng, 3.0),
        feather=float(rng.uniform(0.03, 0.06)),
        jitter=float(rng.uniform(0.004, 0.008)),
        smoothing=0.4,
        grain=0.0,
        fidelity=1.0,
        poisson=False,
    )


def _celeb(rng: np.random.Generator) -> Recipe:
    return Recipe(
        kind=Kind.AUTOENCODER,
        resolution=int(rng.integers(120, 170)),
        softness=float(rng.uniform(0.35, 0.6)),
        colour=float(rng.uniform(0.88, 0.98)),
        tint=_tint(rng, 2.5),
        feather=float(rng.uniform(0.05, 0.09)),
        jitter=float(rng.uniform(0.003, 0.006)),
        smoothing=0.6,
        grain=float(rng.uniform(0.7, 1.2)),
        fidelity=float(rng.uniform(0.85, 1.15)),
        poisson=False,
    )


def _dfdc(rng: np.random.Generator) -> Recipe:
    kinds = (Kind.AUTOENCODER, Kind.AUTOENCODER, Kind.GRAPHICS, Kind.EXPRESSION)
    kind = kinds[int(rng.integers(len(kinds)))]
    grain = float(rng.uniform(0.0, 1.0))
    start = float(rng.uniform(0.0, 0.4)) if rng.random() < 0.3 else 0.0
    end = min(1.0, start + float(rng.uniform(0.5, 0.7))) if start > 0.0 else 1.0
    return Recipe(
        kind=kind,
        resolution=int(rng.integers(64, 150)),
        softness=float(rng.uniform(0.3, 0.8)),
        colour=float(rng.uniform(0.7, 0.97)),
        tint=_tint(rng, 4.0),
        feather=float(rng.uniform(0.02, 0.08)),
        jitter=float(rng.uniform(0.004, 0.014)),
        smoothing=float(rng.uniform(0.0, 0.5)),
        grain=0.0 if kind is Kind.GRAPHICS else grain,
        fidelity=float(rng.uniform(0.7, 1.0)),
        poisson=bool(rng.random() < 0.35),
        active=(start, end),
    )


def _dfd(rng: np.random.Generator) -> Recipe:
    return Recipe(
        kind=Kind.AUTOENCODER,
        resolution=int(rng.integers(118, 166)),
        softness=float(rng.uniform(0.3, 0.5)),
        colour=float(rng.uniform(0.8, 0.96)),
        tint=_tint(rng, 3.0),
        feather=float(rng.uniform(0.03, 0.07)),
        jitter=float(rng.uniform(0.004, 0.008)),
        smoothing=0.4,
        grain=float(rng.uniform(0.8, 1.3)),
        fidelity=float(rng.uniform(0.85, 1.15)),
        poisson=False,
    )
