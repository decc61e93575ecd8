"""Paint a person's head once, seen from the front, as a texture that `render` then moves.

The texture is a plain front view in face units (see `people`): skin with its relief under one light, brows,
closed lids, closed lips, ears, hair. Eyes and the opening mouth are laid in frame by frame (`features`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from dfbench_plugins.demo import exact
from dfbench_plugins.demo.hair import front_hair
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
    strokes,
    to_bytes,
    vector,
)

PIXELS = 84.0  # of the texture, a face unit
LEFT, TOP, RIGHT, BOTTOM = -1.8, -2.1, 1.8, 2.0  # face units


@dataclass(frozen=True, slots=True)
class Light:
    """One key light: `direction` towards it (x right, y down, z to the camera), its share, and its tint."""

    direction: tuple[float, float, float]
    ambient: float
    tint: tuple[float, float, float]

    def unit(self) -> tuple[float, float, float]:
        """`direction` with length 1."""
        x, y, z = self.direction
        length = float(np.sqrt(x * x + y * y + z * z))
        return x / length, y / length, z / length


@dataclass(frozen=True, slots=True, eq=False)
class HeadTexture:
    """A painted head: `image` (h, w, 3) uint8 RGB, `alpha` (h, w) uint8, and who it is under which light."""

    owner: Person
    light: Light
    image: U8
    alpha: U8


def grid(pixels: float = PIXELS) -> tuple[F32, F32]:
    """Face coordinates (x, y) of every texture pixel's centre."""
    width, height = int((RIGHT - LEFT) * pixels), int((BOTTOM - TOP) * pixels)
    x = (np.arange(width, dtype=np.float32) + 0.5) / pixels + LEFT
    y = (np.arange(height, dtype=np.float32) + 0.5) / pixels + TOP
    xs, ys = np.meshgrid(x, y)
    return cast(F32, xs.astype(np.float32)), cast(F32, ys.astype(np.float32))


def half_width(owner: Person, y: F32) -> F32:
    """Half the width of the bare head at height `y`; -1 above the crown and below the chin."""
    up = exact.power(1.0 - exact.power(np.clip(-y / owner.crown, 0.0, 1.0), 2.4), 1 / 2.3)
    down = np.sqrt(np.maximum(1.0 - exact.power(np.clip(y / owner.chin, 0.0, 1.0), owner.jaw), 0.0))
    inside = (y > -owner.crown) & (y < owner.chin)
    return cast(F32, np.where(inside, np.where(y < 0.0, up, down), -1.0).astype(np.float32))


def paint_head(owner: Person, light: Light) -> HeadTexture:
    """Paint `owner` under `light`; everything random comes from the person's own paint seed."""
    rng = np.random.default_rng(owner.paint_seed)
    x, y = grid()
    edge = (half_width(owner, y) - np.abs(x)) * PIXELS
    face = cast(F32, np.clip(edge / 2.0 + 0.5, 0.0, 1.0).astype(np.float32))
    ears = _ears(owner, x, y)
    skin = _shade(_skin(owner, x, y, rng=rng), _relief(owner, x, y, rng=rng), owner=owner, light=light)
    skin = mix(skin, skin * np.float32(0.74), (ears * (1.0 - face)).astype(np.float32))
    skin = _occlusion(owner, skin, x, y)
    alpha = np.maximum(face, ears)
    strands, cover = front_hair(owner, x, y, face=face, rng=rng)
    tone = _hair_light(x, y, light)
    shadow = blur_finely(cover, 5.0) * 0.38 * (1.0 - cover) * smoothstep(0.5, -0.3, y)
    image = mix(skin * (1.0 - shadow[..., None]), strands * tone[..., None], cover)
    alpha = np.maximum(alpha, cover)
    if owner.glasses:
        image = _glasses(owner, image, x, y)
    return HeadTexture(owner, light, to_bytes(image), to_bytes(cast(F32, alpha * np.float32(255.0))))


def _ears(owner: Person, x: F32, y: F32) -> F32:
    side = np.abs(x)
    radius = np.sqrt(((side - 0.985) / 0.135) ** 2 + ((y - 0.16 - 0.12 * (side - 1.0)) / 0.33) ** 2)
    return (
        smoothstep(1.05, 0.92, radius.astype(np.float32))
        if owner.cut not in ("long", "bob")
        else np.zeros_like(x)
    )


def _skin(owner: Person, x: F32, y: F32, *, rng: np.random.Generator) -> F32:
    """Albedo: blood and melanin in patches, pores, freckles, beard shadow, lips."""
    shape = (x.shape[0], x.shape[1])
    base = np.broadcast_to(np.array(owner.skin, dtype=np.float32), (*shape, 3)).copy()
    side = np.abs(x)
    flush = 0.8 * bump(side, y, at=(0.56, 0.45), size=(0.28, 0.24)) + 0.7 * bump(
        x, y, at=(0, 0.56), size=(0.2, 0.14)
    )
    flush = (
        flush
        + 0.25 * smooth_noise(shape, scale=26, rng=rng) * 0.5
        + 0.5 * bump(x, y, at=(0, 1.32), size=(0.2, 0.14))
    )
    base *= 1.0 + flush[..., None] * np.array((0.015, -0.075, -0.065), dtype=np.float32) * (
        1.0 + 0.5 * owner.makeup
    )
    pallor = bump(x, y, at=(0, -0.6), size=(0.6, 0.28))
    base *= 1.0 + pallor[..., None] * np.array((0.02, 0.025, 0.0), dtype=np.float32)
    circles = bump(side, y, at=(owner.eye_gap - 0.03, 0.15), size=(0.18, 0.06)) * (0.35 + 0.65 * owner.age)
    base *= 1.0 - circles[..., None] * np.array((0.12, 0.15, 0.10), dtype=np.float32)
    mottle = 0.014 * smooth_noise(shape, scale=9, rng=rng) + 0.013 * smooth_noise(shape, scale=4, rng=rng)
    pores = 0.042 * strokes(shape, across=0.7, along=0.7, rng=rng)
    base *= (1.0 + (mottle + pores) * (0.8 + 0.5 * owner.age))[..., None]
    if owner.freckles > 0.05:
        spots = np.clip(smooth_noise(shape, scale=3.2, rng=rng) - 1.75, 0.0, 0.8)
        where = bump(side, y, at=(0.36, 0.34), size=(0.42, 0.3))
        base = mix(
            base, base * vector(0.74, 0.62, 0.54), np.clip(spots * where * owner.freckles * 2.2, 0, 0.8)
        )
    base = _moles(base, x, y, rng=rng)
    base = _beard(owner, base, x, y, rng=rng)
    base = _lips(owner, base, x, y, rng=rng)
    if owner.makeup > 0.4:
        lid = bump(side, y, at=(owner.eye_gap + 0.02, -0.11), size=(0.2, 0.07)) * (owner.makeup - 0.3)
        base = mix(base, base * vector(0.72, 0.60, 0.62), np.clip(lid, 0, 0.7).astype(np.float32))
    return _brows(owner, base, x, y, rng=rng)


def _moles(base: F32, x: F32, y: F32, *, rng: np.random.Generator) -> F32:
    for _ in range(int(rng.integers(0, 4))):
        at = (float(rng.uniform(-0.75, 0.75)), float(rng.uniform(-0.6, 1.2)))
        size = float(rng.uniform(0.015, 0.03))
        base = mix(base, base * np.float32(0.5), 0.75 * bump(x, y, at=at, size=(size, size)))
    return base


def _beard(owner: Person, base: F32, x: F32, y: F32, *, rng: np.random.Generator) -> F32:
    side = np.abs(x)
    jaw = smoothstep(0.5, 0.95, y + 0.55 * smoothstep(0.5, 0.95, side) + 0.05) * smoothstep(
        0.16, 0.34, y + 0.2 * side
    )
    mouth = bump(x, y, at=(0, owner.mouth_y - 0.02), size=(owner.mouth_width * 1.25, 0.2))
    cheek = bump(side, y, at=(0.42, 0.55), size=(0.26, 0.26))
    beard = np.clip(jaw * (1.0 - 0.95 * mouth) * (1.0 - 0.9 * cheek), 0, 1) * owner.beard
    lip = bump(x, y, at=(0, owner.mouth_y - 0.17), size=(owner.mouth_width * 1.05, 0.07)) * owner.moustache
    cover = np.maximum(beard, lip)
    shape = (x.shape[0], x.shape[1])
    stubble = strokes(shape, across=0.6, along=2.2, rng=rng) * np.float32(2.4)
    colour = np.array(owner.hair, dtype=np.float32) * 0.85
    shade = mix(
        base,
        tuple(float(v) for v in colour),
        np.clip(cover * (0.72 + 0.35 * stubble), 0, 0.93).astype(np.float32),
    )
    return cast(F32, shade * (1.0 + 0.06 * (cover * stubble)[..., None]))


def lip_edges(owner: Person, x: F32) -> tuple[F32, F32, F32]:
    """Heights of the upper lip's top, the line between the lips, and the lower lip's bottom at `x`."""
    share = np.clip(np.abs(x) / owner.mouth_width, 0.0, 1.0)
    arch = np.sqrt(1.0 - share**2)
    bow = 1.0 - 0.25 * hill((share / 0.12) ** 2) + 0.05 * hill(((share - 0.28) / 0.2) ** 2)
    line = owner.mouth_y + 0.008 * exact.cos(share * 5.0) - 0.028 * share**2
    top = line - owner.lip_upper * exact.power(arch, 0.8) * bow
    low = line + owner.lip_lower * exact.power(arch, 0.9)
    return cast(F32, top), cast(F32, line), cast(F32, low)


def _lips(owner: Person, base: F32, x: F32, y: F32, *, rng: np.random.Generator) -> F32:
    top, line, low = lip_edges(owner, x)
    inside = smoothstep(-0.012, 0.018, (y - top).astype(np.float32)) * smoothstep(
        0.016, -0.022, (y - low).astype(np.float32)
    )
    inside = inside * (np.abs(x) < owner.mouth_width)
    shape = (x.shape[0], x.shape[1])
    creases = strokes(shape, across=0.8, along=4.0, rng=rng) * np.float32(2.2)
    colour = np.array(owner.lips, dtype=np.float32) * (1.0 + 0.07 * creases[..., None])
    colour = colour * np.where(y < line, 0.86, 1.04)[..., None]
    painted = mix(base, cast(F32, colour.astype(np.float32)), (0.88 * inside).astype(np.float32))
    seam = hill(((y - line) / 0.016) ** 2) * smoothstep(
        owner.mouth_width * 1.06, owner.mouth_width * 0.9, np.abs(x)
    )
    corner = bump(np.abs(x), y, at=(owner.mouth_width * 1.01, owner.mouth_y), size=(0.035, 0.03))
    dark = np.clip(0.66 * seam + 0.35 * corner, 0, 0.75).astype(np.float32)
    return mix(painted, tuple(0.38 * v for v in owner.lips), dark)


def _brows(owner: Person, base: F32, x: F32, y: F32, *, rng: np.random.Generator) -> F32:
    side = np.abs(x)
    start, end = owner.eye_gap - 0.24, owner.eye_gap + 0.29
    along = np.clip((side - start) / (end - start), 0.0, 1.0)
    middle = (
        -owner.brow_height
        - owner.brow_arch * exact.sin(np.pi * exact.power(np.clip(along * 0.95, 0, 1), 1.15))
        + 0.05 * along * along * along
    )
    thick = (
        owner.brow_weight
        * (1.0 - 0.68 * exact.power(along, 1.6))
        * smoothstep(-0.03, 0.06, (side - start).astype(np.float32))
    )
    body = hill(exact.power(np.abs((y - middle) / np.maximum(thick, 0.008)), 2.6)) * smoothstep(
        end + 0.03, end - 0.05, side
    )
    shape = (x.shape[0], x.shape[1])
    hairs = strokes(shape, across=1.0, along=0.7, rng=rng) * np.float32(2.0)
    body = body * smoothstep(start - 0.03, start + 0.04, side)
    cover = np.clip(body * (0.72 + 0.30 * hairs), 0, 0.92).astype(np.float32)
    return mix(base, tuple(0.72 * v for v in owner.hair), cover)


def _relief(owner: Person, x: F32, y: F32, *, rng: np.random.Generator) -> F32:
    """Height towards the camera, face units."""
    side = np.abs(x)
    gap, mouth, tip = owner.eye_gap, owner.mouth_y, owner.nose_length
    h = 0.95 * np.sqrt(np.clip(1.0 - (x / 1.16) ** 2 - ((y - 0.05) / 1.78) ** 2, 0.03, 1.0))
    ridge = smoothstep(-0.22, tip, y) * smoothstep(tip + 0.13, tip - 0.02, y)
    spread = (0.095 + 0.05 * smoothstep(0.1, tip, y)) * owner.nose_width
    h = h + 0.25 * owner.nose_depth * ridge * hill((x / spread) ** 2)
    h = h + 0.085 * bump(x, y, at=(0, tip - 0.01), size=(0.12 * owner.nose_width, 0.10))
    h = h + 0.075 * bump(side, y, at=(0.165 * owner.nose_width, tip + 0.045), size=(0.075, 0.075))
    h = (
        h
        - 0.11 * bump(side, y, at=(gap, -0.03), size=(0.27, 0.15))
        + 0.075 * bump(side, y, at=(gap, 0.0), size=(0.19, 0.11))
    )
    h = h - 0.05 * bump(side, y, at=(gap - 0.22, -0.02), size=(0.09, 0.1))
    h = h + 0.05 * bump(side, y, at=(gap, -0.25), size=(0.36, 0.10))
    h = h + 0.075 * owner.cheek * bump(side, y, at=(0.56, 0.42), size=(0.28, 0.24))
    h = h - 0.04 * bump(side, y, at=(0.62, 0.92), size=(0.22, 0.3))
    h = (
        h
        + 0.06 * bump(x, y, at=(0, mouth), size=(0.44, 0.3))
        + 0.075 * bump(x, y, at=(0, owner.chin - 0.2), size=(0.27, 0.17))
    )
    h = h - 0.02 * bump(x, y, at=(0, (tip + mouth) / 2 + 0.02), size=(0.045, 0.10))
    h = h + 0.04 * bump(x, y, at=(0, mouth - 0.05), size=(owner.mouth_width * 0.85, 0.04))
    h = h + 0.055 * bump(x, y, at=(0, mouth + 0.07), size=(owner.mouth_width * 0.7, 0.06))
    h = h - 0.045 * bump(x, y, at=(0, mouth + 0.2), size=(0.25, 0.055))
    fold = side - (0.23 + 0.26 * np.clip((y - tip) / 0.42, -0.2, 1.3))
    h = h - (0.006 + 0.026 * owner.age) * hill((fold / 0.04) ** 2) * smoothstep(
        tip - 0.05, tip + 0.1, y
    ) * smoothstep(mouth + 0.22, mouth + 0.02, y)
    if owner.age > 0.35:
        lines = exact.sin(
            y * 58.0
            + 2.0 * exact.cos(x * 2.2)
            + 0.6 * smooth_noise((x.shape[0], x.shape[1]), scale=30, rng=rng)
        )
        h = h + 0.0042 * (owner.age - 0.3) * lines * bump(x, y, at=(0, -0.6), size=(0.55, 0.18))
        feet = exact.sin(exact.arctan2(y - 0.02, side - gap + 0.05) * 22.0)
        h = h + 0.003 * (owner.age - 0.3) * feet * bump(side, y, at=(gap + 0.3, 0.04), size=(0.09, 0.13))
    return cast(F32, h.astype(np.float32))


def _shade(albedo: F32, height: F32, *, owner: Person, light: Light) -> F32:
    """Wrapped Lambert with a soft highlight; the ridge of the nose is kept from turning to metal by a blur."""
    slope_x, slope_y = _slope(height.T).T, _slope(height)
    length = np.sqrt(slope_x**2 + slope_y**2 + 1.0)
    nx, ny, nz = -slope_x / length, -slope_y / length, 1.0 / length
    lx, ly, lz = light.unit()
    lambert = np.clip((nx * lx + ny * ly + nz * lz + 0.25) / 1.25, 0.0, 1.0)
    hx, hy, hz = lx, ly, lz + 1.0
    norm = float(np.sqrt(hx * hx + hy * hy + hz * hz))
    gloss = np.clip((nx * hx + ny * hy + nz * hz) / norm, 0.0, 1.0)
    warm = np.array(light.tint, dtype=np.float32)
    shade = light.ambient + (1.12 - light.ambient) * lambert
    # Light scattered under the skin reddens where it grows dark.
    scatter = np.stack((exact.power(shade, 0.88), shade, exact.power(shade, 1.06)), axis=-1)
    shine = 30.0 * owner.oil * exact.power(gloss, 24) + 16.0 * owner.oil * exact.power(gloss, 70)
    return cast(F32, (albedo * scatter * warm + (shine * lambert)[..., None] * warm).astype(np.float32))


def _slope(height: F32) -> F32:
    """How fast `height` grows from row to row, face units a face unit, smoothed across (Sobel)."""
    tall = np.pad(height, 1, mode="reflect")
    across = tall[:, :-2] + 2.0 * tall[:, 1:-1] + tall[:, 2:]
    return cast(F32, (across[2:] - across[:-2]) * np.float32(PIXELS / 8.0))


def _occlusion(owner: Person, skin: F32, x: F32, y: F32) -> F32:
    side, tip = np.abs(x), owner.nose_length
    nostril = bump(side, y, at=(0.088 * owner.nose_width, tip + 0.088), size=(0.05, 0.026))
    under = bump(x, y, at=(0, tip + 0.125), size=(0.2 * owner.nose_width, 0.05))
    wing = bump(side, y, at=(0.235 * owner.nose_width, tip + 0.04), size=(0.025, 0.065))
    dark = np.clip(0.82 * nostril + 0.20 * under + 0.22 * wing, 0, 0.85).astype(np.float32)
    skin = mix(skin, skin * vector(0.34, 0.24, 0.22), dark)
    crease_y = -owner.eye_height * 1.42 - 0.01
    bend = crease_y * np.sqrt(
        np.clip(1.0 - ((side - owner.eye_gap) / (owner.eye_width * 1.18)) ** 2, 0.0, 1.0)
    )
    crease = hill(((y - bend) / 0.017) ** 2) * (np.abs(side - owner.eye_gap) < owner.eye_width * 1.12)
    skin = mix(
        skin,
        skin * vector(0.60, 0.52, 0.50),
        (0.55 * blur_finely(crease.astype(np.float32), 0.8)).astype(np.float32),
    )
    rim = smoothstep(0.16, 0.0, (half_width(owner, y) - side).astype(np.float32)) * smoothstep(-0.4, 0.6, y)
    return skin * (1.0 - 0.30 * rim[..., None])


def _hair_light(x: F32, y: F32, light: Light) -> F32:
    lx, ly, _ = light.unit()
    band = hill(((y + 1.12 + 0.35 * (x - 0.5 * lx) ** 2) / 0.16) ** 2)
    return cast(F32, (0.80 + 0.20 * lx * x - 0.10 * ly * y * 0.4 + 0.36 * band).astype(np.float32))


def _glasses(owner: Person, image: F32, x: F32, y: F32) -> F32:
    side = np.abs(x)
    wide = exact.power(np.abs((side - owner.eye_gap - 0.01) / 0.315), 3.2)
    radius = exact.power(wide + exact.power(np.abs((y - 0.05) / 0.235), 3.2), 1 / 3.2)
    rim = hill(((radius - 1.0) / 0.085) ** 2)
    bridge = hill(((y + 0.03 - 0.06 * (side / 0.14) ** 2) / 0.024) ** 2) * (side < 0.14)
    arm = hill(((y + 0.04) / 0.024) ** 2) * (side > owner.eye_gap + 0.31) * (side < 1.02)
    cover = np.clip(np.maximum(np.maximum(rim, bridge), arm), 0, 1).astype(np.float32)
    glint = (
        14.0
        * smoothstep(1.0, 0.9, radius.astype(np.float32))
        * smoothstep(0.1, 0.0, np.abs(x * 0.6 + y + 0.02) % 0.5)
    )
    colour = tuple(0.35 * v + 8.0 for v in owner.hair)
    return mix(image + glint[..., None], colour, 0.9 * blur_finely(cover, 0.5))
