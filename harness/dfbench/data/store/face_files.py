"""The face store: one file a video, lossless, any frame at random.

A file is an uncompressed zip of lossless WebP crops, one `track.npz`, and one `origin.json` that says which video and mask
they were made of. The video's fingerprint is part of the file's name too, so that two videos of one name (in two roots, or
before and after another download) have a place each. Zip entries carry a CRC, so damage is noticed
when a frame is read; timestamps are fixed, so equal content gives equal bytes. docs/measurements.md has what other
containers would cost.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dfbench.data.folders import below
from dfbench.data.store.crop_sizes import reduced, stored_square
from dfbench.data.store.face_checks import (
    MOST_CROP_BYTES,
    MOST_TRACK_BYTES,
    entry_bytes,
    require_crop,
    track_arrays,
)
from dfbench.errors import AbsentError, StoreError, UnreadableError
from dfbench.files import write_whole
from dfbench.formats import refuse_newer
from dfbench.types import STORE_FORMAT, FaceTrack, PrepareSpec, VideoFile
from dfbench.untrusted import MOST_SETTINGS, parsed_object, require_regular
from dfbench.version import VERSION

SUFFIX = ".faces"
IRRELEVANT = "irrelevant"
SOURCE_DIGITS = 12
ELSEWHERE = (
    "or move the cache to another disk: set DFBENCH_CACHE; what is prepared there can be moved along",
    "then run the same command again: it goes on",
)  # hints for what cannot be written to the store
_TRACK = "track.npz"
_ORIGIN = "origin.json"
# The entry whose name tells the format of the file, so that a look at the list of entries is enough; it holds the version of
# dfbench that wrote the file. Files from before there was such an entry are of a format that this version reads.
_FORMAT = "format-"
# What reading a zip raises when any byte of it may be another: one bit makes an entry encrypted or of an odd kind.
_DAMAGE: tuple[type[Exception], ...] = (
    *(OSError, EOFError, ValueError, KeyError, TypeError, RuntimeError),
    *(IndexError, OverflowError, MemoryError, RecursionError, NotImplementedError),
    *(zipfile.BadZipFile, zlib.error, UnreadableError),
)
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True, eq=False)
class Sightings:
    """Every face that the finder saw, k of them: track (k,) int32, 0 is that of the crops; frame_indices (k,) int64,
    boxes (k, 4), scores (k,), points (k, 5, 2) float32, as the finder gave them."""

    track: NDArray[np.int32]
    frame_indices: NDArray[np.int64]
    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    points: NDArray[np.float32]


NOTHING = Sightings(
    np.zeros(0, np.int32),
    np.zeros(0, np.int64),
    np.zeros((0, 4), np.float32),
    np.zeros(0, np.float32),
    np.zeros((0, 5, 2), np.float32),
)


@dataclass(frozen=True, slots=True)
class Origin:
    """What a face file was made of.

    source: the fingerprint of the video; content: the digest of all of its bytes; mask: the fingerprint of the mask that
    chose among several faces, "" where there was none, IRRELEVANT where there was nothing to choose; note: what is to be
    said of whose face it is, such as that a mask could not be read. The face is in `face_frames` of the `wanted_frames` that
    were looked through, -1 if nobody counted.
    """

    source: str = ""
    content: str = ""
    mask: str = IRRELEVANT
    note: str = ""
    face_frames: int = -1
    wanted_frames: int = -1


@dataclass(frozen=True, slots=True, eq=False)
class StoredFaces:
    """Holds the stored crops of one face track of n frames.

    crops: n arrays (S, S, 3) uint8 RGB; S may differ between frames. crop_boxes (n, 4) float32: the part of the frame that
    each crop shows, x0 y0 x1 y1 in pixels of the frame; it may extend beyond the frame, whose edge is repeated there. seen:
    every face that the face finder found.
    """

    crops: list[NDArray[np.uint8]]
    crop_boxes: NDArray[np.float32]
    track: FaceTrack
    seen: Sightings = field(default_factory=lambda: NOTHING)
    origin: Origin = Origin()


def face_path(store_root: Path, video: VideoFile, *, corpus: str, digest: str, source: str) -> Path:
    """Where the faces of a video are, `source` being the fingerprint of its file.

    Safe for any `video_id`: readable as far as possible, unique by a hash. Raises StoreError for a corpus or dataset that
    is no name of a folder.
    """
    readable = plain_name(video.video_id)[:60]
    unique = sha256(video.video_id.encode("utf-8", "surrogateescape")).hexdigest()[:10]
    # c23 and c40 have videos of the same names.
    folder = f"{video.dataset}-{plain_name(video.compression)}" if video.compression else video.dataset
    file = f"{readable}-{unique}-{source[:SOURCE_DIGITS]}{SUFFIX}"
    return below(store_root, corpus, folder, digest, file)


def plain_name(name: str) -> str:
    """`name` with everything but ASCII letters, digits, "_" and "-" replaced, so that any disk takes it."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", name)


def discard(part: Path) -> None:
    """Delete an unfinished file, if it can be: why it is unfinished matters more than why it stays."""
    with suppress(OSError):
        part.unlink(missing_ok=True)


def write_faces(path: Path, faces: StoredFaces) -> None:
    """Write atomically. Raises StoreError, which names the folder and how to move it, if the disk is full."""
    arrays = io.BytesIO()
    track = faces.track
    np.savez(
        arrays,
        crop_boxes=faces.crop_boxes,
        frame_indices=track.frame_indices,
        boxes=track.boxes,
        scores=track.scores,
        landmarks=track.landmarks,
        landmark_kind=np.asarray(track.landmark_kind),
        frame_size=np.asarray(track.frame_size),
        quality=track.quality,
        seen=_seen_rows(faces.seen),
    )

    def write(part: Path) -> None:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
            for number, crop in enumerate(faces.crops):
                archive.writestr(zipfile.ZipInfo(_entry(number), _EPOCH), _encode(crop))
            archive.writestr(zipfile.ZipInfo(_TRACK, _EPOCH), arrays.getvalue())
            archive.writestr(zipfile.ZipInfo(_ORIGIN, _EPOCH), json.dumps(asdict(faces.origin)))
            archive.writestr(zipfile.ZipInfo(f"{_FORMAT}{STORE_FORMAT}", _EPOCH), VERSION)

    write_whole(path, write, hints=ELSEWHERE)


def read_faces(
    path: Path, frames: Sequence[int] | None = None, *, wanted: PrepareSpec | None = None
) -> StoredFaces:
    """Return the stored faces of a video: all frames, or those at the given positions, as `wanted` stores them, if the file was
    made for more. Raises StoreError if it is damaged, or does not hold what is wanted."""
    with _reading(path) as archive:
        stored = _arrays(archive)
        rows = list(range(len(stored["frame_indices"]))) if frames is None else [int(one) for one in frames]
        crops = [_decode(_crop(archive, row), path) for row in rows]
        faces = _faces(stored, rows, crops, _origin(archive))
    return faces if wanted is None else _as_wanted(faces, wanted, path)


def read_track(path: Path, *, wanted: PrepareSpec | None = None) -> StoredFaces:
    """Return the face track of a video without its crops, which would take most of the time. Raises StoreError."""
    with _reading(path) as archive:
        stored = _arrays(archive)
        faces = _faces(stored, list(range(len(stored["frame_indices"]))), [], _origin(archive))
    return faces if wanted is None else _as_wanted(faces, wanted, path)


def _as_wanted(faces: StoredFaces, spec: PrepareSpec, path: Path) -> StoredFaces:
    """`faces` as if they had been prepared for `spec`, equal to the bit. Raises StoreError if they do not hold that."""
    track = faces.track
    squares = [stored_square(box, spec) for box in track.boxes]
    shown = (faces.crop_boxes[:, 2] - faces.crop_boxes[:, 0]).round().astype(int).tolist()
    try:
        crops = [
            reduced(crop, shows, square, spec)
            for crop, shows, square in zip(faces.crops, shown, squares, strict=bool(faces.crops))
        ]
    except ValueError as error:
        raise StoreError(
            f"{path} was made for less detail: {error}", hints=("prepare the dataset again",)
        ) from error
    outlines = [(one.left, one.top, one.left + one.kept, one.top + one.kept) for one in squares]
    boxes = np.asarray(outlines, dtype=np.float32).reshape(-1, 4)
    if not spec.landmarks:
        track = replace(track, landmarks=track.landmarks[:, :0], landmark_kind="none")
    return replace(faces, crops=crops, crop_boxes=boxes, track=track)


@contextmanager
def _reading(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(require_regular(path)) as archive:
            _refuse_newer(archive, path)
            yield archive
    except AbsentError as error:
        raise StoreError(f"{path}: no such face file", hints=("prepare the dataset again",)) from error
    except _DAMAGE as error:
        removed = not isinstance(error, OSError) and path.is_file() and _removed(path)
        hint = "it was deleted; the next run makes it anew" if removed else "the next run makes it anew"
        raise StoreError(f"{path} is damaged: {error}", hints=(hint,)) from error


def _refuse_newer(archive: zipfile.ZipFile, path: Path) -> None:
    """Raise NewerFormatError if a later dfbench wrote the face file; it must not be taken for damaged, and be deleted."""
    for info in archive.infolist():
        found = info.filename.removeprefix(_FORMAT)
        if info.filename.startswith(_FORMAT) and found != str(STORE_FORMAT):
            writer = entry_bytes(archive, info.filename, most=100)
            refuse_newer(path, "a face file", found=found, known=STORE_FORMAT, written_by=writer)


def _removed(path: Path) -> bool:
    """Delete a face file that is damaged, so that it is prepared anew; one that proves sound, or is none, stays."""
    if path.suffix != SUFFIX or read_origin(path, whole=True) is not None:
        return False
    with suppress(OSError):
        path.unlink()
        return True
    return False


def _arrays(archive: zipfile.ZipFile) -> dict[str, NDArray[Any]]:
    return track_arrays(entry_bytes(archive, _TRACK, most=MOST_TRACK_BYTES))


def _origin(archive: zipfile.ZipFile) -> Origin:
    content = entry_bytes(archive, _ORIGIN, most=MOST_SETTINGS)
    origin = Origin(**parsed_object(Path(str(archive.filename)), content))
    for known in fields(Origin):
        if type(getattr(origin, known.name)) is not type(known.default):
            raise ValueError(f"its {known.name} is {getattr(origin, known.name)!r}")
    return origin


def _faces(
    stored: dict[str, NDArray[Any]], rows: list[int], crops: list[NDArray[np.uint8]], origin: Origin
) -> StoredFaces:
    width, height = (int(one) for one in stored["frame_size"])
    return StoredFaces(
        crops=crops,
        crop_boxes=stored["crop_boxes"][rows],
        track=FaceTrack(
            frame_indices=stored["frame_indices"][rows],
            boxes=stored["boxes"][rows],
            scores=stored["scores"][rows],
            landmarks=stored["landmarks"][rows],
            landmark_kind=str(stored["landmark_kind"]),
            frame_size=(width, height),
            quality=stored["quality"][rows],
        ),
        seen=_sightings(stored["seen"]),
        origin=origin,
    )


def _seen_rows(seen: Sightings) -> NDArray[np.float64]:
    """One array (k, 17), because each costs time whenever a file is read."""
    columns = (seen.track[:, None], seen.frame_indices[:, None], seen.boxes, seen.scores[:, None])
    return np.concatenate([*columns, seen.points.reshape(-1, 10)], axis=1, dtype=np.float64)


def _sightings(rows: NDArray[np.float64]) -> Sightings:
    return Sightings(
        track=rows[:, 0].astype(np.int32),
        frame_indices=rows[:, 1].astype(np.int64),
        boxes=rows[:, 2:6].astype(np.float32),
        scores=rows[:, 6].astype(np.float32),
        points=rows[:, 7:].reshape(-1, 5, 2).astype(np.float32),
    )


def read_origin(path: Path, *, whole: bool) -> Origin | None:
    """What a face file was made of; None if it is not there or damaged.

    With `whole`, every checksum in it is compared; otherwise those of its tracks, and no crop is read. Raises NewerFormatError.
    """
    try:
        with zipfile.ZipFile(require_regular(path)) as archive:
            _refuse_newer(archive, path)
            if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
                return None  # which would be inflated
            if whole and archive.testzip() is not None:
                return None
            if not whole:
                entry_bytes(archive, _TRACK, most=MOST_TRACK_BYTES)
            return _origin(archive)
    except _DAMAGE:
        return None


def _entry(row: int) -> str:
    return f"{row:06d}.webp"


def _encode(crop: NDArray[np.uint8]) -> bytes:
    # The least effort: a quarter smaller than PNG and quicker both ways all the same.
    out = io.BytesIO()
    Image.fromarray(crop).save(out, "webp", lossless=True, quality=0, method=0)
    return out.getvalue()


def _crop(archive: zipfile.ZipFile, row: int) -> bytes:
    webp = entry_bytes(archive, _entry(row), most=MOST_CROP_BYTES)
    require_crop(webp)
    return webp


def _decode(webp: bytes, path: Path) -> NDArray[np.uint8]:
    image = cv2.imdecode(np.frombuffer(webp, np.uint8), cv2.IMREAD_COLOR_RGB)
    if image is None:
        raise StoreError(
            f"{path} is damaged: a frame is no WebP", hints=("delete it; the next run makes it anew",)
        )
    return np.asarray(image, dtype=np.uint8)
