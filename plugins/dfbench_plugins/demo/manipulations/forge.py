"""Forge one face throughout a shot, frame by frame, as the tool of its recipe would."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay

from dfbench_plugins.demo import exact
from dfbench_plugins.demo.camera import Actor, Footage, sense, sensor_grain
from dfbench_plugins.demo.features import Head
from dfbench_plugins.demo.manipulations.blend import FORGED, Box, blend, face_box, face_mask, match_colour
from dfbench_plugins.demo.manipulations.recipes import Kind, Recipe
from dfbench_plugins.demo.motion import Expression, Pose
from dfbench_plugins.demo.pixels import F32, U8, blur, paste, vector
from dfbench_plugins.demo.render import View, landmarks, render_head
from dfbench_plugins.demo.warp import look_up, move, on_grid, spread

CANVAS = 220  # pixels of the square on which a generated face is rendered
FACE_SCALE = 62.0  # pixels a face unit there
CROP_UNITS = 2.3  # face units across what an autoencoder generates


def forge(
    footage: Footage, source: Footage, recipe: Recipe, *, start: int, frames: int, rng: np.random.Generator
) -> tuple[U8, U8]:
    """Forge the first actor of `footage` with the first of `source`, over `frames` frames from `start`.

    Returns the frames (n, h, w, 3) and the masks (n, h, w), both uint8; a mask is 255 where the face was forged.
    """
    shots = footage.frames[start : start + frames].copy()
    height, width = shots.shape[1:3]
    masks = np.zeros((frames, height, width), dtype=np.uint8)
    photo = _Photo(source) if recipe.kind is Kind.GRAPHICS else None
    first, last = round(recipe.active[0] * frames), round(recipe.active[1] * frames)
    grain = None
    if recipe.grain > 0.0:
        grain = sensor_grain(height, width, sigma=recipe.grain * footage.noise, rng=rng)
    kept: F32 | None = None
    for index in range(first, last):
        true = footage.landmarks[start + index, 0]
        seen = _detected(true, jitter=recipe.jitter, kept=kept, smoothing=recipe.smoothing, rng=rng)
        kept = (seen - true).astype(np.float32)
        box = face_box(seen, (width, height))
        here = shots[index, box[1] : box[3], box[0] : box[2]]
        wide = float(seen[16, 0] - seen[0, 0])
        mask = face_mask(seen, box, kind=recipe.kind, feather=max(recipe.feather * wide, 1.0))
        if photo is not None:
            face = photo.warped(seen, box)
        else:
            head, pose, expression = directed(footage.actors[0], source.actors[0], recipe, start + index)
            face = _generated(head, pose, expression, seen, box, recipe=recipe)
        face = match_colour(face, here, mask, recipe)
        if grain is not None:
            face = sense(face, grain, rng=rng)
        shots[index, box[1] : box[3], box[0] : box[2]] = blend(here, face, mask, recipe)
        masks[index, box[1] : box[3], box[0] : box[2]] = (mask > FORGED) * np.uint8(255)
    return shots, masks


def _detected(
    true: F32, *, jitter: float, kept: F32 | None, smoothing: float, rng: np.random.Generator
) -> F32:
    """Landmarks as a detector gives them: each a little off, all a little off together, partly smoothed in time."""
    wide = float(np.ptp(true[:, 0]))
    error = (0.6 * exact.noise(true.shape, rng) + exact.noise((1, 2), rng)) / exact.STEPS
    noise = (error * jitter * wide).astype(np.float32)
    if kept is not None:
        noise = smoothing * kept + (1.0 - smoothing) * noise
    return cast(F32, (true + noise).astype(np.float32))


def directed(target: Actor, source: Actor, recipe: Recipe, index: int) -> tuple[Head, Pose, Expression]:
    """Whose head is rendered in frame `index`, in which pose, with which expression."""
    pose, own = target.performance.poses[index], target.performance.expressions[index]
    other = source.performance.expressions[index % len(source.performance.expressions)]
    if recipe.kind is Kind.AUTOENCODER:
        strength = recipe.fidelity
        copied = replace(
            own,
            opening=own.opening * strength,
            smile=own.smile * strength,
            brow=own.brow * strength,
            blink=min(1.0, own.blink * strength),
        )
        turned = replace(pose, yaw=pose.yaw * (0.85 + 0.15 * strength), pitch=pose.pitch * strength)
        return source.head, turned, copied
    if recipe.kind is Kind.EXPRESSION:
        return target.head, pose, replace(other, blink=own.blink, gaze=own.gaze)
    return target.head, pose, replace(own, opening=other.opening, smile=other.smile)


def _generated(head: Head, pose: Pose, expression: Expression, seen: F32, box: Box, *, recipe: Recipe) -> U8:
    """A face rendered at the recipe's resolution, laid on the target's landmarks; (h, w, 3) over `box`."""
    still = replace(pose, shift=(0.0, 0.0), scale=1.0)
    view = View(CANVAS / 2.0, CANVAS * 0.44, FACE_SCALE)
    canvas = _skin(head.texture.owner.skin).copy()
    layer, left, top = render_head(head, still, expression, view)
    paste(canvas, layer, left, top)
    points = landmarks(head.texture.owner, still, expression, view)
    shrink = min(1.0, recipe.resolution / (CROP_UNITS * FACE_SCALE))
    side = max(16, round(CANVAS * shrink))
    small = cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA)
    small = blur(small, recipe.softness)
    how = similarity((points * (side / CANVAS))[17:68], seen[17:68] - vector(box[0], box[1]))
    size = (box[2] - box[0], box[3] - box[1])
    return move(small, how, size, border=cv2.BORDER_REPLICATE)


@lru_cache(maxsize=4)
def _skin(colour: tuple[float, float, float]) -> U8:
    """An empty canvas of this colour; shared, so not to be changed."""
    canvas = np.empty((CANVAS, CANVAS, 3), dtype=np.uint8)
    canvas[:] = np.array(colour, dtype=np.uint8)
    return canvas


def similarity(source: F32, target: F32) -> NDArray[np.float64]:
    """The rotation, uniform scale and shift (2, 3) that carry `source` to `target`, both (n, 2).

    The scale is the ratio of the two spreads. Least squares (Umeyama 1991) would shrink `source` the more, the less
    the shapes agree, so that every swapped face would be a little too small. Source: Horn 1987, the symmetric scale.
    """
    source_mean, target_mean = (points.astype(np.float64).mean(axis=0) for points in (source, target))
    a, b = source - source_mean, target - target_mean
    cosine = float((a * b).sum())
    sine = float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum())
    scale = float(np.sqrt((b * b).sum() / (a * a).sum() / (cosine * cosine + sine * sine)))
    turn = np.array([[cosine, -sine], [sine, cosine]]) * scale
    # Not a matrix product: its kernels differ between processors.
    shift = target_mean - (turn[:, 0] * source_mean[0] + turn[:, 1] * source_mean[1])
    return np.hstack((turn, shift[:, None]))


class _Photo:
    """A still of the source, taken where it looks most nearly ahead, ready to be warped triangle by triangle."""

    def __init__(self, source: Footage) -> None:
        poses = source.actors[0].performance.poses
        expressions = source.actors[0].performance.expressions
        cost = [
            abs(p.yaw) + abs(p.pitch) + 2.0 * e.blink + 2.0 * e.opening
            for p, e in zip(poses, expressions, strict=True)
        ]
        index = int(np.argmin(cost))
        self.image = source.frames[index]
        self.points = np.concatenate((source.landmarks[index, 0], _corners(source.landmarks[index, 0])))
        self.triangles = Delaunay(self.points).simplices

    def warped(self, seen: F32, box: Box) -> U8:
        """The photo with its landmarks carried to `seen`, affine in each triangle; (h, w, 3) over `box`."""
        step = 4  # the map is made at a quarter of the resolution; it is linear nearly everywhere
        width, height = box[2] - box[0], box[3] - box[1]
        across, down = width // step + 1, height // step + 1
        goal = (np.concatenate((seen, _corners(seen))) - vector(box[0], box[1])).astype(np.float32)
        which = np.zeros((down, across), dtype=np.uint8)
        cells = np.rint((goal / step - 0.5 + 0.5 / step)[self.triangles] * 16.0).astype(np.int32)
        for number, cell in enumerate(cells):
            cv2.fillConvexPoly(which, cell, number, shift=4)
        a, b, c = (goal[self.triangles[:, corner]] for corner in range(3))
        from_a, from_b, from_c = (self.points[self.triangles[:, corner]] for corner in range(3))
        area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
        area = np.where(np.abs(area) < 1e-3, 1e-3, area)[which]
        rows, columns = np.mgrid[0:down, 0:across].astype(np.float32)
        x = (columns + 0.5) * step - 0.5 - a[which, 0]
        y = (rows + 0.5) * step - 0.5 - a[which, 1]
        along_b = (x * (c - a)[which, 1] - y * (c - a)[which, 0]) / area
        along_c = (y * (b - a)[which, 0] - x * (b - a)[which, 1]) / area
        coarse = from_a[which] + along_b[..., None] * (from_b - from_a)[which]
        coarse = (coarse + along_c[..., None] * (from_c - from_a)[which]).astype(np.float32)
        full = spread(on_grid(coarse), step)[:height, :width]
        return look_up(self.image, full, border=cv2.BORDER_REPLICATE)


def _corners(points: F32) -> F32:
    """Four points well outside a face (4, 2), which turn and grow with its landmarks."""
    middle = points.mean(axis=0)
    aside = points[45] - points[36]  # from one outer eye corner to the other
    down = vector(-float(aside[1]), float(aside[0]))
    signs = ((-1, -1), (1, -1), (-1, 1), (1, 1))
    return cast(
        F32,
        np.stack([middle + 2.2 * (across * aside + along * down) for across, along in signs]).astype(
            np.float32
        ),
    )
