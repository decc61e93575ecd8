"""How the preparation of each video ended, as the face store tells it.

A video that is done has its face file; one that failed has a small JSON beside that path with its status and reason.
Either counts until its source file changes. Every file is written under a name of its own and then renamed, so that
any number of processes and machines may write to one store.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfbench.data.sequences import archive_of, source_size
from dfbench.data.store import check_faces, not_written, part_path
from dfbench.errors import StoreError
from dfbench.text import storable
from dfbench.types import Status, Video

LEFTOVER_SECONDS = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class PreparedResult:
    """How the preparation of one video ended; `path` is its face file if `status` is OK, and `reason` then what is to
    be said of whose face it is, mostly ""."""

    video: Video
    status: Status
    reason: str
    path: Path
    seconds: float = 0.0


def known_outcome(video: Video, path: Path, *, whole: bool = True) -> PreparedResult | None:
    """What the store says of a video, None if it is to be prepared; `whole` checks every CRC of its face file."""
    if path.is_file() and (note := _note_of(video, path, whole=whole)) is not None:
        return PreparedResult(video, Status.OK, note, path)
    try:
        record: dict[str, Any] = json.loads(_status_path(path).read_text(encoding="utf-8"))
        if record["source"] != _source(video):
            return None
        status, reason = Status(record["status"]), storable(str(record["reason"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):  # not there, or damaged
        return None
    return None if status is Status.OK else PreparedResult(video, status, reason, path)


def store_failure(
    video: Video, path: Path, status: Status, reason: str, seconds: float = 0.0
) -> PreparedResult:
    """Keep why a video has no faces. Raises StoreError."""
    reason = storable(reason)
    record = {"status": status, "reason": reason, "source": _source(video)}
    part = part_path(_status_path(path))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(record), encoding="utf-8")
        part.replace(_status_path(path))
        if path.is_file() and _note_of(video, path) is None:
            path.unlink(missing_ok=True)  # damaged, or of what the source was before
    except OSError as error:
        raise not_written(_status_path(path), part, error) from error
    return PreparedResult(video, status, reason, path, seconds)


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
        for part in folder.glob("*.part"):
            try:
                if now - part.stat().st_mtime > LEFTOVER_SECONDS:
                    part.unlink()
            except OSError:  # somebody else swept it, or may not be deleted: it is never read
                continue


def _note_of(video: Video, path: Path, *, whole: bool = True) -> str | None:
    """The note of the face file at `path` if it is sound, and of the video and mask that are there now."""
    mask = -1 if video.mask_path is None else source_size(video.mask_path)
    return check_faces(path, source_bytes=source_size(video.path), mask_bytes=mask, whole=whole)


def _status_path(path: Path) -> Path:
    return path.with_suffix(".json")


def _source(video: Video) -> list[int]:
    try:
        stat = (archive_of(video.path) or video.path).stat()
    except OSError:
        return []
    return [source_size(video.path), stat.st_mtime_ns]
