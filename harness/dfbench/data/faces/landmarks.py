"""81 landmarks: dlib's 68, and 13 forehead points extrapolated from them.

Where dlib or its model file is absent, a mean face is fitted to the finder's five points. The dlib predictor was
trained on 300-W, which is for non-commercial research.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfbench.types import LANDMARKING, PrepareSpec

FOREHEAD = 13
# A mean frontal face in units of the eye distance, origin between the eyes, y down: jaw, brows, nose, eyes, mouth.
_JAW = [
    (-1.12, 0.02),
    (-1.10, 0.34),
    (-1.05, 0.66),
    (-0.97, 0.97),
    (-0.82, 1.26),
    (-0.62, 1.50),
    (-0.40, 1.68),
    (-0.20, 1.80),
    (0.0, 1.84),
]
_BROW = [(-0.92, -0.28), (-0.76, -0.42), (-0.56, -0.46), (-0.36, -0.42), (-0.18, -0.34)]
_NOSE = [(0.0, -0.04), (0.0, 0.20), (0.0, 0.43), (0.0, 0.66)]
_NOSTRILS = [(-0.24, 0.78), (-0.12, 0.82), (0.0, 0.85)]
_EYE = [(-0.72, 0.02), (-0.60, -0.07), (-0.44, -0.07), (-0.31, 0.03), (-0.44, 0.08), (-0.60, 0.08)]
_MOUTH = [
    (-0.45, 1.20),
    (-0.28, 1.12),
    (-0.10, 1.08),
    (0.0, 1.10),
    (0.10, 1.08),
    (0.28, 1.12),
    (0.45, 1.20),
    (0.28, 1.34),
    (0.10, 1.40),
    (0.0, 1.41),
    (-0.10, 1.40),
    (-0.28, 1.34),
    (-0.38, 1.20),
    (-0.10, 1.18),
    (0.0, 1.19),
    (0.10, 1.18),
    (0.38, 1.20),
    (0.10, 1.26),
    (0.0, 1.27),
    (-0.10, 1.26),
]


def _mirrored(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(-x, y) for x, y in reversed(points)]


def _mean_face() -> NDArray[np.float64]:
    right_eye = [(-x, y) for x, y in (_EYE[3], _EYE[2], _EYE[1], _EYE[0], _EYE[5], _EYE[4])]
    points = [
        *_JAW,
        *_mirrored(_JAW[:-1]),
        *_BROW,
        *_mirrored(_BROW),
        *_NOSE,
        *_NOSTRILS,
        *_mirrored(_NOSTRILS[:-1]),
        *_EYE,
        *right_eye,
        *_MOUTH,
    ]
    return np.asarray(points, dtype=np.float64)


def with_forehead(points: NDArray[np.float64]) -> NDArray[np.float32]:
    """(68, 2) dlib points to (81, 2): the forehead is a half ellipse over the temples, as high above the eye line
    as the tip of the nose is below it, times 1.5."""
    left, right = points[0], points[16]
    eyes = points[36:48].mean(axis=0)
    down = points[8] - eyes
    up = -down / max(1e-6, float(np.linalg.norm(down))) * 1.5 * float(np.linalg.norm(points[30] - eyes))
    angles = np.linspace(np.pi, 0, FOREHEAD + 2)[1:-1]
    centre, half = (left + right) / 2, (right - left) / 2
    arc = centre + np.cos(angles)[:, None] * half + np.sin(angles)[:, None] * (up + (eyes - centre))
    return np.concatenate([points, arc]).astype(np.float32)


def template_landmarks(five: NDArray[np.float32]) -> NDArray[np.float32]:
    """(81, 2): the mean face placed on the finder's five points (5, 2) by a similarity transform."""
    mean = _mean_face()
    source = np.stack([mean[36:42].mean(0), mean[42:48].mean(0), mean[30], mean[48], mean[54]])
    target = np.asarray(five, dtype=np.float64)
    # Least squares for x' = a x - b y + c, y' = b x + a y + d.
    x, y = source.T
    one, zero = np.ones(5), np.zeros(5)
    system = np.concatenate([np.stack([x, -y, one, zero], 1), np.stack([y, x, zero, one], 1)])
    (a, b, c, d), *_ = np.linalg.lstsq(system, target.T.ravel(), rcond=None)
    placed = np.stack([a * mean[:, 0] - b * mean[:, 1] + c, b * mean[:, 0] + a * mean[:, 1] + d], axis=1)
    return with_forehead(placed)


def landmark_file() -> Path | None:
    """Return the 68-point predictor in the package face_recognition_models, without importing that; None if it is absent."""
    spec = find_spec("face_recognition_models")
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0]) / "models" / "shape_predictor_68_face_landmarks.dat"
    return path if path.is_file() else None


def landmark_kind() -> str:
    """By what landmarks are found here: "dlib", or "template" where dlib or its model file is absent."""
    return "template" if landmark_file() is None or _dlib() is None else "dlib"


def with_landmarks(spec: PrepareSpec) -> PrepareSpec:
    """Fill in by what, and by which version of it, the landmarks that `spec` wants are found here; returns the filled spec."""
    return replace(spec, landmark_kind=landmark_kind(), landmarking=LANDMARKING)


@lru_cache(maxsize=1)
def _predictor() -> tuple[Any, Any] | None:
    path, dlib = landmark_file(), _dlib()
    return None if path is None or dlib is None else (dlib, dlib.shape_predictor(str(path)))


@lru_cache(maxsize=1)
def _dlib() -> Any:
    """The module dlib; None if it cannot be imported."""
    try:
        import dlib
    except ImportError:
        return None
    return dlib


def detect_landmarks(
    image: NDArray[np.uint8], box: NDArray[np.float32], five: NDArray[np.float32]
) -> tuple[NDArray[np.float32], str]:
    """(81, 2) float32 landmarks of the face in `box` (4,) of `image` (H, W, 3) uint8 RGB, and their kind.

    The kind is "dlib" or, where dlib is absent, "template".
    """
    found = _predictor()
    if found is None:
        return template_landmarks(five), "template"
    dlib, predictor = found
    x0, y0, x1, y1 = (float(one) for one in box)
    # The predictor was trained on dlib's square boxes, which reach from the brows to the chin.
    side = 0.5 * ((x1 - x0) + (y1 - y0))
    cx, cy = (x0 + x1) / 2, (y0 + y1) / 2 + 0.08 * (y1 - y0)
    square = [round(v) for v in (cx - side / 2, cy - side / 2, cx + side / 2, cy + side / 2)]
    shape = predictor(np.ascontiguousarray(image), dlib.rectangle(*square))
    points = np.asarray([(part.x, part.y) for part in shape.parts()], dtype=np.float64)
    return with_forehead(points), "dlib"
