"""Whose face a video is about: the main one, or where a mask says what was changed, the one that was forged.

A finder that may leave faces out is asked for all of them where a mask says that what was changed is in none of the faces
that it found.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfbench.data.faces.masked_face import masked_track, read_masks
from dfbench.data.faces.search import Frame, Search, chosen_track, ranked_tracks, with_all
from dfbench.data.faces.tracking import MainFace, Track, follow
from dfbench.data.fingerprints import ABSENT, fingerprint
from dfbench.data.store.face_files import IRRELEVANT, Sightings
from dfbench.errors import VideoError
from dfbench.interfaces import ThoroughFaceFinder
from dfbench.types import Faces, FrameChoice


@dataclass(frozen=True, eq=False)  # without slots: some of it is found out once, when somebody asks
class Searched:
    """A search of some `frames` of a video, shared by all that want these frames; `thorough`: its finder, if that may have left
    faces out."""

    search: Search
    frames: Iterable[Frame]
    thorough: ThoroughFaceFinder | None
    mask_path: Path | None

    @cached_property
    def mask(self) -> str:
        """The fingerprint of the mask."""
        return ABSENT if self.mask_path is None else fingerprint(self.mask_path)

    @cached_property
    def masks(self) -> tuple[dict[int, NDArray[np.bool_]], str]:
        """The changed pixels by row, and what is to be said where there are none."""
        if self.mask_path is None:
            return {}, ""
        try:
            masks = read_masks(self.search.seen_at, self.mask_path)
        except VideoError as error:
            return {}, f"its mask cannot be read, so that the main face was taken: {error.message}"
        return masks, "" if masks else f"its mask is black, so that the main face was taken: {self.mask_path}"

    @cached_property
    def everything(self) -> Sequence[Faces]:
        """What was found, and what the finder had left out."""
        if self.thorough is None:
            return self.search.found
        return with_all(self.search, self.frames, self.thorough)


@dataclass(frozen=True, slots=True, eq=False)
class ChosenFace:
    """The face that a video is about: its `tracks`, that of the face first; `main`: the face over the frames that it is in.

    `mask`: as `Origin.mask`; `note`: what is to be said of whose face it is, "" if nothing is.
    """

    tracks: list[Track]
    main: MainFace
    mask: str
    note: str


def choose_face(searched: Searched, choice: FrameChoice) -> ChosenFace | None:
    """Choose the face of a video of which the frames of `choice` were searched; returns None if no face was found."""
    search = searched.search
    tracks, forged, note = ranked_tracks(search, search.found, choice), None, ""
    # a mask has a say, or would have one
    mask = searched.mask if len(tracks) > 1 or searched.thorough is not None else IRRELEVANT
    if mask != IRRELEVANT:
        masks, note = searched.masks
        if masks:
            choose = partial(masked_track, masks=masks, frame_size=search.frame_size)
            everything = None if searched.thorough is None else lambda: searched.everything
            tracks, forged = chosen_track(choose, search, choice, everything=everything)
            if forged is None:
                note = (
                    "its mask lies mostly outside of every face, so that the main face was taken: "
                    f"{searched.mask_path}"
                )
    if not tracks:
        return None
    chosen = forged or tracks[0]
    ordered = [chosen, *(one for one in tracks if one is not chosen)]
    return ChosenFace(ordered, follow(chosen, search.looked_at, search.positions), mask, note)


def sightings(tracks: Sequence[Track], search: Search) -> Sightings:
    """Everything that was seen, `tracks` numbered as they come."""
    numbers = [np.full(len(one.rows), number, np.int32) for number, one in enumerate(tracks)]
    rows = np.asarray([search.looked_at[row] for one in tracks for row in one.rows], dtype=np.int64)
    return Sightings(
        track=np.concatenate(numbers),
        frame_indices=search.positions[rows],
        boxes=np.asarray([box for one in tracks for box in one.boxes], dtype=np.float32),
        scores=np.asarray([score for one in tracks for score in one.scores], dtype=np.float32),
        points=np.asarray([points for one in tracks for points in one.points], dtype=np.float32),
    )
