"""The faces of one video: decode, find, track, choose whose face it is about, crop, store.

A finder that may leave faces out is asked for all of them where a mask says that what was changed is in none of the faces
that it found.

Frames stream through. What is held of them is bounded: a video whose wanted frames take more memory is decoded twice,
once to find the faces and once to cut them out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dfbench.data.decoding.video import read_frames
from dfbench.data.faces.landmarks import detect_landmarks
from dfbench.data.faces.main_track import ranked, seen_inside
from dfbench.data.faces.masked_face import masked_track, read_masks
from dfbench.data.faces.tracking import MainFace, Track, follow, link, merged_faces
from dfbench.data.fingerprints import ABSENT, content_digest, fingerprint
from dfbench.data.geometry import square_around
from dfbench.data.store.face_files import IRRELEVANT, Origin, Sightings, StoredFaces, write_faces
from dfbench.errors import MissingVideoError, NoFaceError, UnreadableError, VideoError
from dfbench.interfaces import FaceFinder, ThoroughFaceFinder
from dfbench.text import storable
from dfbench.types import Faces, FaceTrack, FrameChoice, PrepareSpec

HELD_BYTES = 512 * 2**20  # of decoded frames
BATCH = 8  # frames that a finder is given at once, unless they are as large as
BATCH_BYTES = 64 * 2**20
QUALITY_SIDE = 96

Frame = tuple[int, NDArray[np.uint8]]


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """Where a finder looked: `positions` (n,) int64 in the video of all frames, `looked_at`: the rows among them that
    were searched, `found`: what was in each of those, `frame_size`: (width, height)."""

    positions: NDArray[np.int64]
    looked_at: list[int]
    found: list[Faces]
    frame_size: tuple[int, int]


class WantedFrames:
    """(position, frame) of the wanted frames of a video, as often as one likes; held where there is room.

    `remarks`: what a person should know of the video, once its frames were read."""

    def __init__(self, path: Path, choice: FrameChoice, *, threads: int = 1) -> None:
        self._path, self._choice, self._threads = path, choice, threads
        self._held: list[Frame] | None = None
        self.remarks: list[str] = []

    def __iter__(self) -> Iterator[Frame]:
        if self._held is not None:
            yield from self._held
            return
        held: list[Frame] | None = []
        size = 0
        read = read_frames(
            self._path,
            self._choice,
            threads=self._threads,
            remark=self._take_remark,
        )
        for position, image in read:
            size += image.nbytes
            if held is not None and size <= HELD_BYTES:
                held.append((position, image))
            else:
                held = None
            yield position, image
        self._held = held

    def _take_remark(self, remark: str) -> None:
        if remark not in self.remarks:
            self.remarks.append(remark)


def prepare_video(
    path: Path,
    spec: PrepareSpec,
    finder: FaceFinder,
    out: Path,
    *,
    mask_path: Path | None = None,
    threads: int = 1,
) -> Origin:
    """Store the faces of the video at `path` in the face file `out`: the only way from a file to faces.

    A mask video, if there is one, chooses among several faces. So many threads decode. Returns what the faces were made of,
    with what is to be said of the video and of whose face it is. Raises VideoError, also if the file changes meanwhile, and
    StoreError.
    """
    source = fingerprint(path)
    frames = WantedFrames(path, spec.frames, threads=threads)
    thorough = finder.of_video() if isinstance(finder, ThoroughFaceFinder) else None
    search = look(frames, thorough or finder, spec.detect_every)
    seen_at = search.positions[search.looked_at]
    masks: dict[int, NDArray[np.bool_]] = {}
    mask, note = IRRELEVANT, ""
    tracks = ranked_tracks(search, search.found, spec.frames)
    if len(tracks) > 1 or thorough is not None:  # a mask has a say, or would have one
        mask = ABSENT if mask_path is None else fingerprint(mask_path)
    if mask_path is not None and mask != IRRELEVANT:
        try:
            masks = read_masks(seen_at, mask_path)
        except VideoError as error:
            note = f"its mask cannot be read, so that the main face was taken: {error.message}"
        else:
            if not masks:
                note = f"its mask is black, so that the main face was taken: {mask_path}"
    forged = None
    if masks:
        choose = partial(masked_track, masks=masks, frame_size=search.frame_size)
        tracks, forged = chosen_track(tracks, choose, search, frames, spec.frames, thorough)
    if not tracks:
        told = "; ".join([f"no face in any of {len(search.found)} frames looked at", *frames.remarks])
        raise NoFaceError(f"{path}: {told}")
    chosen = forged or tracks[0]
    if masks and forged is None:
        note = f"its mask lies mostly outside of every face, so that the main face was taken: {mask_path}"
    main = follow(chosen, search.looked_at, search.positions)
    kept = set(main.rows.tolist())
    faces = crop_track((one for row, one in enumerate(frames) if row in kept), main, spec)
    seen = _sightings([chosen, *(one for one in tracks if one is not chosen)], search)
    said = storable("; ".join([*frames.remarks, *([note] if note else [])]))
    origin = Origin(
        source=source,
        content=_unchanged_content(path, source),
        mask=mask,
        note=said,
        face_frames=len(main.rows),
        wanted_frames=len(search.positions),
    )
    write_faces(out, replace(faces, seen=seen, origin=origin))
    return origin


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


def look(frames: Iterable[Frame], finder: FaceFinder, every: int) -> Search:
    """Search frames for faces.

    Of successive frames every `every`-th is searched, and the last, because where a face is a second later can only be
    guessed.
    """
    positions: list[int] = []
    looked_at: list[int] = []
    found: list[Faces] = []
    batch: list[NDArray[np.uint8]] = []

    def take(row: int, image: NDArray[np.uint8]) -> None:
        looked_at.append(row)
        batch.append(image)
        if _is_full(batch):
            found.extend(finder.find(batch))
            batch.clear()

    start, size = 0, (0, 0)
    before: NDArray[np.uint8] | None = None  # the last frame, unless it was searched
    for row, (position, image) in enumerate(frames):
        if positions and position != positions[-1] + 1:
            start = row
            if before is not None:
                take(row - 1, before)
        positions.append(position)
        size = (image.shape[1], image.shape[0])
        before = None if (row - start) % every == 0 else image
        if before is None:
            take(row, image)
    if before is not None:
        take(len(positions) - 1, before)
    if batch:
        found.extend(finder.find(batch))
    return Search(np.asarray(positions, dtype=np.int64), looked_at, found, size)


def ranked_tracks(search: Search, found: Sequence[Faces], choice: FrameChoice) -> list[Track]:
    """The tracks of the faces `found` where `search` looked, the main face first; none if no face is in a frame."""
    inside = [seen_inside(faces, search.frame_size) for faces in found]
    return ranked(
        link(inside, search.positions[search.looked_at].tolist()),
        looked_at=search.looked_at,
        positions=search.positions,
        choice=choice,
        frame_size=search.frame_size,
    )


def chosen_track(
    tracks: list[Track],
    choose: Callable[[Sequence[Track]], Track | None],
    search: Search,
    frames: Iterable[Frame],
    choice: FrameChoice,
    thorough: ThoroughFaceFinder | None,
) -> tuple[list[Track], Track | None]:
    """The track that `choose` picks of `tracks`, None if it picks none; and all tracks that there are then.

    Where it picks none, a finder that may have left faces out is asked for all of them in `frames`, and it picks again.
    """
    chosen = choose(tracks)
    if chosen is None and thorough is not None:
        tracks = ranked_tracks(search, with_all(search, frames, thorough), choice)
        chosen = choose(tracks)
    return tracks, chosen


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


def _is_full(batch: Sequence[NDArray[np.uint8]]) -> bool:
    return len(batch) == BATCH or (len(batch) + 1) * batch[-1].nbytes > BATCH_BYTES


def crop_track(frames: Iterable[Frame], main: MainFace, spec: PrepareSpec) -> StoredFaces:
    """The crops of `main` out of its (position, frame) pairs, with landmarks if `spec` asks for them."""
    crops, boxes, landmarks, quality, positions, kinds = [], [], [], [], [], set()
    size = (0, 0)
    for (position, image), box, five in zip(frames, main.boxes, main.points, strict=True):
        left, top, side = square_around(box, spec.margin)
        # Whole pixels, so that a crop at native scale holds the very pixels of the frame.
        x0, y0, whole = round(left), round(top), max(8, round(side))
        height, width = image.shape[:2]
        rows = np.clip(np.arange(y0, y0 + whole), 0, height - 1)
        columns = np.clip(np.arange(x0, x0 + whole), 0, width - 1)
        crop = image[np.ix_(rows, columns)]
        corner = np.asarray([x0, y0], dtype=np.float32)
        if spec.landmarks:
            points, kind = detect_landmarks(crop, box - np.tile(corner, 2), five - corner)
            landmarks.append(points + corner)
            kinds.add(kind)
        quality.append(sharpness(image, box))
        if whole > spec.max_size:
            crop = cv2.resize(crop, (spec.max_size, spec.max_size), interpolation=cv2.INTER_AREA)
        crops.append(np.ascontiguousarray(crop))
        boxes.append((x0, y0, x0 + whole, y0 + whole))
        positions.append(position)
        size = (width, height)
    count = len(crops)
    return StoredFaces(
        crops=crops,
        crop_boxes=np.asarray(boxes, dtype=np.float32).reshape(count, 4),
        track=FaceTrack(
            frame_indices=np.asarray(positions, dtype=np.int64),
            boxes=main.boxes,
            scores=main.scores,
            landmarks=np.stack(landmarks) if landmarks else np.zeros((count, 0, 2), np.float32),
            landmark_kind=kinds.pop() if kinds else "none",
            frame_size=size,
            quality=np.asarray(quality, dtype=np.float32),
        ),
    )


def sharpness(image: NDArray[np.uint8], box: NDArray[np.float32]) -> float:
    """Variance of the Laplacian of the face in `box` (4,) at 96 px, in squared grey levels; 0 outside of the frame."""
    height, width = image.shape[:2]
    x0, y0, x1, y1 = (round(float(one)) for one in np.clip(box, 0, [width, height, width, height]))
    if x1 <= x0 or y1 <= y0:
        return 0.0
    grey = cv2.cvtColor(image[y0:y1, x0:x1], cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (QUALITY_SIDE, QUALITY_SIDE), interpolation=cv2.INTER_AREA)
    return float(cv2.Laplacian(small, cv2.CV_32F).var())


def _sightings(tracks: Sequence[Track], search: Search) -> Sightings:
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
