"""Geometric steps: the affine misalignment of foreground and background, the elastic deformation of the mask,
and the corner-aligned warp of a crop to the size that the model sees.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from dfbench import SynthesisError

Number = TypeVar("Number", np.uint8, np.float32)


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of pixels."""

    left: int
    top: int
    width: int
    height: int

    @classmethod
    def whole(cls, images: NDArray[np.generic]) -> Window:
        """All of (T, H, W, ...) images."""
        return cls(0, 0, images.shape[2], images.shape[1])

    @classmethod
    def around(cls, masks: NDArray[np.float32]) -> Window:
        """The smallest window outside of which masks (T, H, W), not negative, are 0 in all frames."""
        return cls(*cv2.boundingRect((masks.max(axis=0) > 0).astype(np.uint8)))

    @classmethod
    def about(
        cls,
        box: tuple[float, float, float, float],
        shape: tuple[int, int],
        *,
        reach: tuple[float, float, float, float],
    ) -> Window:
        """The part of a (H, W) frame around a box, x0 y0 x1 y1, that reaches so far beyond its left, upper, right and lower
        side, as shares of its width and height. Raises SynthesisError if nothing of that lies in the frame."""
        x0, y0, x1, y1 = box
        width, height = x1 - x0, y1 - y0
        left, top = max(0, int(x0 - reach[0] * width)), max(0, int(y0 - reach[1] * height))
        right = min(shape[1], int(x1 + reach[2] * width) + 1)
        bottom = min(shape[0], int(y1 + reach[3] * height) + 1)
        if right <= left or bottom <= top:
            raise SynthesisError("the face lies outside of its crop", hints=("prepare this video again",))
        return cls(left, top, right - left, bottom - top)

    def of(self, images: NDArray[Number]) -> NDArray[Number]:
        """This part of (T, H, W, ...) images, as a view."""
        return images[:, self.top : self.top + self.height, self.left : self.left + self.width]


@dataclass(frozen=True, slots=True)
class Affine:
    """x -> scale_x * x + offset_x, y likewise: from source to destination, in pixels."""

    scale_x: float
    scale_y: float
    offset_x: float
    offset_y: float

    def matrix(self) -> NDArray[np.float64]:
        """(2, 3) float64, forward."""
        return np.array([[self.scale_x, 0, self.offset_x], [0, self.scale_y, self.offset_y]], np.float64)

    def warp_frames(self, frames: NDArray[np.uint8], window: Window | None = None) -> NDArray[np.uint8]:
        """frames (T, H, W, 3) uint8, bilinear, black where nothing comes from; only `window` of it, if given."""
        window = window or Window.whole(frames)
        matrix = self.matrix() - [[0, 0, window.left], [0, 0, window.top]]
        out = np.empty((len(frames), window.height, window.width, 3), np.uint8)
        for frame, target in zip(frames, out, strict=True):
            cv2.warpAffine(frame, matrix, (window.width, window.height), dst=target, flags=cv2.INTER_LINEAR)
        return out

    def warp_masks(self, masks: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """masks (T, H, W) uint8, nearest neighbour, 0 where nothing comes from."""
        # As cv2.warpAffine up to version 4; version 5 breaks ties differently for uint8. Axes do not mix here, so
        # picking rows and columns is also faster.
        rows = _nearest(masks.shape[1], self.scale_y, self.offset_y)
        columns = _nearest(masks.shape[2], self.scale_x, self.offset_x)
        warped = masks.take(rows, axis=1, mode="clip").take(columns, axis=2, mode="clip")
        warped[:, (rows < 0) | (rows >= masks.shape[1])] = 0
        warped[:, :, (columns < 0) | (columns >= masks.shape[2])] = 0
        return warped


def _nearest(length: int, scale: float, offset: float) -> NDArray[np.int64]:
    """The source position of each of `length` positions along one axis, in OpenCV's fixed-point arithmetic."""
    steps = np.rint(np.arange(length) / scale * 1024).astype(np.int64)
    return (steps + round(-offset / scale * 1024) + 512) >> 10


def draw_affine(rng: np.random.Generator, height: int, width: int) -> Affine:
    """Move by up to 3 % of the width and 1.5 % of the height, scale each axis by 0.95 to 1 / 0.95 about the centre."""
    scale_x, scale_y = rng.uniform(0.95, 1 / 0.95, size=2).tolist()
    shift_x = rng.uniform(-0.03, 0.03) * width
    shift_y = rng.uniform(-0.015, 0.015) * height
    return Affine(
        scale_x=scale_x,
        scale_y=scale_y,
        offset_x=(1 - scale_x) * (width - 1) / 2 + shift_x,
        offset_y=(1 - scale_y) * (height - 1) / 2 + shift_y,
    )


@dataclass(frozen=True, slots=True)
class Elastic:
    """A smooth random displacement: white noise in [-1, 1], blurred with `sigma`, times `amplitude`, in pixels.

    `seed` stands for the noise. `released` makes the very field of the released pipeline, from the legacy
    generator and in float64; otherwise an equally distributed field is made at half resolution, ten times faster.
    """

    seed: int
    amplitude: float = 50.0
    sigma: float = 7.0
    released: bool = False

    def field(self, height: int, width: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """dx and dy, each (height, width) float32."""
        return self._released_field(height, width) if self.released else self._fast_field(height, width)

    def warp_masks(self, masks: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """masks (T, H, W) uint8, all moved by the same field, nearest neighbour."""
        height, width = masks.shape[1:]
        dx, dy = self.field(height, width)
        dx += np.arange(width, dtype=np.float32)
        dy += np.arange(height, dtype=np.float32)[:, None]
        out = np.empty(masks.shape, np.uint8)
        for mask, target in zip(masks, out, strict=True):
            cv2.remap(mask, dx, dy, cv2.INTER_NEAREST, dst=target, borderMode=cv2.BORDER_REFLECT_101)
        return out

    def _released_field(self, height: int, width: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        # Parity needs the legacy stream itself, which no Generator can reproduce.
        legacy = np.random.RandomState(self.seed)
        legacy.uniform(size=6)  # an affine part of amplitude zero is drawn first and has no effect
        dx, dy = (
            gaussian_filter(2 * legacy.rand(height, width) - 1, self.sigma) * self.amplitude for _ in range(2)
        )
        return dx.astype(np.float32), dy.astype(np.float32)

    def _fast_field(self, height: int, width: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        noise = np.random.default_rng(self.seed).random((height // 2 + 1, width // 2 + 1, 2), np.float32)
        # Half as many samples along each axis under the kernel: twice the deviation, so half the amplitude.
        blurred = cv2.GaussianBlur(2 * noise - 1, (0, 0), self.sigma / 2, borderType=cv2.BORDER_REFLECT)
        moved = cv2.resize(blurred, (width, height)) * np.float32(self.amplitude / 2)
        return np.ascontiguousarray(moved[..., 0]), np.ascontiguousarray(moved[..., 1])


@dataclass(frozen=True, slots=True)
class GridWarp:
    """A coarse random deformation: the corners of a grid over the frame are moved, and what lies between them follows.

    The corners move by normal draws of deviation `scale`, a share of the frame's sides; `seed` stands for the draws.
    """

    seed: int
    scale: float
    corners: int = 4  # along each side

    def warp_mask(self, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A mask (H, W) uint8, nearest neighbour, 0 where nothing comes from."""
        height, width = mask.shape
        drawn = np.random.default_rng(self.seed).normal(0, self.scale, (self.corners, self.corners, 2))
        # Corner-aligned, which cv2.resize is not: the outermost corners are those of the frame.
        matrix = np.diag([(width - 1) / (self.corners - 1), (height - 1) / (self.corners - 1)])
        moved = cv2.warpAffine(
            (drawn * (width, height)).astype(np.float32),
            np.column_stack([matrix, np.zeros(2)]),
            (width, height),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        across = moved[..., 0] + np.arange(width, dtype=np.float32)
        down = moved[..., 1] + np.arange(height, dtype=np.float32)[:, None]
        return np.asarray(cv2.remap(mask, across, down, cv2.INTER_NEAREST), np.uint8)


def draw_grid_warp(rng: np.random.Generator) -> GridWarp:
    """Draw a deformation by 1 to 15 % of the frame."""
    return GridWarp(seed=int(rng.integers(2**31 - 1)), scale=float(rng.uniform(0.01, 0.15)))


def similarity(source: NDArray[np.floating], target: NDArray[np.floating]) -> NDArray[np.float64]:
    """The (2, 3) forward matrix of the rotation, scale and shift that move points (n, 2) onto others with the least sum of
    squared distances. Source: Umeyama, "Least-squares estimation of transformation parameters between two point patterns",
    PAMI 1991. Raises SynthesisError if the points are all the same."""
    from_mean, to_mean = source.mean(axis=0, dtype=np.float64), target.mean(axis=0, dtype=np.float64)
    centred = source - from_mean
    spread = float((centred**2).sum())
    if spread <= 0:
        raise SynthesisError("the landmarks are all at one place", hints=("prepare this video again",))
    left, stretch, right = np.linalg.svd((target - to_mean).T @ centred)
    signs = np.array(
        [1.0, np.sign(np.linalg.det(left) * np.linalg.det(right))]
    )  # a mirror image is no rotation
    turned = (left * signs) @ right * float((stretch * signs).sum()) / spread
    return np.column_stack([turned, to_mean - turned @ from_mean])


def corner_aligned(height: int, width: int, size: int) -> NDArray[np.float64]:
    """(2, 3) forward matrix that maps the corner pixels of an image to those of a `size` x `size` one."""
    return np.array(
        [[(size - 1) / max(width - 1, 1), 0, 0], [0, (size - 1) / max(height - 1, 1), 0]], np.float64
    )


def warp_to(
    images: NDArray[np.uint8], size: int, *, out: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]:
    """Images (T, H, W[, 3]) uint8 warped to (T, size, size[, 3]), bilinear point samples, corners on corners.

    `out` (C-contiguous), if given, is filled and returned.
    """
    matrix = corner_aligned(images.shape[1], images.shape[2], size)
    if out is None:
        out = np.empty((len(images), size, size, *images.shape[3:]), np.uint8)
    for image, target in zip(images, out, strict=True):
        cv2.warpAffine(image, matrix, (size, size), dst=target, flags=cv2.INTER_LINEAR)
    return out
