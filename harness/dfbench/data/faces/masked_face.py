"""Whose face was forged, where several are in a video and the dataset has masks of what was changed.

DFD films two people at once and swaps the face of one; the larger face is the wrong one in part of them. The masks are
ground truth: they choose which face is cut out, of fakes only, and no detector is ever given them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dfbench.data.decoding.video import probe, read_positions
from dfbench.data.faces.tracking import Track

COMPARED = 8  # frames
# Grey level above which a mask's pixel was changed: masks are videos, and their black is not quite 0.
CHANGED = 127
HELD = 0.5  # share of the changed pixels from which on a face is the one that was changed


def masked_track(
    tracks: Sequence[Track], masks: Mapping[int, NDArray[np.bool_]], *, frame_size: tuple[int, int]
) -> Track | None:
    """The track whose boxes hold most of the changed pixels, None if no faces hold half of them.

    A face that was lost and found again is several tracks, which count together for the half. `masks`: the changed pixels
    of some of the rows that tracks refer to; they may be of another size than the frames. A row in which no face was seen
    tells nothing.
    """
    told = [row for row in masks if any(row in track.rows for track in tracks)]
    if not told:
        return None
    held = np.array([[_held_by(track, row, masks[row], frame_size) for row in told] for track in tracks])
    if held.max(axis=0).sum() < HELD * len(told):
        return None
    return tracks[int(np.argmax(held.sum(axis=1)))]


def _held_by(track: Track, row: int, changed: NDArray[np.bool_], frame_size: tuple[int, int]) -> float:
    """The share of the `changed` pixels of a row that is in the box of a track."""
    if row not in track.rows:
        return 0.0
    height, width = changed.shape
    box = track.boxes[track.rows.index(row)] * np.tile(np.divide((width, height), frame_size), 2)
    x0, y0, x1, y1 = np.clip(np.round(box), 0, [width, height, width, height]).astype(int)
    return float(changed[y0:y1, x0:x1].sum()) / int(changed.sum())


def read_masks(seen_at: NDArray[np.int64], mask_path: Path) -> dict[int, NDArray[np.bool_]]:
    """The changed pixels of some rows, evenly spread over those that have a mask, where there are any.

    If the mask is black in all of these, that of every row is looked at, for a video may be forged in a short part only.
    `seen_at` (m,) int64: the position in the video of each row. Masks may end earlier (those of DFD do). Raises
    VideoError if they cannot be read.
    """
    rows = np.flatnonzero(seen_at < probe(mask_path).frames)
    if not len(rows):
        return {}
    chosen = rows[np.unique(np.linspace(0, len(rows) - 1, COMPARED).round().astype(int))]
    return _changed(seen_at, chosen, mask_path) or _changed(seen_at, rows, mask_path)


def _changed(
    seen_at: NDArray[np.int64], rows: NDArray[np.int64], mask_path: Path
) -> dict[int, NDArray[np.bool_]]:
    """The changed pixels of `rows`, of the first few in which there are any."""
    wanted = {int(seen_at[row]): int(row) for row in rows}
    found: dict[int, NDArray[np.bool_]] = {}
    for position, mask in read_positions(mask_path, sorted(wanted)):
        if (changed := _brightest(mask) > CHANGED).any():
            found[wanted[position]] = changed
        if len(found) == COMPARED:
            break
    return found


def _brightest(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W): the largest value of each pixel; numpy's takes ten times as long along a short axis."""
    red, green, blue = cv2.split(mask)
    return np.asarray(cv2.max(cv2.max(red, green), blue), np.uint8)
