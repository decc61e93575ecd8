"""Hair: strands that run from the parting, before the face (front) and behind the neck (back)."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np

from dfbench_plugins.demo import exact
from dfbench_plugins.demo.people import Person
from dfbench_plugins.demo.pixels import F32, blur_finely, hill, smooth_noise, smoothstep, strokes, to_bytes
from dfbench_plugins.demo.warp import look_up

_LEVELS = 32.0  # of a byte, a standard deviation of the strands


def strand_noise(owner: Person, x: F32, y: F32, *, rng: np.random.Generator) -> F32:
    """Unit noise that is long along the strands and fine across them."""
    if owner.cut in ("curly", "buzz"):
        scale = 5.0 if owner.cut == "curly" else 1.6
        shape = (x.shape[0], x.shape[1])
        return cast(
            F32,
            (
                0.75 * smooth_noise(shape, scale=scale, rng=rng)
                + 0.5 * smooth_noise(shape, scale=1.7, rng=rng)
            ),
        )
    sheet = np.zeros((128, 1024), dtype=np.float32)
    for sigma_x, sigma_y, share in ((0.8, 14.0, 0.7), (2.4, 22.0, 0.7), (8.0, 30.0, 0.5)):
        layer = strokes(sheet.shape, across=sigma_x, along=sigma_y, rng=rng)
        sheet += layer * np.float32(share / exact.deviation(layer))
    from_x, from_y = owner.parting * 0.7, -1.25 - 0.5 * owner.volume
    angle = exact.arctan2(x - from_x, y - from_y + 0.9)
    reach = np.sqrt((x - from_x) ** 2 + (0.75 * (y - from_y)) ** 2)
    across = 512.0 + angle * 250.0 + 10.0 * exact.sin(reach * 4.0)
    along = reach * 30.0
    places = np.dstack((across, along)).astype(np.float32)
    levels = to_bytes(sheet * np.float32(_LEVELS) + np.float32(128.0))
    noise = look_up(levels, places, border=cv2.BORDER_REFLECT)
    return cast(F32, (noise.astype(np.float32) - np.float32(128.0)) / np.float32(_LEVELS))


def front_hair(owner: Person, x: F32, y: F32, *, face: F32, rng: np.random.Generator) -> tuple[F32, F32]:
    """Colours (h, w, 3) and cover (h, w) in [0, 1] of the hair that lies over the head."""
    strands = strand_noise(owner, x, y, rng=rng)
    side = np.abs(x)
    rough = smooth_noise((x.shape[0], x.shape[1]), scale=14, rng=rng)
    jag = 0.020 * strands + 0.022 * rough
    swell = 1.0 + owner.volume
    top = -owner.crown - 0.75 * owner.volume
    dome = exact.power(1.0 - exact.power(np.clip(y / top, 0.0, 1.0), 2.3), 1 / 2.3)
    outline = np.where(y > top, swell * 0.985 * np.where(y < 0, dome, 1.0), -1.0)
    out_jag = jag * (2.0 if owner.cut == "curly" else 0.7)
    inside = smoothstep(-0.015, 0.03, (outline + out_jag - side).astype(np.float32))
    cover = inside * _below_line(owner, x, y, jag=jag.astype(np.float32))
    tint = np.array(owner.hair, dtype=np.float32)
    colour = (
        tint * np.clip(1.0 + 0.26 * strands + 0.08 * rough, 0.35, 2.0)[..., None]
        + 7.0 * np.clip(strands - 0.7, 0, 2)[..., None]
    )
    depth = blur_finely(cover, 4.0)
    colour = colour * (0.62 + 0.38 * depth)[..., None]
    if owner.cut == "buzz":
        cover = cover * np.clip(0.74 + 0.12 * strands, 0, 0.95)
    del face
    return cast(F32, colour.astype(np.float32)), cast(F32, np.clip(cover, 0, 1).astype(np.float32))


def _below_line(owner: Person, x: F32, y: F32, *, jag: F32) -> F32:
    """1 where hair grows: above the hairline and on the sides, down to where the cut ends."""
    side = np.abs(x)
    skew = x - owner.parting
    line = owner.hairline + jag
    ends = 0.10
    if owner.cut == "side":
        line = line + 0.16 * exact.tanh(1.8 * skew * (-1.0 if owner.parting > 0 else 1.0))
    elif owner.cut == "fringe":
        line = line + 0.40 - 0.12 * skew**2
    elif owner.cut in ("long", "bob"):
        line = line + 0.30 * exact.power(np.clip(np.abs(skew) - 0.12, 0.0, 1.0), 1.3) - 0.10
    elif owner.cut == "receding":
        line = line - 0.05 + 0.20 * hill((x / 0.22) ** 2) - 0.16 * hill(((side - 0.45) / 0.2) ** 2)
    temple = 0.84 if owner.cut not in ("long", "bob", "fringe") else 0.80
    aside = (np.clip(side - 0.55, 0, 1) / (temple - 0.40)) ** 2
    line = line + aside * aside * 1.05
    if owner.cut in ("long", "bob"):
        ends = 2.3 if owner.cut == "long" else 1.25
        line = line + np.where(side > temple + 0.02, (side - temple) * 26.0, 0.0)
    elif owner.cut == "curly":
        ends = 0.45
    above = smoothstep(0.02, -0.03, (y - line).astype(np.float32))
    cut = smoothstep(ends + 0.10, ends - 0.05, (y + 2.0 * jag).astype(np.float32))
    return cast(F32, above * cut)


def back_outline(owner: Person, x: F32, y: F32) -> F32:
    """Cover of the hair that hangs behind head and neck, for `scene.paint_body`."""
    if owner.cut not in ("long", "bob", "curly", "fringe"):
        return np.zeros_like(x)
    ends = {"long": 2.6, "bob": 1.45, "curly": 0.9, "fringe": 1.75}[owner.cut]
    top = -owner.crown - 0.6 * owner.volume
    dome = exact.power(1.0 - exact.power(np.clip(y / top, 0.0, 1.0), 2.3), 1 / 2.3)
    wide = (1.0 + owner.volume) * np.where(
        y < 0, dome, 1.0 + 0.10 * exact.sin(np.clip(y / ends, 0, 1) * np.pi)
    )
    wave = 0.03 * exact.sin(y * 6.0 + 4.0 * owner.parting)
    wide = np.where(y > top, wide, -1.0)
    return smoothstep(-0.02, 0.05, (wide + wave - np.abs(x)).astype(np.float32)) * smoothstep(
        ends + 0.15, ends - 0.1, y
    )
