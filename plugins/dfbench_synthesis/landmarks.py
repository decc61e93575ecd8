"""81-point landmarks: their order, mirror image and smoothing over the frames of a clip.

Points 0-67 are the iBUG/dlib points, 68-80 lie on the forehead.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# The public 81-point dlib predictor numbers the forehead points out of order; this lists them left to right.
FOREHEAD_LEFT_TO_RIGHT = (77, 75, 76, 68, 69, 70, 71, 80, 72, 73, 79, 74, 78)

# Where the mirror image of each of the 68 points stands in the list.
_MIRROR_68 = (
    *range(16, -1, -1),  # jaw
    *range(26, 16, -1),  # brows
    *range(27, 31),  # ridge of the nose
    *range(35, 30, -1),  # nostrils
    *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),  # eyes
    *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55),  # outer lips
    *(64, 63, 62, 61, 60, 67, 66, 65),  # inner lips
)
_MIRROR_81 = (*_MIRROR_68, *range(80, 67, -1))

# Units of the smoothing rule, in pixels of a reference crop of this side.
_JUMP = 0.35
_STEP = 0.2


def reorder_forehead(landmarks: NDArray[np.generic]) -> NDArray[np.generic]:
    """(..., 81, 2) landmarks in the predictor's order, with the forehead from left to right."""
    order = [*range(68), *FOREHEAD_LEFT_TO_RIGHT]
    return landmarks[..., order, :]


def mirror_landmarks(
    landmarks: NDArray[np.floating], width: int, *, exact: bool = True
) -> NDArray[np.floating]:
    """(..., n, 2) landmarks of the frame mirrored left to right; n is 68 or 81.

    Pixel x of a frame `width` wide goes to width - 1 - x. The released code sends a landmark to width - x,
    one pixel off the image: `exact` false does the same.
    """
    order = list(_MIRROR_81 if landmarks.shape[-2] == 81 else _MIRROR_68)
    mirrored = landmarks[..., order, :].copy()
    mirrored[..., 0] = (width - 1 if exact else width) - mirrored[..., 0]
    return mirrored


def smooth_landmarks(landmarks: NDArray[np.floating], *, scale: float = 1.0) -> NDArray[np.floating]:
    """(T, n, 2) landmarks with sudden jumps from frame to frame shortened, so that the mask does not flicker.

    A frame whose Frobenius distance to the (smoothed) one before, over n, is more than 0.35 moves only by the
    fraction 1 / round(distance / 0.2). `scale` multiplies both distances (crop side over 256 keeps the rule
    the same whatever the size of the crop).
    """
    smooth = landmarks.astype(np.float64)
    for t in range(1, len(smooth)):
        move = smooth[t] - smooth[t - 1]
        distance = float(np.linalg.norm(move)) / len(move)
        if distance > _JUMP * scale:
            smooth[t] = smooth[t - 1] + move / round(distance / (_STEP * scale))
    return smooth
