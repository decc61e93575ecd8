"""Film a shot: people before a place, through a lens that blurs and a sensor that is noisy.

Every frame, of real and fake videos alike, comes from here; a manipulation works on these frames as its tool
in life works on a camera's, and what it returns is encoded by the same encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from dfbench_plugins.demo import exact
from dfbench_plugins.demo.exact import settled
from dfbench_plugins.demo.features import Head, prepare_head
from dfbench_plugins.demo.head import Light, paint_head
from dfbench_plugins.demo.motion import Performance, perform
from dfbench_plugins.demo.people import PersonKey, person
from dfbench_plugins.demo.pixels import F32, U8, blur, paste, strokes, with_levels
from dfbench_plugins.demo.render import View, landmarks, render_head
from dfbench_plugins.demo.scene import paint_body, paint_place, place_body
from dfbench_plugins.demo.styles import Style
from dfbench_plugins.demo.warp import move

MARGIN = 16  # of the painted place beyond the frame, for the camera's shake


@dataclass(frozen=True, slots=True, eq=False)
class Actor:
    """A person in a shot: the painted head, where it stands and what it does."""

    head: Head
    view: View
    performance: Performance


@dataclass(frozen=True, slots=True, eq=False)
class Footage:
    """A filmed shot. frames (n, h, w, 3) uint8 RGB; landmarks (n, people, 68, 2) float32 in frame pixels;
    `noise` is the sensor's standard deviation, grey levels, `softness` the lens blur, pixels."""

    frames: U8
    landmarks: F32
    actors: tuple[Actor, ...]
    fps: int
    noise: float
    softness: float


def film(keys: Sequence[PersonKey], style: Style, *, frames: int, rng: np.random.Generator) -> Footage:
    """Film the people of `keys` (the first in front) in one shot of `style`; all chance comes from `rng`."""
    width, height = style.sizes[int(rng.integers(len(style.sizes)))]
    fps = style.rates[int(rng.integers(len(style.rates)))]
    noise, softness = float(rng.uniform(*style.noise)), float(rng.uniform(*style.softness))
    light = _light(style, rng)
    kind = style.places[int(rng.integers(len(style.places)))]
    place = paint_place(kind, width=width + 2 * MARGIN, height=height + 2 * MARGIN, rng=rng)
    exposure = float(rng.uniform(*style.exposure)) * exact.power(np.array(light.tint), 0.6)
    levels = np.arange(256.0)[:, None] * exposure
    actors, bodies = [], []
    for number, key in enumerate(keys):
        who = person(key)
        face = float(rng.uniform(*style.face)) * height * (0.78 if len(keys) > 1 else 1.0)
        face = min(face, 0.27 * width)
        share = (
            0.5 + settled(rng.normal(0, 0.05))
            if len(keys) == 1
            else (0.29, 0.71)[number] + settled(rng.normal(0, 0.015))
        )
        view = View(float(share) * width, height * float(rng.uniform(0.40, 0.47)), face)
        performance = perform(frames, fps=fps, rng=rng)
        actors.append(Actor(prepare_head(paint_head(who, light)), view, performance))
        bodies.append(paint_body(who, light))
    grain = sensor_grain(height, width, sigma=noise, rng=rng)
    path = _shake(frames, size=float(rng.uniform(*style.shake)), rng=rng)
    shots = np.empty((frames, height, width, 3), dtype=np.uint8)
    points = np.empty((frames, len(keys), 68, 2), dtype=np.float32)
    for index in range(frames):
        shift = np.array([[1, 0, path[index, 0] - MARGIN], [0, 1, path[index, 1] - MARGIN]])
        image = move(place, shift, (width, height), border=cv2.BORDER_REPLICATE)
        for number in reversed(range(len(actors))):
            points[index, number] = _stand(
                image, actors[number], bodies[number], index=index, offset=path[index]
            )
        shots[index] = sense(with_levels(blur(image, softness), levels), grain, rng=rng)
    return Footage(shots, points, tuple(actors), fps, noise, softness)


def moved(view: View, offset: NDArray[np.float32]) -> View:
    """`view` in a frame that the camera's shake has moved by `offset`."""
    return View(view.x + float(offset[0]), view.y + float(offset[1]), view.scale)


def sense(image: U8, grain: U8, *, rng: np.random.Generator) -> U8:
    """Add one frame's sensor noise: a random cut of `grain`, turned at random."""
    (height, width), (tall, wide) = image.shape[:2], grain.shape[1:3]
    top, left = int(rng.integers(tall - height + 1)), int(rng.integers(wide - width + 1))
    cut = grain[:, top : top + height, left : left + width]
    turn = (None, 0, 1, -1)[int(rng.integers(4))]  # -1 is both ways
    lighter, darker = cut if turn is None else (cv2.flip(part, turn) for part in cut)
    return cast(U8, cv2.subtract(cv2.add(image, lighter), darker))


def _stand(image: U8, actor: Actor, body: U8, *, index: int, offset: NDArray[np.float32]) -> F32:
    pose, expression = actor.performance.poses[index], actor.performance.expressions[index]
    view = moved(actor.view, offset)
    height, width = image.shape[:2]
    lean_x, lean_y = view.x + 0.7 * pose.shift[0] * view.scale, view.y + 0.5 * pose.shift[1] * view.scale
    paste(image, place_body(body, x=lean_x, y=lean_y, scale=view.scale, size=(width, height)), 0, 0)
    layer, left, top = render_head(actor.head, pose, expression, view)
    paste(image, layer, left, top)
    return landmarks(actor.head.texture.owner, pose, expression, view)


def _light(style: Style, rng: np.random.Generator) -> Light:
    warmth = float(rng.uniform(*style.warmth))
    direction = (float(rng.uniform(-0.8, 0.8)), float(rng.uniform(-0.8, -0.15)), 1.0)
    return Light(direction, float(rng.uniform(*style.ambient)), (1.0 + warmth, 1.0, 1.0 - warmth))


def sensor_grain(height: int, width: int, *, sigma: float, rng: np.random.Generator) -> U8:
    """Noise of standard deviation `sigma` for `sense`, somewhat larger than a frame: (2, h, w, 3), what is added and what is
    taken away.

    A sensor's mosaic makes it slightly smooth and slightly coloured.
    """
    shape = (height + 64, width + 64)
    luma = exact.noise((*shape, 1), rng) * np.float32(0.9)
    chroma = strokes((*shape, 3), across=0.9, along=0.9, rng=rng) * np.float32(0.63 * exact.STEPS)
    raised = np.rint(luma + chroma + np.float32(32768.0)).astype(np.uint16)
    smooth = cv2.GaussianBlur(raised, (0, 0), 0.45, borderType=cv2.BORDER_REFLECT)
    grain = smooth.astype(np.int32) - 32768
    whole = np.rint(grain * np.float32(sigma / exact.deviation(grain)))
    return cast(U8, np.clip(np.stack((whole, -whole)), 0, 255).astype(np.uint8))


def _shake(frames: int, *, size: float, rng: np.random.Generator) -> NDArray[np.float32]:
    steps = np.pad(exact.noise((frames + 12, 2), rng) / exact.STEPS, ((9, 9), (0, 0)), mode="reflect")
    weights = exact.exp(-((np.arange(-9, 10) / 3.0) ** 2) / 2.0)
    smooth = np.zeros((frames, 2))
    for back, weight in enumerate(weights / weights.sum()):
        smooth += weight * steps[back : back + frames]
    return np.clip(smooth * (3.0 * size), -MARGIN + 2, MARGIN - 2).astype(np.float32)
