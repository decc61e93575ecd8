"""Which of the faces in a video it is about, where no mask says so.

It has to be there: of all faces, those count that fill at least half as many clips of the wanted frames as the best of
them does. If none fills a clip, those that are in at least half as many of the frames. Of these the main face is the
heaviest, by the sum of confidence x area over its sightings. What of a box lies outside of the frame is no area: a
finder's guess of how far a face goes on there shows nothing of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dfbench.data.faces.tracking import Track, area, held_rows
from dfbench.data.stretches import stretches
from dfbench.types import Faces, FrameChoice

ENOUGH = 0.5  # share of the best face's clips, or frames, from which on a face is there


def seen_inside(faces: Faces, frame_size: tuple[int, int]) -> Faces:
    """Those faces of one frame whose boxes share something with the frame of `frame_size` (width, height)."""
    return faces.only([k for k, box in enumerate(faces.boxes) if area(clipped(box, frame_size)) > 0])


def clipped(box: NDArray[np.float32], frame_size: tuple[int, int]) -> NDArray[np.float32]:
    """The part of a box (4,) that is inside the frame; a box of no area if there is none."""
    return np.clip(box, 0, np.tile(np.asarray(frame_size, dtype=np.float32), 2))


def weight(track: Track, frame_size: tuple[int, int]) -> float:
    """Sum of confidence x area inside the frame, over all sightings."""
    parts = zip(track.scores, track.boxes, strict=True)
    return float(sum(score * area(clipped(box, frame_size)) for score, box in parts))


def clips_filled(held: NDArray[np.int64], choice: FrameChoice) -> int:
    """How many clips the frames at positions `held` (m,) in the video fill, of those that `choice` is made for."""
    length = choice.clip_length
    if choice.how == "uniform":
        return len(held) // length
    return sum((after - first) // length for first, after in stretches(held))


def ranked(
    tracks: Sequence[Track],
    *,
    looked_at: Sequence[int],
    positions: NDArray[np.int64],
    choice: FrameChoice,
    frame_size: tuple[int, int],
) -> list[Track]:
    """`tracks` with the main face first: then those that fill enough clips, then the others, either by their weight.

    `positions` (n,): of all wanted frames in the video, `looked_at`: the rows of those that were searched, `choice`: what
    they were chosen by. Of equal tracks, the earliest is first.
    """
    held = [positions[held_rows(track, looked_at, positions)] for track in tracks]
    filled = [clips_filled(rows, choice) for rows in held]
    if not any(filled):
        filled = [len(rows) for rows in held]
    best = max(filled, default=0)
    weights = [weight(track, frame_size) for track in tracks]
    order = sorted(range(len(tracks)), key=lambda k: (filled[k] < ENOUGH * best, -weights[k]))
    return [tracks[k] for k in order]
