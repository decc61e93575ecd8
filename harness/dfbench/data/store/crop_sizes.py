"""How large the crops of a face file are, and when a file that was made for one spec holds what another one wants.

A crop is cut out of its frame as whole pixels. If it is too large, it is shrunk: for specs of up to STORED_SIZE px at once, to
that size; for others by halves, where each pixel is the mean of four, as long as it stays as large as the spec wants. Halving
twice is the same whether something was written to disk in between or not. So a crop at native scale can be made into that of
any spec, and a halved one into that of any spec that halves more, equal to the bit: what is scored does not depend on the file
that it was read from.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dfbench.data.geometry import square_around
from dfbench.face_sizes import STORED_SIZE
from dfbench.types import PrepareSpec

LEAST_SIDE = 8


@dataclass(frozen=True, slots=True)
class StoredSquare:
    """The part of a frame that a crop shows, in whole pixels: from (`left`, `top`) on, `native` of them a side, which are the
    first of the `kept` ones (more only where they must be halved some times without a remainder); stored on `side` pixels."""

    left: int
    top: int
    native: int
    kept: int
    side: int

    @property
    def is_native(self) -> bool:
        """Whether the crop has the very pixels of the frame."""
        return self.side == self.kept


def stored_square(box: NDArray[np.float32], spec: PrepareSpec) -> StoredSquare:
    """Return what is stored by `spec` of a face at `box` (4,), in pixels of its frame."""
    left, top, exact = square_around(box, spec.margin)
    native = max(LEAST_SIDE, round(exact))
    if not spec.is_halved:
        return StoredSquare(round(left), round(top), native, native, min(native, spec.max_size))
    most = _halvings(
        native, STORED_SIZE + 1
    )  # of any spec, so that all of them keep the same part of the frame
    kept = -(-native // 2**most) * 2**most
    return StoredSquare(
        round(left), round(top), native, kept, kept >> min(most, _halvings(kept, spec.max_size))
    )


def as_stored(crop: NDArray[np.uint8], square: StoredSquare, spec: PrepareSpec) -> NDArray[np.uint8]:
    """Shrink a crop to `square.side` pixels a side, as `spec` has it; returns the crop itself if it is that small.

    The crop (S, S, 3) shows the `kept` pixels of `square` at native scale, or halved some times.
    """
    import cv2  # a record of a run is read with what is in this file, and needs no pictures

    side = square.side
    if len(crop) != side and not spec.is_halved:
        return np.asarray(cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
    while len(crop) > side:
        half = len(crop) // 2
        crop = np.asarray(cv2.resize(crop, (half, half), interpolation=cv2.INTER_AREA), np.uint8)
    return crop


def reduced(
    crop: NDArray[np.uint8], shows: int, square: StoredSquare, spec: PrepareSpec
) -> NDArray[np.uint8]:
    """Make the crop that `spec` stores on `square` out of a stored one (S, S, 3) that shows `shows` pixels of the frame a
    side; returns it, equal to the bit to one that was made of the frame.

    Raises ValueError if that cannot be had. A halved crop must be of a spec that `contains` allows.
    """
    if len(crop) == square.side and shows == square.kept:
        return crop
    if len(crop) == shows >= square.kept:
        return as_stored(np.ascontiguousarray(crop[: square.kept, : square.kept]), square, spec)
    if spec.is_halved and shows == square.kept and len(crop) > square.side:
        return as_stored(crop, square, spec)
    raise ValueError(f"a crop of {len(crop)} px does not hold one of {square.side} px")


def contains(stored: PrepareSpec, wanted: PrepareSpec) -> bool:
    """Whether files that were made by `stored` may hold all that `wanted` asks for: which of them do, `holds` tells."""
    if stored.max_size < wanted.max_size or (stored.max_size > STORED_SIZE and not stored.is_halved):
        return False
    if wanted.landmarks and not stored.landmarks:
        return False
    alike = replace(
        stored,
        frames=replace(stored.frames, clip=wanted.frames.clip),
        max_size=wanted.max_size,
        shrinking=wanted.shrinking,
    )
    if not wanted.landmarks:
        alike = replace(
            alike, landmarks=False, landmark_kind=wanted.landmark_kind, landmarking=wanted.landmarking
        )
    return alike == wanted


def holds(stored: PrepareSpec, wanted: PrepareSpec, *, boxes: NDArray[np.float32], tracks: int) -> bool:
    """Whether a file made by `stored`, with faces at `boxes` (n, 4) and so many `tracks`, holds all that `wanted` asks for.

    Each crop must be at native scale, or halved no more than it is to be. How many frames make a clip chooses among several
    faces, so that another number is as good only where there is one.
    """
    if not contains(stored, wanted) or (stored.frames != wanted.frames and tracks > 1):
        return False
    for box in boxes:
        there, wish = stored_square(box, stored), stored_square(box, wanted)
        fits = (
            there == wish
            or (there.is_native and there.kept >= wish.kept)
            or (wanted.is_halved and there.kept == wish.kept)
        )
        if not fits:
            return False
    return True


def _halvings(side: int, least: int) -> int:
    """How often a side can be halved so that at least `least` is left."""
    return max(0, (side // least).bit_length() - 1)
