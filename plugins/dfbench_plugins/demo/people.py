"""Who stands before the camera: one frozen parameter set an identity, drawn from a generator.

Lengths are in units of half the face width; the eye line is y = 0, y grows downwards, the chin is near 1.48.
Colours are RGB in [0, 255].
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from dfbench_plugins.demo.exact import settled

Colour = tuple[float, float, float]

SKINS: tuple[Colour, ...] = (
    (238, 204, 184),
    (230, 188, 162),
    (214, 166, 134),
    (186, 136, 104),
    (146, 100, 74),
    (108, 72, 54),
)
HAIRS: tuple[Colour, ...] = (
    (28, 23, 21),
    (48, 35, 28),
    (82, 56, 38),
    (122, 86, 54),
    (176, 138, 88),
    (132, 66, 38),
    (150, 146, 142),
)
IRISES: tuple[Colour, ...] = (
    (62, 42, 28),
    (86, 58, 34),
    (104, 92, 52),
    (84, 112, 122),
    (92, 124, 156),
    (74, 104, 74),
)
CUTS = ("short", "side", "long", "bob", "curly", "buzz", "receding", "fringe")


@dataclass(frozen=True, slots=True)
class PersonKey:
    """Names an identity: equal keys give equal people, and no two corpora share one."""

    seed: int
    corpus: str
    number: int

    def generator(self, *purpose: int) -> np.random.Generator:
        """The generator for one `purpose` (paint, motion, ...) of this identity."""
        return np.random.default_rng([self.seed, zlib.crc32(self.corpus.encode()), self.number, *purpose])


@dataclass(frozen=True, slots=True)
class Person:
    """Shape, colours and hair of one identity; `paint_seed` fixes its freckles, pores and strands."""

    paint_seed: int
    skin: Colour
    hair: Colour
    iris: Colour
    lips: Colour
    cloth: Colour
    cut: str
    parting: float
    hairline: float
    volume: float
    jaw: float
    chin: float
    crown: float
    eye_gap: float
    eye_width: float
    eye_height: float
    eye_tilt: float
    brow_height: float
    brow_weight: float
    brow_arch: float
    nose_width: float
    nose_length: float
    nose_depth: float
    mouth_y: float
    mouth_width: float
    lip_upper: float
    lip_lower: float
    cheek: float
    age: float
    oil: float
    freckles: float
    beard: float
    moustache: float
    makeup: float
    glasses: bool
    collar: str


def person(key: PersonKey) -> Person:
    """The identity that `key` names."""
    rng = key.generator(1)
    masculine = rng.random() < 0.5
    tone = settled(rng.beta(1.2, 1.4)) * (len(SKINS) - 1)
    low = min(int(tone), len(SKINS) - 2)
    skin = np.array(SKINS[low]) + (tone - low) * (np.array(SKINS[low + 1]) - np.array(SKINS[low]))
    skin = skin * settled(rng.normal(1.0, 0.03)) + settled(rng.normal(0.0, 4.0, 3))
    age = settled(rng.beta(1.5, 2.2))
    hair = HAIRS[_hair_index(rng, tone=tone, age=age)]
    iris = IRISES[int(rng.integers(0, len(IRISES) if tone < 2.2 else 2))]
    lips = skin * (0.86, 0.62, 0.60) + (14.0, 4.0, 6.0) + settled(rng.normal(0.0, 5.0, 3))
    makeup = 0.0 if masculine else float(rng.random())
    cuts = (
        ("short", "side", "buzz", "receding", "curly")
        if masculine
        else ("long", "bob", "fringe", "curly", "side", "long")
    )
    cut = "buzz" if masculine and tone > 3.4 and rng.random() < 0.6 else str(rng.choice(cuts))
    bearded = masculine and rng.random() < 0.5
    return Person(
        paint_seed=int(rng.integers(2**31)),
        skin=_colour(skin),
        hair=_colour(np.array(hair) * settled(rng.normal(1.0, 0.12))),
        iris=iris,
        lips=_colour(lips + makeup * np.array((22.0, -16.0, -8.0))),
        cloth=_colour(rng.uniform(20, 215) + settled(rng.normal(0, 38, 3))),
        cut=cut,
        parting=float(rng.uniform(-0.55, 0.55)),
        hairline=settled(rng.normal(-0.86, 0.06)) - (0.14 if cut == "receding" else 0.0),
        volume=float(rng.uniform(0.10, 0.20))
        + (0.16 if cut == "curly" else 0.0)
        - (0.07 if cut == "buzz" else 0.0),
        jaw=settled(rng.normal(2.75 if masculine else 2.25, 0.25)),
        chin=settled(rng.normal(1.50 if masculine else 1.42, 0.06)),
        crown=settled(rng.normal(1.36, 0.05)),
        eye_gap=settled(rng.normal(0.43, 0.022)),
        eye_width=settled(rng.normal(0.232, 0.014)),
        eye_height=settled(rng.normal(0.100 if masculine else 0.114, 0.011)),
        eye_tilt=settled(rng.normal(0.05, 0.05)),
        brow_height=settled(rng.normal(0.27 if masculine else 0.30, 0.025)),
        brow_weight=float(rng.uniform(0.048, 0.072) if masculine else rng.uniform(0.03, 0.05)),
        brow_arch=float(rng.uniform(0.02, 0.09)),
        nose_width=settled(rng.normal(1.0, 0.12)) * (1.0 + 0.05 * tone),
        nose_length=settled(rng.normal(0.58, 0.04)),
        nose_depth=settled(rng.normal(1.0, 0.15)),
        mouth_y=settled(rng.normal(0.985, 0.035)),
        mouth_width=settled(rng.normal(0.365, 0.03)),
        lip_upper=float(rng.uniform(0.055, 0.085)) + 0.006 * tone,
        lip_lower=float(rng.uniform(0.085, 0.125)) + 0.008 * tone,
        cheek=float(rng.uniform(0.5, 1.4)),
        age=age,
        oil=float(rng.uniform(0.3, 1.0)),
        freckles=max(0.0, settled(rng.normal(0.1, 0.4))) if tone < 2.5 else 0.0,
        beard=float(rng.uniform(0.15, 0.95))
        if bearded
        else (float(rng.uniform(0, 0.16)) if masculine else 0.0),
        moustache=float(rng.uniform(0.1, 0.9)) if bearded else 0.0,
        makeup=makeup,
        glasses=bool(rng.random() < 0.14),
        collar=str(rng.choice(("round", "vee", "shirt", "suit"))),
    )


def _hair_index(rng: np.random.Generator, *, tone: float, age: float) -> int:
    if age > 0.55 and rng.random() < 0.6:
        return 6
    return int(rng.integers(0, 6) if tone < 2.0 else rng.integers(0, 2))


def _colour(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Colour:
    red, green, blue = np.clip(values, 6.0, 250.0)
    return float(red), float(green), float(blue)
