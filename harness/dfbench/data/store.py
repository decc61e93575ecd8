"""The face store: one file a video, lossless, any frame at random.

A file is an uncompressed zip of PNG crops and one `track.npz`. Zip entries carry a CRC, so damage is noticed when a
frame is read; timestamps are fixed, so equal content gives equal bytes.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import cv2
import numpy as np
from numpy.typing import NDArray

from dfbench.errors import StoreError
from dfbench.types import FaceTrack

SUFFIX = ".faces"
# Each row as its difference to the row above: of the PNG filters, the quickest to undo at the size of the default.
PNG_OPTIONS = (cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP)
_TRACK = "track.npz"
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True, eq=False)
class StoredFaces:
    """Crops of one face track.

    crops: n arrays (S, S, 3) uint8 RGB, S may differ from frame to frame; crop_boxes (n, 4) float32: the part of
    the frame that each crop shows, x0 y0 x1 y1 in frame pixels (it may reach outside; the edge is repeated there);
    source_bytes: the size of the video file that they were cut from, -1 where there was none.
    """

    crops: list[NDArray[np.uint8]]
    crop_boxes: NDArray[np.float32]
    track: FaceTrack
    source_bytes: int = -1


def face_path(store_root: Path, *, corpus: str, dataset: str, digest: str, video_id: str) -> Path:
    """Where a video's faces are. Safe for any `video_id`: readable as far as possible, unique by a hash."""
    readable = re.sub(r"[^A-Za-z0-9_-]+", "_", video_id)[:60]
    unique = sha256(video_id.encode("utf-8", "surrogateescape")).hexdigest()[:10]
    return store_root / corpus / dataset / digest / f"{readable}-{unique}{SUFFIX}"


def part_path(path: Path) -> Path:
    """Where to write what becomes `path`: a name that no other process of any machine on the same disk takes."""
    return path.with_name(f"{path.name}.{uuid4().hex}.part")


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
        source_bytes=np.asarray(faces.source_bytes),
    )
    part = part_path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
            for number, crop in enumerate(faces.crops):
                done, png = cv2.imencode(".png", cv2.cvtColor(crop, cv2.COLOR_RGB2BGR), PNG_OPTIONS)
                if not done:
                    raise StoreError(f"{path}: frame {number} cannot be encoded as PNG")
                archive.writestr(zipfile.ZipInfo(f"{number:06d}.png", _EPOCH), png.tobytes())
            archive.writestr(zipfile.ZipInfo(_TRACK, _EPOCH), arrays.getvalue())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StoreError(
            f"cannot write {path}: {error.strerror or error}",
            hints=(
                f"free space on the disk of {path.parent}",
                "or move the cache to another disk: set DFBENCH_CACHE; what is prepared there can be moved along",
                "then run the same command again: it goes on",
            ),
        ) from error


def read_faces(path: Path, frames: Sequence[int] | None = None) -> StoredFaces:
    """Read all frames, or those at the given positions in the stored order. Raises StoreError if damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = np.load(io.BytesIO(archive.read(_TRACK)), allow_pickle=False)
            stored = {name: arrays[name] for name in arrays.files}
            rows = (
                list(range(len(stored["frame_indices"]))) if frames is None else [int(one) for one in frames]
            )
            crops = [_decode(archive.read(f"{row:06d}.png"), path) for row in rows]
    except FileNotFoundError as error:
        raise StoreError(f"{path}: no such face file", hints=("prepare the dataset again",)) from error
    except (zipfile.BadZipFile, KeyError, ValueError, OSError, EOFError, zlib.error) as error:
        raise StoreError(
            f"{path} is damaged: {error}", hints=("delete it; the next run makes it anew",)
        ) from error
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
        ),
        source_bytes=int(stored["source_bytes"]),
    )


def check_faces(path: Path, *, source_bytes: int, whole: bool = True) -> bool:
    """Whether the file is there, every CRC in it is right, and it was made of a video file of `source_bytes`.

    With `whole` false, only its track is read, and no crop.

    The size stands for the content, and not the time, because files are copied and caches moved. With -1, the video
    is not there to compare with, and what was made of it counts.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if whole and archive.testzip() is not None:
                return False
            made_of = np.load(io.BytesIO(archive.read(_TRACK)), allow_pickle=False)["source_bytes"]
    except (OSError, zipfile.BadZipFile, KeyError, ValueError):
        return False
    return source_bytes in (-1, int(made_of))


def _decode(png: bytes, path: Path) -> NDArray[np.uint8]:
    image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR_RGB)
    if image is None:
        raise StoreError(
            f"{path} is damaged: a frame is no PNG", hints=("delete it; the next run makes it anew",)
        )
    return np.asarray(image, dtype=np.uint8)
