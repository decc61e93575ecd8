"""The faces of one video: decode, find, track, choose whose face it is about, crop, store; for one spec, or several at once.

For several, each wanted frame is decoded once, and specs that want the same frames share their search. A search is not put
together of others: where a finder looks may depend on the frames before, and how it rounds on those beside, so that faces
would depend on who else wanted some. Each file is equal to the byte to the one that its spec gets alone.

Frames stream through. What is held of them is bounded: a video whose wanted frames take more memory is decoded twice,
once to find the faces and once to cut them out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfbench.data.decoding.video import read_frames
from dfbench.data.faces.cutting import Cutting
from dfbench.data.faces.search import Frame, Looking, Search
from dfbench.data.faces.whose_face import ChosenFace, Searched, choose_face, sightings
from dfbench.data.fingerprints import ABSENT, content_digest, fingerprint
from dfbench.data.store.crop_sizes import holds
from dfbench.data.store.face_files import Origin, write_faces
from dfbench.errors import MissingVideoError, NoFaceError, UnreadableError, VideoError
from dfbench.interfaces import FaceFinder, ThoroughFaceFinder
from dfbench.text import storable
from dfbench.types import FrameChoice, PrepareSpec

HELD_BYTES = 512 * 2**20  # of decoded frames


class WantedFrames:
    """(position, frame) of the frames of a video that any of `choices` wants, as often as one likes; held where there is room.

    `chosen`: the positions that each choice wants, once the first frame came. `remarks`: what a person should know of the
    video, once its frames were read; `is_told_midway`: some of them are of single frames.
    """

    def __init__(self, path: Path, *choices: FrameChoice, threads: int = 1) -> None:
        self._path, self._choices, self._threads = path, choices, threads
        self._held: list[Frame] | None = None
        self.chosen: list[list[int]] = []
        self.remarks: list[str] = []
        self.is_told_midway = False

    def __iter__(self) -> Iterator[Frame]:
        if self._held is not None:
            yield from self._held
            return
        held: list[Frame] | None = []
        size = 0
        read = read_frames(
            self._path,
            *self._choices,
            threads=self._threads,
            remark=self._take_remark,
            chosen=self._take_chosen,
        )
        for position, image in read:
            size += image.nbytes
            if held is not None and size <= HELD_BYTES:
                held.append((position, image))
            else:
                held = None
            yield position, image
        self._held = held

    def of(self, number: int) -> _OwnFrames:
        """Those that the choice of this number wants."""
        return _OwnFrames(self, number)

    def _take_chosen(self, positions: list[list[int]]) -> None:
        self.chosen = positions

    def _take_remark(self, remark: str) -> None:
        if remark not in self.remarks:
            self.is_told_midway |= bool(self.chosen)
            self.remarks.append(remark)


@dataclass(frozen=True, slots=True, eq=False)
class _OwnFrames:
    wanted: WantedFrames
    number: int

    def __iter__(self) -> Iterator[Frame]:
        own: frozenset[int] | None = None
        for position, image in self.wanted:
            own = frozenset(self.wanted.chosen[self.number]) if own is None else own
            if position in own:
                yield position, image


@dataclass(frozen=True, slots=True)
class Wanted:
    """A face file to be made: `out`, by `spec`. With `may_be_shared`, another one that is made at the same time will do, if it
    holds all that is wanted."""

    spec: PrepareSpec
    out: Path
    may_be_shared: bool = False


@dataclass(frozen=True, slots=True)
class Made:
    """The file that holds what was wanted, and what it was made of, with what is to be said of the video and of whose face it
    is."""

    path: Path
    origin: Origin


def prepare_video(
    path: Path,
    spec: PrepareSpec,
    finder: FaceFinder,
    out: Path,
    *,
    mask_path: Path | None = None,
    threads: int = 1,
) -> Origin:
    """Store the faces of the video at `path` in the face file `out`.

    A mask video, if there is one, chooses among several faces. So many threads decode. Returns what the faces were made of,
    with what is to be said of the video and of whose face it is. Raises VideoError, also if the file changes meanwhile, and
    StoreError.
    """
    (made,) = _prepared(path, [Wanted(spec, out)], finder, mask_path, threads)
    if isinstance(made, VideoError):
        raise made
    return made.origin


def prepare_together(
    path: Path,
    wanted: Sequence[Wanted],
    finder: FaceFinder,
    *,
    mask_path: Path | None = None,
    threads: int = 1,
) -> list[Made | VideoError]:
    """Store the faces of the video at `path` for several specs, with one pass over its frames; returns how each of them ended.

    As `prepare_video`. Where something is wrong with a frame, which not all of them may want, each gets a pass of its own.
    """
    if len(wanted) > 1:
        try:
            return _prepared(path, wanted, finder, mask_path, threads)
        except (VideoError, _OfSingleFramesError):
            pass
    made: list[Made | VideoError] = []
    for one in wanted:
        try:
            made += _prepared(path, [one], finder, mask_path, threads)
        except VideoError as error:
            made.append(error)
    return made


class _OfSingleFramesError(Exception):
    """There is something to be said of single frames, which need not be said to all."""


def _prepared(
    path: Path, wanted: Sequence[Wanted], finder: FaceFinder, mask_path: Path | None, threads: int
) -> list[Made | VideoError]:
    """As `prepare_together`, in one pass. Raises VideoError for what is wrong with the video or with any wanted frame."""
    source = fingerprint(path)
    frames = WantedFrames(path, *(one.spec.frames for one in wanted), threads=threads)
    searches = _searched(frames, wanted, finder, mask_path)
    if frames.is_told_midway and len(wanted) > 1:
        raise _OfSingleFramesError
    faces = [choose_face(one, each.spec.frames) for one, each in zip(searches, wanted, strict=True)]
    held_by = _holders(wanted, searches, faces)
    parts = [
        _Part(number, searched.search, face, Cutting(face.main, wanted[number].spec))
        for number, (searched, face) in enumerate(zip(searches, faces, strict=True))
        if face is not None and held_by[number] == number
    ]
    _cut(frames, [(one.cutting, one.search.positions[one.face.main.rows]) for one in parts])
    content = _unchanged_content(path, source) if parts else ""
    made = {}
    for part in parts:
        face, out = part.face, wanted[part.number].out
        origin = Origin(
            source=source,
            content=content,
            mask=face.mask,
            note=storable("; ".join([*frames.remarks, *([face.note] if face.note else [])])),
            face_frames=len(face.main.rows),
            wanted_frames=len(part.search.positions),
        )
        seen = sightings(face.tracks, part.search)
        write_faces(out, replace(part.cutting.done(), seen=seen, origin=origin))
        made[part.number] = Made(out, origin)
    return [
        made[holder] if holder in made else _without_face(path, searches[number], frames.remarks)
        for number, holder in enumerate(held_by)
    ]


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """What is cut out for the `number`-th of what is wanted."""

    number: int
    search: Search
    face: ChosenFace
    cutting: Cutting


def _searched(
    frames: WantedFrames, wanted: Sequence[Wanted], finder: FaceFinder, mask_path: Path | None
) -> list[Searched]:
    """The search of the frames of each of `wanted`: one for all that want the same."""
    looks: dict[tuple[tuple[int, ...], int], tuple[Looking, ThoroughFaceFinder | None]] = {}
    keys: list[tuple[tuple[int, ...], int]] = []
    looking_at: dict[int, list[Looking]] = {}

    def begin() -> None:
        for number, one in enumerate(wanted):
            positions = tuple(frames.chosen[number])
            keys.append((positions, one.spec.detect_every))
            if keys[-1] in looks:
                continue
            thorough = finder.of_video() if isinstance(finder, ThoroughFaceFinder) else None
            looks[keys[-1]] = Looking(thorough or finder, one.spec.detect_every), thorough
            for position in positions:
                looking_at.setdefault(position, []).append(looks[keys[-1]][0])

    for position, image in frames:
        if not keys:
            begin()
        for looking in looking_at.get(position, ()):
            looking.see(position, image)
    if not keys:  # no frame at all is wanted
        begin()
    searched = {
        key: Searched(looking.done(), frames.of(keys.index(key)), thorough, mask_path)
        for key, (looking, thorough) in looks.items()
    }
    return [searched[key] for key in keys]


def _holders(
    wanted: Sequence[Wanted], searches: Sequence[Searched], faces: Sequence[ChosenFace | None]
) -> list[int]:
    """The number of what will hold the faces of each of `wanted`: itself, or a larger one."""
    held_by = list(range(len(wanted)))
    largest = sorted(
        held_by, key=lambda number: (-wanted[number].spec.max_size, not wanted[number].spec.landmarks)
    )
    for place, number in enumerate(largest):
        face, own = faces[number], wanted[number]
        if face is None or not own.may_be_shared:
            continue
        for other in largest[:place]:
            there = faces[other]
            if (
                there is not None
                and held_by[other] == other
                and searches[other] is searches[number]
                and holds(wanted[other].spec, own.spec, boxes=there.main.boxes, tracks=len(there.tracks))
            ):
                held_by[number] = other
                break
    return held_by


def _cut(frames: WantedFrames, cuttings: Sequence[tuple[Cutting, NDArray[np.int64]]]) -> None:
    """Hand the frames at these positions in the video to each of `cuttings`."""
    cutting_at: dict[int, list[Cutting]] = {}
    for cutting, positions in cuttings:
        for position in positions.tolist():
            cutting_at.setdefault(position, []).append(cutting)
    if cutting_at:
        for position, image in frames:
            for cutting in cutting_at.get(position, ()):
                cutting.take(position, image)


def _without_face(path: Path, searched: Searched, remarks: Sequence[str]) -> NoFaceError:
    told = "; ".join([f"no face in any of {len(searched.search.found)} frames looked at", *remarks])
    return NoFaceError(f"{path}: {told}")


def _unchanged_content(path: Path, source: str) -> str:
    """The digest of a video that was just read, if it still has the fingerprint `source`. Raises VideoError."""
    now = fingerprint(path)
    if now == ABSENT:
        raise MissingVideoError(f"{path}: no such file or folder any more")
    if now != source:
        raise VideoError(f"{path}: it changed while its faces were looked for", hints=("try again",))
    try:
        return content_digest(path)
    except UnreadableError as error:
        raise VideoError(error.message) from error
    except OSError as error:
        raise VideoError(f"{path}: cannot be read to its end ({error.strerror})") from error
