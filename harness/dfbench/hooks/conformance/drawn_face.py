"""A face that is drawn, with its landmarks: what synthesizers are checked on."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfbench.hooks.conformance.checking import SEED

_LONGEST = 4  # frames of a drawn clip


def drawn_face(size: int = 128, frames: int = 4) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Draw a shaded face on noise that moves by one pixel per frame; returns (T, H, W, 3) uint8 RGB and its 81 landmarks
    (T, 81, 2) float32, x then y."""
    points = _face_points(size)
    landmarks = np.stack([points + np.float32(step) for step in range(frames)])
    rows, columns = np.mgrid[0:size, 0:size]
    rng = np.random.default_rng(SEED)
    clip = np.empty((frames, size, size, 3), dtype=np.uint8)
    for step in range(frames):
        radius = np.hypot((columns - size / 2 - step) / 0.30, (rows - size / 2 - step) / 0.40) / size
        face = np.stack([190 - 60 * radius, 150 - 50 * radius, 125 - 40 * radius], axis=-1)
        back = np.broadcast_to(90 + 60 * rows[..., None] / size, face.shape)
        shaded = np.where(radius[..., None] < 1, face, back) + rng.normal(0, 6, face.shape)
        clip[step] = np.clip(shaded, 0, 255).astype(np.uint8)
    return clip, landmarks


class DrawnFaces:
    """The faces of two other people, drawn like the first: an `OtherFaces`, of a darker face and of one that lies lower."""

    def __len__(self) -> int:
        """Return how many faces there are."""
        return len(self._people) * _LONGEST

    def landmarks(self, faces: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the landmarks (k, 81, 2) of faces (k,)."""
        return np.concatenate([points for _, points in self._people])[faces]

    def clip(self, face: int, frames: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Return frames (T, H, W, 3) and landmarks (T, 81, 2) of the clip that begins with a face."""
        pictures, points = self._people[face // _LONGEST]
        start = min(face % _LONGEST, max(0, _LONGEST - frames))
        rows = np.minimum(start + np.arange(frames), _LONGEST - 1)
        return pictures[rows], points[rows]

    @cached_property
    def _people(self) -> list[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
        frames, points = drawn_face(frames=_LONGEST)
        return [
            (frames // 2 + 20, points),
            (np.roll(frames, 4, axis=1), points + np.array([0, 4], np.float32)),
        ]


def _face_points(size: int) -> NDArray[np.float32]:
    """81 landmarks of a frontal face in the usual order: jaw, brows, nose, eyes, mouth, forehead."""

    def arc(
        count: int, centre: tuple[float, float], radii: tuple[float, float], start: float, stop: float
    ) -> Any:
        angles = np.radians(np.linspace(start, stop, count))
        return np.stack(
            [centre[0] + radii[0] * np.cos(angles), centre[1] + radii[1] * np.sin(angles)], axis=1
        )

    nose = np.stack([np.full(4, 0.5), np.linspace(0.42, 0.54, 4)], axis=1)
    parts = (
        arc(17, (0.5, 0.5), (0.28, 0.36), 180, 0),
        arc(5, (0.38, 0.39), (0.08, 0.03), 180, 360),
        arc(5, (0.62, 0.39), (0.08, 0.03), 180, 360),
        nose,
        arc(5, (0.5, 0.56), (0.06, 0.02), 180, 0),
        arc(6, (0.38, 0.43), (0.05, 0.02), 180, 480),
        arc(6, (0.62, 0.43), (0.05, 0.02), 180, 480),
        arc(12, (0.5, 0.68), (0.10, 0.04), 180, 510),
        arc(8, (0.5, 0.68), (0.06, 0.02), 180, 495),
        arc(13, (0.5, 0.46), (0.27, 0.28), 190, 350),
    )
    return np.asarray(np.concatenate(parts) * size, dtype=np.float32)
