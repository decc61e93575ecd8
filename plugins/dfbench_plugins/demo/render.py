"""Put a painted head before the camera: three-dimensional pose, expression, landmarks.

The head is a relief over its front view. A screen pixel finds its place on the texture by inverting the
projection on a coarse grid (a few fixed-point steps), which a remap then follows at full resolution.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import cv2
import numpy as np

from dfbench_plugins.demo import exact
from dfbench_plugins.demo.features import Head, express
from dfbench_plugins.demo.head import BOTTOM, LEFT, PIXELS, RIGHT, TOP, Light, half_width
from dfbench_plugins.demo.motion import Expression, Pose
from dfbench_plugins.demo.people import Person
from dfbench_plugins.demo.pixels import F32, U8, bump
from dfbench_plugins.demo.warp import look_up, on_grid, spread

STEP = 8  # pixels between the points of the coarse grid

_Turns = list[tuple[np.float32, np.float32]]  # sine and cosine of each angle


@dataclass(frozen=True, slots=True)
class View:
    """Where a head stands in a frame: the pixel of its eye line's middle, and pixels a face unit."""

    x: float
    y: float
    scale: float


def render_head(head: Head, pose: Pose, expression: Expression, view: View) -> tuple[U8, int, int]:
    """The head as a layer (h, w, 4), colours multiplied by alpha, with the frame position of its corner."""
    owner = head.texture.owner
    scale = view.scale * pose.scale
    centre_x, centre_y = view.x + pose.shift[0] * view.scale, view.y + pose.shift[1] * view.scale
    left, top = int(np.floor(centre_x + LEFT * scale)), int(np.floor(centre_y + TOP * scale))
    across = int(np.ceil((RIGHT - LEFT) * scale / STEP)) + 1
    down = int(np.ceil((BOTTOM - TOP) * scale / STEP)) + 1
    screen_x = (left + (np.arange(across, dtype=np.float32) + 0.5) * STEP - 0.5 - centre_x) / scale
    screen_y = (top + (np.arange(down, dtype=np.float32) + 0.5) * STEP - 0.5 - centre_y) / scale
    goal_x, goal_y = (cast(F32, part.astype(np.float32)) for part in np.meshgrid(screen_x, screen_y))
    x, y = _unproject(owner, goal_x, goal_y, pose)
    light = _relight(x, y, pose, head.texture.light)
    move_x, move_y = _expression_field(owner, x, y, expression)
    map_x = (x - move_x - LEFT) * PIXELS - 0.5
    map_y = (y - move_y - TOP) * PIXELS - 0.5
    layer = look_up(express(head, expression), spread(on_grid(np.dstack((map_x, map_y))), STEP))
    full_light = spread(on_grid(light), STEP)
    colour = cv2.multiply(layer[..., :3], cv2.merge([full_light] * 3), dtype=cv2.CV_8U)
    return cast(U8, cv2.merge([*cv2.split(colour), layer[..., 3]])), left, top


def landmarks(owner: Person, pose: Pose, expression: Expression, view: View) -> F32:
    """The 68 points (68, 2) float32 in frame pixels, in the order of the iBUG 300-W scheme."""
    points, share = _neutral_landmarks(owner)
    x, y = points[:, 0].copy(), points[:, 1].copy()
    mouth = slice(48, 68)
    lower = np.zeros(68, dtype=np.float32)
    lower[[55, 56, 57, 58, 59, 65, 66, 67]] = 0.75
    lower[[49, 50, 51, 52, 53, 61, 62, 63]] = -0.25
    y[mouth] += (lower * share * expression.opening)[mouth]
    shut = 0.85 * expression.blink
    for upper, under in ((37, 41), (38, 40), (43, 47), (44, 46)):
        y[upper] += (y[under] - y[upper]) * shut
    move_x, move_y = _expression_field(owner, x, y, expression)
    seen_x, seen_y = _project(owner, x + move_x, y + move_y, _turns(pose.pitch, pose.yaw, pose.roll))
    scale = view.scale * pose.scale
    return cast(
        F32,
        np.stack(
            (
                seen_x * scale + view.x + pose.shift[0] * view.scale,
                seen_y * scale + view.y + pose.shift[1] * view.scale,
            ),
            axis=-1,
        ).astype(np.float32),
    )


def _depth(owner: Person, x: F32, y: F32) -> F32:
    hull = 0.92 * (1.0 - 0.52 * np.clip(np.abs(x), 0, 1.3) ** 2 - 0.24 * np.clip(y - 0.1, -1.6, 1.6) ** 2)
    nose = 0.26 * owner.nose_depth * bump(x, y, at=(0.0, owner.nose_length - 0.08), size=(0.24, 0.34))
    return cast(F32, hull + nose)


def _project(owner: Person, x: F32, y: F32, turns: _Turns) -> tuple[F32, F32]:
    """Rotate the relief (pitch, then yaw, then roll) about a point inside the head; drop the depth."""
    z = _depth(owner, x, y) - 0.15
    (sin_p, cos_p), (sin_y, cos_y), (sin_r, cos_r) = turns
    y1 = y * cos_p + z * sin_p
    z1 = z * cos_p - y * sin_p
    x1 = x * cos_y + z1 * sin_y
    seen_x, seen_y = x1 * cos_r - y1 * sin_r, x1 * sin_r + y1 * cos_r
    return cast(F32, seen_x.astype(np.float32)), cast(F32, seen_y.astype(np.float32))


def _turns(*angles: float) -> _Turns:
    """Sine and cosine of each of `angles`."""
    return [exact.turn(angle) for angle in angles]


def _unproject(owner: Person, goal_x: F32, goal_y: F32, pose: Pose) -> tuple[F32, F32]:
    turns = _turns(pose.pitch, pose.yaw, pose.roll)
    sin_r, cos_r = turns[2]
    x, y = goal_x * cos_r + goal_y * sin_r, goal_y * cos_r - goal_x * sin_r
    for _ in range(5):
        seen_x, seen_y = _project(owner, x, y, turns)
        off_x, off_y = goal_x - seen_x, goal_y - seen_y
        x, y = x + off_x * cos_r + off_y * sin_r, y + off_y * cos_r - off_x * sin_r
    return x, y


def _relight(x: F32, y: F32, pose: Pose, light: Light) -> F32:
    """How much brighter or darker each place is than the texture, since the head has turned."""
    nx, ny = x / 1.25, (y - 0.05) / 1.9
    nz = np.sqrt(np.clip(1.0 - nx**2 - ny**2, 0.15, 1.0))
    lx, ly, lz = light.unit()
    (sin_p, cos_p), (sin_y, cos_y) = _turns(pose.pitch, pose.yaw)
    turned_x = nx * cos_y + nz * sin_y
    turned_z = nz * cos_y - nx * sin_y
    turned_y = ny * cos_p + turned_z * sin_p
    turned_z = turned_z * cos_p - ny * sin_p
    before = light.ambient + 0.9 * np.clip(nx * lx + ny * ly + nz * lz + 0.2, 0.0, 2.0)
    after = light.ambient + 0.9 * np.clip(turned_x * lx + turned_y * ly + turned_z * lz + 0.2, 0.0, 2.0)
    return cast(F32, np.clip(after / before, 0.72, 1.3).astype(np.float32))


def _expression_field(owner: Person, x: F32, y: F32, expression: Expression) -> tuple[F32, F32]:
    """How far each place of the face has moved (dx, dy), face units."""
    side, sign = np.abs(x), np.sign(x)
    corner = bump(side, y, at=(owner.mouth_width, owner.mouth_y), size=(0.2, 0.2)) * np.float32(
        expression.smile
    )
    cheek = bump(side, y, at=(0.52, 0.45), size=(0.26, 0.24)) * np.float32(max(expression.smile, 0.0))
    brow = bump(side, y, at=(owner.eye_gap, -owner.brow_height - 0.04), size=(0.42, 0.16)) * np.float32(
        expression.brow
    )
    low = np.clip((y - owner.mouth_y) / (owner.chin - owner.mouth_y), 0.0, 1.0)
    jaw = low * np.sqrt(low) * np.float32(0.5 * expression.opening)
    return (
        cast(F32, (0.075 * sign * corner).astype(np.float32)),
        cast(F32, (-0.085 * corner - 0.04 * cheek - 0.07 * brow + jaw).astype(np.float32)),
    )


@lru_cache(maxsize=16)
def _neutral_landmarks(owner: Person) -> tuple[F32, F32]:
    """The 68 points (68, 2) of a face at rest, and how far each follows the opening mouth (68,); shared, so not to be changed."""
    points: list[tuple[float, float]] = []
    chin = owner.chin
    heights = np.array((-0.02, 0.19, 0.40, 0.62, 0.83, 1.04, 1.22, 1.38), dtype=np.float32) * (chin / 1.48)
    widths = half_width(owner, heights)
    jaw = [(-float(w), float(h)) for w, h in zip(widths, heights, strict=True)]
    points += [*jaw, (0.0, chin), *[(-px, py) for px, py in reversed(jaw)]]
    start, end = owner.eye_gap - 0.24, owner.eye_gap + 0.29
    brow = []
    for along in (0.0, 0.25, 0.5, 0.75, 1.0):
        lift = owner.brow_arch * float(exact.sin(np.pi * exact.power(along * 0.95, 1.15)))
        slope = 0.05 * along * along * along
        brow.append((start + along * (end - start), -owner.brow_height - lift + slope - 0.02))
    points += [(-px, py) for px, py in reversed(brow)] + brow
    tip = owner.nose_length
    points += [(0.0, 0.02 + (tip - 0.04) * k / 3.0) for k in range(4)]
    points += [
        (px * owner.nose_width, tip + py)
        for px, py in ((-0.19, 0.08), (-0.10, 0.11), (0, 0.13), (0.10, 0.11), (0.19, 0.08))
    ]
    points += [*_eye_points(owner, -1.0), *_eye_points(owner, 1.0)]
    points += _mouth_points(owner)
    found = np.array(points, dtype=np.float32)
    share = exact.power(np.clip(1.0 - (found[:, 0] / (owner.mouth_width * 0.92)) ** 2, 0.0, 1.0), 0.6)
    return found, share


def _eye_points(owner: Person, sign: float) -> list[tuple[float, float]]:
    def at(across: float, height: float) -> tuple[float, float]:
        tilt = owner.eye_tilt * across * owner.eye_width * 0.9
        return sign * (owner.eye_gap + across * owner.eye_width), height - tilt

    up, low = -owner.eye_height * 0.9, owner.eye_height * 0.56
    outer, inner = at(1.0, 0.0), at(-1.0, 0.0)
    outer_up, inner_up, outer_low, inner_low = at(0.4, up), at(-0.4, up), at(0.4, low), at(-0.4, low)
    if sign < 0:
        return [outer, outer_up, inner_up, inner, inner_low, outer_low]
    return [inner, inner_up, outer_up, outer, outer_low, inner_low]


def _mouth_points(owner: Person) -> list[tuple[float, float]]:
    wide, y = owner.mouth_width, owner.mouth_y
    up, low = owner.lip_upper, owner.lip_lower
    outer = [
        (-1.0, 0.0),
        (-0.6, -0.8 * up),
        (-0.2, -up),
        (0.0, -0.8 * up),
        (0.2, -up),
        (0.6, -0.8 * up),
        (1.0, 0.0),
    ]
    outer += [(0.6, 0.8 * low), (0.25, low), (0.0, low), (-0.25, low), (-0.6, 0.8 * low)]
    inner = [
        (-0.85, 0.0),
        (-0.3, -0.01),
        (0.0, -0.01),
        (0.3, -0.01),
        (0.85, 0.0),
        (0.3, 0.01),
        (0.0, 0.01),
        (-0.3, 0.01),
    ]
    return [(px * wide, y + py) for px, py in outer + inner]
