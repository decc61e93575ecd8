"""How the preparation of each video ended, as the face store tells it.

A video that is done has its face file; one that failed has a small JSON beside that path with its status and reason.
Either counts for the file that it was made of (`fingerprints`), and for no other. A video that is not there is missing,
whatever the store holds. Every file is written under a name of its own and then renamed, so that
any number of processes and machines may write to one store.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from dfbench.data.fingerprints import ABSENT, content_digest, fingerprint
from dfbench.data.images.archives import archive_of
from dfbench.data.store.crop_sizes import holds
from dfbench.data.store.face_files import ELSEWHERE, IRRELEVANT, Origin, read_origin, read_track
from dfbench.errors import DataError, StoreError, UnreadableError
from dfbench.files import leftovers, write_text_whole
from dfbench.text import storable
from dfbench.types import PrepareSpec, Status, Video, VideoFile
from dfbench.untrusted import MOST_SETTINGS, read_object

LEFTOVER_SECONDS = 24 * 3600.0


_V = TypeVar("_V", bound=VideoFile)
_W = TypeVar("_W", bound=VideoFile)


@dataclass(frozen=True)  # with slots, Python 3.11 cannot make one by the name PreparedResult
class Prepared(Generic[_V]):
    """How the preparation of one video ended; `path` is its face file if `status` is OK.

    `reason` says why a video has no faces; of one that has, it is a remark on which face was chosen, usually "". The face is
    in `face_frames` of its `wanted_frames`, -1 if nobody counted. `wanted`: what its file is to be read as, if that was made
    for a larger spec than the one that was asked for (see `data.store.crop_sizes`).
    """

    video: _V
    status: Status
    reason: str
    path: Path
    seconds: float = 0.0
    face_frames: int = -1
    wanted_frames: int = -1
    wanted: PrepareSpec | None = None

    def of(self, video: _W) -> Prepared[_W]:
        """Return the same outcome, told of `video`, which has the same file and mask."""
        return Prepared(
            video,
            self.status,
            self.reason,
            self.path,
            self.seconds,
            face_frames=self.face_frames,
            wanted_frames=self.wanted_frames,
            wanted=self.wanted,
        )


PreparedResult = Prepared[Video]


def prepared_result(
    video: _V, path: Path, origin: Origin, seconds: float = 0.0, *, wanted: PrepareSpec | None = None
) -> Prepared[_V]:
    """Return the outcome of a video whose face file at `path` was made of `origin`, and is to be read as `wanted`."""
    return Prepared(
        video,
        Status.OK,
        origin.note,
        path,
        seconds,
        face_frames=origin.face_frames,
        wanted_frames=origin.wanted_frames,
        wanted=wanted,
    )


def known_outcome(
    video: _V, path: Path, source: str, *, whole: bool = True, verify: bool = False
) -> Prepared[_V] | None:
    """What the store says of a video whose file has the fingerprint `source`, None if it is to be prepared.

    `whole` checks every CRC of its face file, `verify` every byte of the video: the fingerprint is of samples.
    """
    if source == ABSENT:
        return Prepared(video, Status.MISSING, f"{video.path}: no such file or folder", path)
    origin = _sound_origin(video, path, source, whole=whole)
    if origin is not None and (not verify or origin.content == _content(video.path)):
        return prepared_result(video, path, origin)
    try:
        record = read_object(_status_path(path), most=MOST_SETTINGS)
        if not _failed(record, video, source):
            return None
        status, reason = Status(record["status"]), storable(str(record["reason"]))
    except (UnreadableError, ValueError, KeyError, TypeError):  # not there, or damaged
        return None
    return None if status is Status.OK else Prepared(video, status, reason, path)


def held_elsewhere(
    video: _V,
    path: Path,
    source: str,
    *,
    spec: PrepareSpec,
    stores: Sequence[tuple[Path, PrepareSpec]],
    whole: bool = True,
    verify: bool = False,
) -> Prepared[_V] | None:
    """Find a face file of the video that holds what `spec` wants in one of `stores`, folders with what their faces were made by;
    returns its outcome, None if none does. `path`: where a file for `spec` alone would be; the others as in `known_outcome`."""
    for folder, stored in stores:
        there = folder / path.name
        known = known_outcome(video, there, source, whole=whole, verify=verify) if there.is_file() else None
        if known is not None and known.status is Status.OK and _holds(there, stored, spec):
            return replace(known, wanted=spec)
    return None


def _holds(path: Path, stored: PrepareSpec, wanted: PrepareSpec) -> bool:
    try:
        faces = read_track(path)
    except StoreError:  # it went bad, or somebody replaces it just now
        return False
    tracks = int(faces.seen.track.max(initial=0)) + 1
    return holds(stored, wanted, boxes=faces.track.boxes, tracks=tracks)


def store_failure(video: _V, path: Path, status: Status, reason: str, seconds: float = 0.0) -> Prepared[_V]:
    """Keep why a video has no faces. Raises StoreError."""
    reason, source = storable(reason), fingerprint(video.path)
    record = {
        "status": status,
        "reason": reason,
        "source": source,
        "mask": _mask(video),
        "time": _time(video.path),
        "content": _content(video.path),
    }
    write_text_whole(_status_path(path), json.dumps(record), hints=ELSEWHERE)
    if path.is_file() and _sound_origin(video, path, source, whole=True) is None:
        try:
            path.unlink(missing_ok=True)  # damaged, or of another file or mask
        except OSError as error:
            raise StoreError(f"cannot delete {path}: {error.strerror or error}", hints=ELSEWHERE) from error
    return Prepared(video, status, reason, path, seconds)


def forget_failure(path: Path) -> None:
    """Remove what `store_failure` kept, so that the video is prepared again. Raises StoreError."""
    try:
        _status_path(path).unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"cannot delete {_status_path(path)}: {error.strerror}") from error


def sweep_leftovers(folders: Iterable[Path]) -> None:
    """Delete unfinished files that are a day old: their writers were killed."""
    now = time.time()
    for folder in folders:
        for part in leftovers(folder):
            try:
                if now - part.stat().st_mtime > LEFTOVER_SECONDS:
                    part.unlink()
            except OSError:  # somebody else swept it, or may not be deleted: it is never read
                continue


def _sound_origin(video: VideoFile, path: Path, source: str, *, whole: bool) -> Origin | None:
    """What the face file at `path` was made of, if that is this video, and its mask as it is now where a mask has a say."""
    origin = read_origin(path, whole=whole) if path.is_file() else None
    if origin is None or origin.source != source:
        return None
    return origin if origin.mask == IRRELEVANT or origin.mask == _mask(video) else None


def _mask(video: VideoFile) -> str:
    return ABSENT if video.mask_path is None else fingerprint(video.mask_path)


def _failed(record: Mapping[str, Any], video: VideoFile, source: str) -> bool:
    """Whether it was this video that failed.

    A file that was damaged and is downloaded again may have the same samples: where its time is another, all of it counts.
    """
    if (record["source"], record["mask"]) != (source, _mask(video)):
        return False
    if record["time"] == _time(video.path):
        return True
    content = _content(video.path)
    return bool(content) and content == str(record["content"])


def _time(path: Path) -> int:
    try:
        return (archive_of(path) or path).stat().st_mtime_ns
    except (OSError, ValueError):
        return -1


def _content(path: Path) -> str:
    """The digest of all bytes of a video; "" if they cannot be read."""
    try:
        return content_digest(path)
    except (DataError, OSError, ValueError):
        return ""


def _status_path(path: Path) -> Path:
    return path.with_suffix(".json")
