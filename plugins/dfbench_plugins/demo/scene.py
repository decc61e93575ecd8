"""What surrounds a head: the place behind it, out of focus, and the neck and clothes below it."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np

from dfbench_plugins.demo import exact
from dfbench_plugins.demo.hair import back_outline, strand_noise
from dfbench_plugins.demo.head import Light
from dfbench_plugins.demo.people import Person
from dfbench_plugins.demo.pixels import (
    F32,
    U8,
    blur_finely,
    bump,
    hill,
    mix,
    smooth_noise,
    smoothstep,
    to_bytes,
    vector,
)
from dfbench_plugins.demo.warp import move

BODY_PIXELS = 52.0  # of the body texture, a face unit
BODY_LEFT, BODY_TOP, BODY_RIGHT, BODY_BOTTOM = -3.6, -2.0, 3.6, 5.0


def paint_place(kind: str, *, width: int, height: int, rng: np.random.Generator) -> U8:
    """A background (height, width, 3) uint8 of one `kind`: studio, bokeh, room, wall, office or outdoor."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = x / height, y / height
    painters = {
        "studio": _studio,
        "bokeh": _bokeh,
        "room": _room,
        "wall": _wall,
        "office": _office,
        "outdoor": _outdoor,
    }
    image = painters[kind](x, y, rng)
    grain = (
        smooth_noise((height, width), scale=7, rng=rng) * 1.4
        + smooth_noise((height, width), scale=40, rng=rng) * 3.0
    )
    vignette = 1.0 - 0.16 * ((x - x.max() / 2) ** 2 + (y - 0.5) ** 2)
    return to_bytes(cast(F32, (image + grain[..., None]) * vignette[..., None]))


def _hue(rng: np.random.Generator, *, low: float, high: float, colour: float = 26.0) -> F32:
    return cast(F32, exact.settled(rng.uniform(low, high) + rng.normal(0.0, colour, 3)).astype(np.float32))


def _studio(x: F32, y: F32, rng: np.random.Generator) -> F32:
    base, glow = _hue(rng, low=40, high=110, colour=30), _hue(rng, low=110, high=190, colour=30)
    at = (float(rng.uniform(0.2, 1.1)), float(rng.uniform(0.1, 0.6)))
    image = mix(np.broadcast_to(base, (*x.shape, 3)), glow, bump(x, y, at=at, size=(0.7, 0.6)))
    for _ in range(int(rng.integers(2, 6))):
        centre, wide = float(rng.uniform(0.0, 1.4)), float(rng.uniform(0.02, 0.16))
        band = smoothstep(wide, wide * 0.85, np.abs(x - centre + exact.settled(rng.normal(0, 0.1)) * y))
        image = mix(image, _hue(rng, low=60, high=180, colour=34), 0.55 * band)
    return blur_finely(image, float(rng.uniform(2.5, 6.0)), top=255.0)


def _bokeh(x: F32, y: F32, rng: np.random.Generator) -> F32:
    image = np.broadcast_to(_hue(rng, low=25, high=75, colour=14), (*x.shape, 3)).astype(np.float32)
    image = image * (0.7 + 0.7 * y)[..., None]
    for _ in range(int(rng.integers(14, 30))):
        at = (float(rng.uniform(-0.1, 1.6)), float(rng.uniform(-0.1, 1.1)))
        size = float(rng.uniform(0.03, 0.11))
        disc = smoothstep(size, size * 0.82, np.sqrt((x - at[0]) ** 2 + (y - at[1]) ** 2))
        image = mix(image, _hue(rng, low=110, high=225, colour=38), float(rng.uniform(0.12, 0.55)) * disc)
    return blur_finely(image, float(rng.uniform(1.5, 3.0)), top=255.0)


def _wall(x: F32, y: F32, rng: np.random.Generator) -> F32:
    paint = _hue(rng, low=95, high=195, colour=18)
    fall = 1.0 + float(rng.uniform(-0.3, 0.3)) * (x - 0.7) + float(rng.uniform(-0.2, 0.1)) * (y - 0.5)
    image = np.broadcast_to(paint, (*x.shape, 3)) * fall[..., None]
    if rng.random() < 0.7:
        left, top = float(rng.uniform(0.0, 0.9)), float(rng.uniform(0.02, 0.3))
        wide, tall = float(rng.uniform(0.2, 0.45)), float(rng.uniform(0.2, 0.4))
        image = _frame(image, x, y, box=(left, top, left + wide, top + tall), rng=rng)
    return blur_finely(image.astype(np.float32), float(rng.uniform(0.8, 2.2)), top=255.0)


def _box(x: F32, y: F32, box: tuple[float, float, float, float]) -> F32:
    left, top, right, bottom = box
    return cast(F32, ((x > left) & (x < right) & (y > top) & (y < bottom)).astype(np.float32))


def _frame(
    image: F32, x: F32, y: F32, *, box: tuple[float, float, float, float], rng: np.random.Generator
) -> F32:
    left, top, right, bottom = box
    image = mix(image, _hue(rng, low=30, high=120), _box(x, y, box))
    inner = (left + 0.02, top + 0.02, right - 0.02, bottom - 0.02)
    painting = np.broadcast_to(_hue(rng, low=80, high=210, colour=36), image.shape).astype(np.float32)
    painting = painting + 34.0 * smooth_noise((x.shape[0], x.shape[1]), scale=22, rng=rng)[..., None]
    return mix(image, painting, _box(x, y, inner))


def _room(x: F32, y: F32, rng: np.random.Generator) -> F32:
    image = np.broadcast_to(_hue(rng, low=80, high=170, colour=18), (*x.shape, 3)).astype(np.float32)
    floor = float(rng.uniform(0.72, 0.9))
    image = mix(image, _hue(rng, low=50, high=120), smoothstep(floor, floor + 0.01, y))
    for _ in range(int(rng.integers(2, 5))):
        left, top = float(rng.uniform(-0.1, 1.3)), float(rng.uniform(0.0, 0.5))
        box = (left, top, left + float(rng.uniform(0.12, 0.5)), top + float(rng.uniform(0.25, 0.7)))
        image = (
            _shelf(image, x, y, box=box, rng=rng)
            if rng.random() < 0.4
            else _frame(image, x, y, box=box, rng=rng)
        )
    return blur_finely(image, float(rng.uniform(1.2, 3.2)), top=255.0)


def _shelf(
    image: F32, x: F32, y: F32, *, box: tuple[float, float, float, float], rng: np.random.Generator
) -> F32:
    left, top, right, bottom = box
    image = mix(image, _hue(rng, low=40, high=100), _box(x, y, box))
    at = left + 0.015
    for row in range(3):
        tall = (bottom - top) / 3.0
        at = left + 0.015
        while at < right - 0.03:
            wide = float(rng.uniform(0.015, 0.04))
            book = (
                at,
                top + row * tall + float(rng.uniform(0.02, 0.35)) * tall,
                at + wide,
                top + (row + 0.94) * tall,
            )
            image = mix(image, _hue(rng, low=40, high=200, colour=45), _box(x, y, book))
            at += wide + 0.003
    return image


def _office(x: F32, y: F32, rng: np.random.Generator) -> F32:
    image = np.broadcast_to(_hue(rng, low=140, high=205, colour=10), (*x.shape, 3)).astype(np.float32)
    pitch = float(rng.uniform(0.28, 0.5))
    offset = float(rng.uniform(0.0, pitch))
    panes = np.mod(x + offset, pitch)
    glass = smoothstep(0.02, 0.03, panes) * smoothstep(0.62, 0.60, y) * smoothstep(0.06, 0.07, y)
    view = np.broadcast_to(_hue(rng, low=150, high=230, colour=16), image.shape) * (1.1 - 0.5 * y)[..., None]
    view = view + 22.0 * smooth_noise((x.shape[0], x.shape[1]), scale=30, rng=rng)[..., None]
    image = mix(image, view.astype(np.float32), glass)
    for _ in range(int(rng.integers(1, 4))):
        left = float(rng.uniform(-0.1, 1.6))
        box = (left, float(rng.uniform(0.5, 0.7)), left + float(rng.uniform(0.15, 0.5)), 1.1)
        image = mix(image, _hue(rng, low=60, high=170, colour=24), _box(x, y, box))
    return blur_finely(image, float(rng.uniform(0.8, 2.2)), top=255.0)


def _outdoor(x: F32, y: F32, rng: np.random.Generator) -> F32:
    sky = vector(168, 192, 222) * np.float32(rng.uniform(0.85, 1.1))
    image = np.broadcast_to(sky, (*x.shape, 3)) * (1.08 - 0.25 * y)[..., None]
    shape = (x.shape[0], x.shape[1])
    horizon = float(rng.uniform(0.25, 0.6)) + 0.05 * smooth_noise(shape, scale=50, rng=rng)
    leaf = vector(74, 104, 58) * np.float32(rng.uniform(0.7, 1.3)) + exact.settled(
        rng.normal(0, 8, 3)
    ).astype(np.float32)
    foliage = (
        leaf
        * (1.0 + 0.28 * smooth_noise(shape, scale=9, rng=rng) + 0.2 * smooth_noise(shape, scale=28, rng=rng))[
            ..., None
        ]
    )
    image = mix(
        image.astype(np.float32),
        foliage.astype(np.float32),
        smoothstep(0.0, 0.02, (y - horizon).astype(np.float32)),
    )
    if rng.random() < 0.6:
        left = float(rng.uniform(-0.2, 1.2))
        house = (
            left,
            float(rng.uniform(0.0, 0.3)),
            left + float(rng.uniform(0.3, 0.7)),
            float(rng.uniform(0.7, 1.0)),
        )
        image = mix(image, _hue(rng, low=90, high=180, colour=18), _box(x, y, house))
    ground = smoothstep(0.8, 0.84, y)
    image = mix(image, _hue(rng, low=90, high=150, colour=12), ground)
    return blur_finely(image, float(rng.uniform(1.2, 3.0)), top=255.0)


def paint_body(owner: Person, light: Light) -> U8:
    """Neck, clothes and the hair behind them, (h, w, 4) uint8, colours multiplied by alpha."""
    rng = np.random.default_rng(owner.paint_seed + 2)
    wide = np.arange(int((BODY_RIGHT - BODY_LEFT) * BODY_PIXELS), dtype=np.float32)
    tall = np.arange(int((BODY_BOTTOM - BODY_TOP) * BODY_PIXELS), dtype=np.float32)
    grid_x, grid_y = np.meshgrid(
        (wide + 0.5) / BODY_PIXELS + BODY_LEFT, (tall + 0.5) / BODY_PIXELS + BODY_TOP
    )
    x, y = cast(F32, grid_x.astype(np.float32)), cast(F32, grid_y.astype(np.float32))
    side, shape = np.abs(x), (x.shape[0], x.shape[1])
    lx, ly, _ = light.unit()
    round_light = light.ambient + (1.05 - light.ambient) * np.clip(
        0.72 + 0.55 * lx * np.clip(x, -1, 1) - 0.2 * ly, 0.1, 1.2
    )
    hair = np.array(owner.hair, dtype=np.float32)
    strands = strand_noise(owner, x, y, rng=rng)
    hair_colour = hair * np.clip(0.66 + 0.2 * strands, 0.2, 1.4)[..., None]
    image, alpha = hair_colour.astype(np.float32), back_outline(owner, x, y)
    thick = (0.60 if owner.jaw > 2.5 else 0.50) + 0.03 * exact.cos(y * 3.0) + 0.5 * smoothstep(1.55, 2.25, y)
    neck = smoothstep(0.02, -0.03, (side - thick).astype(np.float32)) * smoothstep(0.6, 0.8, y)
    drop = 0.50 * smoothstep(1.95, 1.2, y + 0.12 * side)
    column = (
        1.0
        - 0.28 * (side / 0.62) ** 2 * (y < 2.1)
        - drop
        - 0.05 * hill(((side - 0.16 - 0.1 * (2.1 - y)) / 0.05) ** 2)
    )
    skin = (
        np.array(owner.skin, dtype=np.float32) * (round_light * np.clip(column, 0.3, 1.1) * 0.94)[..., None]
    )
    skin = skin * (1.0 + 0.02 * smooth_noise(shape, scale=2.0, rng=rng))[..., None]
    image, alpha = mix(image, skin.astype(np.float32), neck), np.maximum(alpha, neck)
    return _dress(owner, image, alpha, x, y, light=cast(F32, round_light.astype(np.float32)), rng=rng)


def _dress(
    owner: Person, image: F32, alpha: F32, x: F32, y: F32, *, light: F32, rng: np.random.Generator
) -> U8:
    side, shape = np.abs(x), (x.shape[0], x.shape[1])
    shoulder = 1.74 + 0.20 * side + 1.6 * np.clip(side - 1.75, 0, 2) ** 2
    opening = {
        "round": 2.08 - 0.75 * np.clip(side - 0.05, 0, 1) ** 2,
        "vee": 2.75 - 1.35 * side,
        "shirt": 2.30 - 0.75 * side,
        "suit": 2.30 - 0.75 * side,
    }[owner.collar]
    cloth = smoothstep(-0.02, 0.03, (y - np.maximum(shoulder, opening)).astype(np.float32))
    folds = 0.07 * smooth_noise(shape, scale=26, rng=rng) + 0.05 * exact.sin(
        3.0 * x + 2.0 * y + smooth_noise(shape, scale=60, rng=rng)
    )
    weave = 0.035 * smooth_noise(shape, scale=1.6, rng=rng)
    fall = np.clip(1.0 - 0.22 * np.clip(side - 1.0, 0, 3), 0.4, 1)
    colour = np.array(owner.cloth, dtype=np.float32)
    if owner.collar == "shirt" and owner.paint_seed % 3 == 0:
        stripes = 0.82 + 0.18 * (exact.sin(x * 34.0) > 0.2)
        colour = colour * stripes[..., None].astype(np.float32)
    shaded = colour * (light * fall * (1.0 + folds + weave))[..., None]
    image = mix(image, shaded.astype(np.float32), cloth)
    rim = hill(((y - np.maximum(shoulder, opening) - 0.05) / 0.045) ** 2) * smoothstep(1.0, 0.85, side)
    image = image * (1.0 - 0.22 * rim)[..., None]
    if owner.collar in ("shirt", "suit"):
        image = _collar(owner, image, x, y, light=light)
    alpha = np.maximum(alpha, cloth)
    return cast(
        U8,
        np.dstack(
            (to_bytes(cast(F32, image * alpha[..., None])), to_bytes(cast(F32, alpha * np.float32(255.0))))
        ),
    )


def _collar(owner: Person, image: F32, x: F32, y: F32, *, light: F32) -> F32:
    side = np.abs(x)
    edge = 2.32 - 0.75 * side
    flap = smoothstep(0.0, 0.03, (y - edge).astype(np.float32)) * smoothstep(
        0.34, 0.31, (y - edge).astype(np.float32)
    )
    flap = flap * smoothstep(0.80, 0.76, side) * smoothstep(1.66, 1.70, y)
    shirt = (
        vector(226, 226, 224) if owner.collar == "suit" else np.array(owner.cloth, dtype=np.float32) * 1.08
    )
    image = mix(
        image,
        (shirt * light[..., None] * (1.0 - 0.15 * hill(((y - edge - 0.31) / 0.03) ** 2))[..., None]).astype(
            np.float32
        ),
        flap,
    )
    if owner.collar == "suit":
        chest = smoothstep(
            0.02, -0.02, (side - 0.42 * np.clip(3.9 - y, 0, 2) / 1.6).astype(np.float32)
        ) * smoothstep(2.32, 2.36, y + 0.75 * side)
        image = mix(image, (vector(222, 222, 220) * light[..., None]).astype(np.float32), chest)
        tie = smoothstep(
            0.02, -0.01, (side - 0.09 - 0.05 * np.clip(y - 2.5, 0, 1)).astype(np.float32)
        ) * smoothstep(2.34, 2.38, y)
        hue = np.roll(np.array(owner.cloth, dtype=np.float32), 1) * 0.8
        image = mix(image, (hue * light[..., None]).astype(np.float32), tie)
    return image


def place_body(layer: U8, *, x: float, y: float, scale: float, size: tuple[int, int]) -> U8:
    """`layer` moved so that the face's origin lies at (x, y) of a frame of `size` (width, height)."""
    grow = scale / BODY_PIXELS
    how = np.array([[grow, 0, x + BODY_LEFT * scale], [0, grow, y + BODY_TOP * scale]])
    return move(layer, how, size, border=cv2.BORDER_CONSTANT)
