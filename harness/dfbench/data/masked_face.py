"""Whose face was forged, where several are in a video and the dataset has masks of what was changed.

DFD films two people at once and swaps the face of one; the larger face is the wrong one in part of them. The masks are
ground truth: they choose which face is cut out, of fakes only, and no detector is ever given them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfbench.data.faces import Track
from dfbench.data.video import probe, read_positions
from dfbench.errors import VideoError

COMPARED = 8  # frames
# Grey level above which a mask's pixel was changed: masks are videos, and their black is not quite 0.
CHANGED = 127


def masked_track(
    tracks: Sequence[Track], seen_at: NDArray[np.int64], mask_path: Path, *, frame_size: tuple[int, int]
) -> Track | None:
    """The track whose boxes hold most of the changed pixels, None if the masks cannot tell.

    `seen_at` (m,) int64: the position in the video of each row that tracks refer to. Masks may be of another size than
    the frames and end earlier (those of DFD do).
    """
    held = np.zeros(len(tracks))
    for row, mask in _masks(seen_at, mask_path).items():
        changed = mask.max(axis=2) > CHANGED
        scale = np.tile(np.divide(changed.shape[::-1], frame_size), 2)
        for number, track in enumerate(tracks):
            if row in track.rows:
                held[number] += _inside(changed, track.boxes[track.rows.index(row)] * scale)
    return tracks[int(held.argmax())] if held.any() else None


def _masks(seen_at: NDArray[np.int64], mask_path: Path) -> dict[int, NDArray[np.uint8]]:
    """The masks of some rows, evenly spread over those that have one; none if the file cannot be read."""
    try:
        rows = np.flatnonzero(seen_at < probe(mask_path).frames)
        if not len(rows):
            return {}
        chosen = np.unique(np.linspace(0, len(rows) - 1, COMPARED).round().astype(int))
        wanted = {int(seen_at[rows[one]]): int(rows[one]) for one in chosen}
        return {wanted[position]: mask for position, mask in read_positions(mask_path, sorted(wanted))}
    except VideoError:
        return {}


def _inside(changed: NDArray[np.bool_], box: NDArray[np.float64]) -> float:
    """Share of the changed pixels in the box."""
    total = int(changed.sum())
    height, width = changed.shape
    x0, y0, x1, y1 = np.clip(np.round(box), 0, [width, height, width, height]).astype(int)
    return float(changed[y0:y1, x0:x1].sum()) / total if total else 0.0
