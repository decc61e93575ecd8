"""Where the faces of a video are: which of its frames are searched, and the tracks of what is found in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dfbench.data.faces.main_track import ranked, seen_inside
from dfbench.data.faces.tracking import Track, link, merged_faces
from dfbench.interfaces import FaceFinder, ThoroughFaceFinder
from dfbench.types import Faces, FrameChoice

BATCH = 8  # frames that a finder is given at once, unless they are as large as
BATCH_BYTES = 64 * 2**20

Frame = tuple[int, NDArray[np.uint8]]


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """Where a finder looked: `positions` (n,) int64 in the video of all frames, `looked_at`: the rows among them that
    were searched, `found`: what was in each of those, `frame_size`: (width, height)."""

    positions: NDArray[np.int64]
    looked_at: list[int]
    found: list[Faces]
    frame_size: tuple[int, int]

    @property
    def seen_at(self) -> NDArray[np.int64]:
        """Positions (m,) in the video of the frames that were searched."""
        return self.positions[self.looked_at]


class Looking:
    """Searches frames for faces as they come.

    Of successive frames every `every`-th is searched, and the last, because where a face is a second later can only be
    guessed.
    """

    def __init__(self, finder: FaceFinder, every: int) -> None:
        self._finder, self._every = finder, every
        self._positions: list[int] = []
        self._looked_at: list[int] = []
        self._found: list[Faces] = []
        self._batch: list[NDArray[np.uint8]] = []
        self._start, self._size = 0, (0, 0)
        self._before: NDArray[np.uint8] | None = None  # the last frame, unless it was searched

    def see(self, position: int, image: NDArray[np.uint8]) -> None:
        """Take the next frame (H, W, 3) of the video, at `position`."""
        row = len(self._positions)
        if row and position != self._positions[-1] + 1:
            self._start = row
            if self._before is not None:
                self._search(row - 1, self._before)
        self._positions.append(position)
        self._size = (image.shape[1], image.shape[0])
        self._before = None if (row - self._start) % self._every == 0 else image
        if self._before is None:
            self._search(row, image)

    def done(self) -> Search:
        """Search what waits; returns what was found."""
        if self._before is not None:
            self._search(len(self._positions) - 1, self._before)
            self._before = None
        self._find()
        return Search(np.asarray(self._positions, dtype=np.int64), self._looked_at, self._found, self._size)

    def _search(self, row: int, image: NDArray[np.uint8]) -> None:
        self._looked_at.append(row)
        self._batch.append(image)
        if _is_full(self._batch):
            self._find()

    def _find(self) -> None:
        if self._batch:
            self._found.extend(self._finder.find(self._batch))
            self._batch.clear()


def look(frames: Iterable[Frame], finder: FaceFinder, every: int) -> Search:
    """Search frames for faces, as `Looking` does; returns what was found."""
    looking = Looking(finder, every)
    for position, image in frames:
        looking.see(position, image)
    return looking.done()


def with_all(search: Search, frames: Iterable[Frame], finder: ThoroughFaceFinder) -> list[Faces]:
    """What was found, and all other faces in the frames that were searched."""
    looked_at = set(search.looked_at)
    seen: list[Faces] = []
    batch: list[NDArray[np.uint8]] = []
    for row, (_, image) in enumerate(frames):
        if row in looked_at:
            batch.append(image)
            if _is_full(batch):
                seen += finder.find_all(batch)
                batch.clear()
    if batch:
        seen += finder.find_all(batch)
    return [merged_faces(one, other) for one, other in zip(search.found, seen, strict=True)]


def ranked_tracks(search: Search, found: Sequence[Faces], choice: FrameChoice) -> list[Track]:
    """The tracks of the faces `found` where `search` looked, the main face first; none if no face is in a frame."""
    inside = [seen_inside(faces, search.frame_size) for faces in found]
    return ranked(
        link(inside, search.seen_at.tolist()),
        looked_at=search.looked_at,
        positions=search.positions,
        choice=choice,
        frame_size=search.frame_size,
    )


def chosen_track(
    choose: Callable[[Sequence[Track]], Track | None],
    search: Search,
    choice: FrameChoice,
    *,
    everything: Callable[[], Sequence[Faces]] | None,
) -> tuple[list[Track], Track | None]:
    """The track that `choose` picks of those of `search`, None if it picks none; and all tracks that there are then.

    Where it picks none, it picks again of `everything` that is in the frames that were searched, if the finder may have left
    faces out.
    """
    tracks = ranked_tracks(search, search.found, choice)
    chosen = choose(tracks)
    if chosen is None and everything is not None:
        tracks = ranked_tracks(search, everything(), choice)
        chosen = choose(tracks)
    return tracks, chosen


def _is_full(batch: Sequence[NDArray[np.uint8]]) -> bool:
    return len(batch) == BATCH or (len(batch) + 1) * batch[-1].nbytes > BATCH_BYTES
