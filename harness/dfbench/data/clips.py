"""Which stored frames make a clip, and the crops that a detector sees."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dfbench.data.geometry import Box, crop_matrix, crop_outline
from dfbench.data.store.crop_sizes import stored_square
from dfbench.data.store.face_files import StoredFaces, read_faces
from dfbench.data.stretches import stretches
from dfbench.errors import TooShortError
from dfbench.types import ClipSpec, FaceTrack, PrepareSpec, Sampling

ALIASING = 1.5


def clip_positions(frame_indices: NDArray[np.int64], spec: ClipSpec) -> list[NDArray[np.int64]]:
    """Return the positions of each clip's frames, (T,) among the stored frames; at most `spec.per_video` clips.

    UNIFORM: the stored frames in order, cut into clips of T; an incomplete last clip is dropped. CONSECUTIVE: runs of T stored
    frames that are successive in the video. Raises TooShortError if there is no clip.
    """
    count, length = len(frame_indices), spec.frames
    if spec.sampling is Sampling.UNIFORM:
        starts = list(range(0, count - length + 1, length))
    else:
        starts = [
            start
            for first, after in stretches(frame_indices)
            for start in range(first, after - length + 1, length)
        ]
    if not starts:
        raise TooShortError(f"{count} frames with a face, and a clip needs {length}")
    return [np.arange(start, start + length) for start in starts[: spec.per_video]]


def cut_crops(
    stored: StoredFaces, positions: Sequence[int], *, size: int, margin: float, square: bool = True
) -> NDArray[np.uint8]:
    """Return crops (n, size, size, 3) uint8 RGB that extend `margin` beyond the face box, as in `ClipSpec`.

    Each frame is warped once, bilinearly. If that shrinks it by more than 1.5, it is blurred before (Gaussian) to avoid
    aliasing. Pixels outside of the stored crop repeat its edge.
    """
    out = np.empty((len(positions), size, size, 3), dtype=np.uint8)
    for i, row in enumerate(positions):
        crop = stored.crops[row]
        height, width = crop.shape[:2]
        outline = _outline(stored, row, margin, square)
        matrix = crop_matrix(outline, stored.crop_boxes[row], shown=(width, height), size=size)
        shrink = np.maximum(matrix.diagonal(), ALIASING)
        if shrink.max() > ALIASING:
            across, down = (0.4 * (shrink - 1)).tolist()
            crop = np.asarray(cv2.GaussianBlur(crop, (0, 0), across, sigmaY=down), dtype=np.uint8)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        out[i] = cv2.warpAffine(crop, matrix, (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return out


def enlargements(
    track: FaceTrack, positions: Sequence[int], clips: ClipSpec, stored: PrepareSpec
) -> NDArray[np.float64]:
    """Return how many pixels of a clip's frame show one stored pixel, (n,), for each of `positions`: above 1, it is enlarged.

    The larger of both axes counts. `stored`: by what the faces are stored, or read.
    """
    found = np.empty(len(positions))
    for i, row in enumerate(positions):
        box = track.boxes[row]
        square = stored_square(box, stored)
        outline = crop_outline(box, clips.margin, square=clips.square, frame_size=track.frame_size)
        right, bottom = square.left + square.kept, square.top + square.kept
        shown = np.asarray((square.left, square.top, right, bottom), np.float32)
        matrix = crop_matrix(outline, shown, shown=(square.side, square.side), size=clips.size)
        found[i] = 1 / matrix.diagonal().min()
    return found


def cut_landmarks(
    stored: StoredFaces, positions: Sequence[int], *, size: int, margin: float, square: bool = True
) -> NDArray[np.float32]:
    """Return landmarks (n, 81, 2) float32 in pixels of what `cut_crops` returns for the same arguments."""
    out = np.empty((len(positions), *stored.track.landmarks.shape[1:]), dtype=np.float32)
    for i, row in enumerate(positions):
        x0, y0, x1, y1 = _outline(stored, row, margin, square)
        out[i] = (stored.track.landmarks[row] - (x0, y0)) * (size / (x1 - x0), size / (y1 - y0))
    return out


def read_clips(
    path: Path, spec: ClipSpec, *, wanted: PrepareSpec | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the clips of a prepared video, (K, T, S, S, 3) uint8 RGB, and the frames' positions in the video, (K, T) int64.

    `wanted`: as in `read_faces`. Raises TooShortError, StoreError.
    """
    stored = read_faces(path, wanted=wanted)
    positions = np.stack(clip_positions(stored.track.frame_indices, spec))
    crops = cut_crops(
        stored, positions.ravel().tolist(), size=spec.size, margin=spec.margin, square=spec.square
    )
    return crops.reshape(*positions.shape, *crops.shape[1:]), stored.track.frame_indices[positions]


def _outline(stored: StoredFaces, row: int, margin: float, square: bool) -> Box:
    return crop_outline(stored.track.boxes[row], margin, square=square, frame_size=stored.track.frame_size)
