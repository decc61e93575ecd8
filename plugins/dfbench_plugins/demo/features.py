"""What changes in a face from frame to frame: eyes that look and blink, a mouth that opens.

Each is a small patch of the head's texture, painted anew for an `Expression` and laid into a copy of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np

from dfbench_plugins.demo import exact
from dfbench_plugins.demo.head import LEFT, PIXELS, TOP, HeadTexture, lip_edges
from dfbench_plugins.demo.motion import Expression
from dfbench_plugins.demo.people import Person
from dfbench_plugins.demo.pixels import (
    F32,
    U8,
    blur,
    bump,
    enlarge,
    hill,
    mix,
    smooth_noise,
    smoothstep,
    to_bytes,
    vector,
)
from dfbench_plugins.demo.warp import look_up, move

_Place = tuple[slice, slice]  # rows and columns of a patch in the texture


@dataclass(frozen=True, slots=True, eq=False)
class Eye:
    """One eye's patch: where it lies in the texture, its lids over the patch, and the eyeball behind."""

    left: int
    top: int
    across: F32
    upper: F32
    lower: F32
    height: F32
    ball: U8


@dataclass(frozen=True, slots=True, eq=False)
class Mouth:
    """The mouth's patch: coordinates, the line between the lips, and what is seen when they part."""

    left: int
    top: int
    x: F32
    below: F32
    share: F32
    inside: U8
    fade: F32


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """A painted head with its moving features, ready to be rendered; `solid` is its texture, colours multiplied by alpha."""

    texture: HeadTexture
    eyes: tuple[Eye, Eye]
    mouth: Mouth
    solid: U8


def prepare_head(texture: HeadTexture) -> Head:
    """Add the moving features to a painted head."""
    owner = texture.owner
    rng = np.random.default_rng(owner.paint_seed + 1)
    veins = smooth_noise((64, 64), scale=3.0, rng=rng)
    glint = texture.light.unit()
    shade = 0.80 + 0.2 * texture.light.ambient
    eyes = tuple(_eye(owner, sign, veins=veins, glint=glint, shade=shade) for sign in (-1.0, 1.0))
    solid = _times(texture.image, texture.alpha)
    return Head(texture, (eyes[0], eyes[1]), _mouth(owner, shade=shade), solid)


def express(head: Head, expression: Expression) -> U8:
    """The texture (h, w, 4), colours multiplied by alpha, wearing `expression`."""
    image, solid, alpha = head.texture.image.copy(), head.solid.copy(), head.texture.alpha
    patches = [_lay_eye(image, eye, head.texture.owner, expression) for eye in head.eyes]
    if expression.opening > 0.004:
        patches.append(_lay_mouth(image, head.mouth, expression.opening))
    for patch in patches:  # only there do colours differ from the texture's
        solid[patch] = _times(image[patch], alpha[patch])
    return cast(U8, cv2.merge([solid, alpha]))


def _times(image: U8, alpha: U8) -> U8:
    return cast(U8, cv2.multiply(image, cv2.merge([alpha, alpha, alpha]), scale=1.0 / 255.0))


def _patch(x0: float, y0: float, x1: float, y1: float) -> tuple[int, int, F32, F32]:
    left, top = int((x0 - LEFT) * PIXELS), int((y0 - TOP) * PIXELS)
    width, height = int((x1 - x0) * PIXELS), int((y1 - y0) * PIXELS)
    x = (left + np.arange(width, dtype=np.float32) + 0.5) / PIXELS + LEFT
    y = (top + np.arange(height, dtype=np.float32) + 0.5) / PIXELS + TOP
    xs, ys = np.meshgrid(x, y)
    return left, top, cast(F32, xs.astype(np.float32)), cast(F32, ys.astype(np.float32))


def _eye(owner: Person, sign: float, *, veins: F32, glint: tuple[float, float, float], shade: float) -> Eye:
    wide = owner.eye_width
    centre = sign * owner.eye_gap
    left, top, x, y = _patch(centre - 1.35 * wide, -0.20, centre + 1.35 * wide, 0.20)
    across = (x - centre) / wide * sign  # -1 at the nose, 1 at the temple
    height = y + owner.eye_tilt * across * wide * 0.9
    arch = np.clip(1.0 - across**2, 0.0, 1.0)
    upper = -owner.eye_height * exact.power(arch, 0.62) * (1.0 - 0.10 * across)
    lower = owner.eye_height * 0.62 * exact.power(arch, 0.8) * (1.0 + 0.12 * across)
    ball = _eyeball(owner, x - centre, height, veins=veins, glint=glint, shade=shade)
    return Eye(
        left, top, across.astype(np.float32), upper.astype(np.float32), lower.astype(np.float32), height, ball
    )


def _eyeball(
    owner: Person, x: F32, y: F32, *, veins: F32, glint: tuple[float, float, float], shade: float
) -> U8:
    white = np.array((226.0, 220.0, 214.0), dtype=np.float32) * shade
    aside = np.clip(np.abs(x) / owner.eye_width, 0, 1)[..., None]
    fall = 1.0 - 0.42 * aside * aside * aside
    image = cast(F32, (white * fall).astype(np.float32))
    image = image + enlarge(veins, (x.shape[0], x.shape[1]))[..., None] * vector(1.6, -2.4, -2.4)
    radius = np.sqrt(x**2 + (y + 0.012) ** 2).astype(np.float32)
    size = 0.098
    spokes = 1.0 + 0.16 * exact.sin(exact.arctan2(y, x) * 19.0) + 0.35 * smoothstep(0.0, size, radius) - 0.2
    iris = np.array(owner.iris, dtype=np.float32) * (shade * spokes)[..., None]
    image = mix(image, iris.astype(np.float32), smoothstep(size + 0.010, size - 0.008, radius))
    ring = hill(((radius - size) / 0.013) ** 2)
    image = mix(image, (24.0, 20.0, 20.0), 0.6 * ring)
    image = mix(image, (10.0, 8.0, 8.0), smoothstep(0.050, 0.034, radius))
    spark = bump(x, y, at=(0.045 * np.sign(glint[0] + 1e-6), -0.050), size=(0.024, 0.022))
    return to_bytes(mix(image, (252.0, 252.0, 252.0), 0.92 * spark))


def _lay_eye(image: U8, eye: Eye, owner: Person, expression: Expression) -> _Place:
    """Paint the eye into `image`; return where."""
    height, width = eye.height.shape
    place = (slice(eye.top, eye.top + height), slice(eye.left, eye.left + width))
    view = image[place]
    aside, down = (part * owner.eye_width * PIXELS for part in expression.gaze)
    how = np.array([[1, 0, aside], [0, 1, down]])
    ball = move(eye.ball, how, (width, height), border=cv2.BORDER_REPLICATE)
    squint = 1.0 - 0.18 * max(expression.smile, 0.0) + 0.10 * expression.brow
    upper = eye.upper * squint * (1.0 - expression.blink) + eye.lower * (0.85 * expression.blink)
    under = eye.height - upper
    inner = np.abs(eye.across) < 1.0
    gap = smoothstep(-0.006, 0.014, under) * smoothstep(0.008, -0.010, eye.height - eye.lower) * inner
    shadow = 1.0 - 0.52 * hill(np.clip(under, 0, 1) / 0.036)
    out = mix(view.astype(np.float32), ball * shadow[..., None], gap.astype(np.float32))
    weight = 0.017 + 0.010 * owner.makeup
    ends = smoothstep(1.14, 0.85, np.abs(eye.across))
    lash = hill((under / weight) ** 2) * ends * (0.72 + 0.2 * owner.makeup)
    waterline = hill(((eye.height - eye.lower - 0.008) / 0.012) ** 2) * ends * (1.0 - expression.blink)
    out = mix(out, tuple(0.45 * v for v in owner.skin), (0.38 * waterline).astype(np.float32))
    out = mix(out, (26.0, 19.0, 18.0), np.clip(lash, 0, 0.95).astype(np.float32))
    view[...] = to_bytes(out)
    return place


def _mouth(owner: Person, *, shade: float) -> Mouth:
    left, top, x, y = _patch(-0.62, owner.mouth_y - 0.30, 0.62, owner.mouth_y + 0.46)
    _, line, _ = lip_edges(owner, x)
    below = y - line
    share = exact.power(np.clip(1.0 - (x / (owner.mouth_width * 0.92)) ** 2, 0.0, 1.0), 0.6)
    fade = smoothstep(-0.28, -0.12, below.astype(np.float32)) * smoothstep(
        0.44, 0.30, below.astype(np.float32)
    )
    fade = fade * smoothstep(0.60, 0.45, np.abs(x))
    rows = np.linspace(0.0, 1.0, 40, dtype=np.float32)[
        :, None
    ]  # from the upper lip down, times 0.2 face units
    columns = np.linspace(-1.0, 1.0, 96, dtype=np.float32)[None, :]
    inside = np.broadcast_to(vector(58.0, 24.0, 24.0), (40, 96, 3)).copy()
    tongue = smoothstep(0.45, 0.9, rows) * hill((columns / 0.7) ** 2)
    inside = mix(inside, (142.0, 74.0, 70.0), 0.7 * cast(F32, tongue))
    gaps = 1.0 - 0.22 * hill((np.mod(columns * 5.0 + 0.5, 1.0) - 0.5) ** 2 / 0.006)
    teeth = smoothstep(0.42, 0.34, rows) * smoothstep(0.95, 0.6, np.abs(columns)) * np.float32(0.92)
    white = (vector(228.0, 220.0, 206.0) * (gaps * (1.0 - 0.35 * columns**2))[..., None]).astype(np.float32)
    inside = mix(
        inside, np.broadcast_to(white, inside.shape).astype(np.float32), cast(F32, teeth)
    ) * np.float32(shade)
    seen = blur(to_bytes(inside), 0.8)
    return Mouth(left, top, x, below.astype(np.float32), share.astype(np.float32), seen, fade)


def _lay_mouth(image: U8, mouth: Mouth, opening: float) -> _Place:
    """Paint the opened mouth into `image`; return where."""
    height, width = mouth.x.shape
    place = (slice(mouth.top, mouth.top + height), slice(mouth.left, mouth.left + width))
    view = image[place]
    rise, fall = 0.25 * opening * mouth.share, 0.75 * opening * mouth.share
    over = mouth.below + rise  # negative above the parted upper lip
    under = mouth.below - fall  # positive below the parted lower lip
    source = np.where(
        mouth.below < 0,
        mouth.below + rise * hill((over / 0.15) ** 2),
        mouth.below - fall * hill((under / 0.28) ** 2),
    )
    shift = (source - mouth.below) * mouth.fade * PIXELS
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    moved = look_up(view, np.dstack((columns, rows + shift)).astype(np.float32), border=cv2.BORDER_REFLECT)
    hole = smoothstep(-0.006, 0.014, over.astype(np.float32)) * smoothstep(
        0.008, -0.012, under.astype(np.float32)
    )
    hole = hole * smoothstep(0.02, 0.25, mouth.share)
    seen_x = (mouth.x / 0.36 * 0.5 + 0.5) * 95.0
    seen_y = over / 0.2 * 39.0
    inside = look_up(
        mouth.inside, np.dstack((seen_x, seen_y)).astype(np.float32), border=cv2.BORDER_REPLICATE
    )
    shadow = 0.55 + 0.45 * smoothstep(0.0, 0.05, over.astype(np.float32))
    view[...] = to_bytes(mix(moved.astype(np.float32), inside * shadow[..., None], hole.astype(np.float32)))
    return place
