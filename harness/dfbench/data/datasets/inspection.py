"""Looking into the files of a dataset: can each be decoded to its end, and is any of them there twice?"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Sequence
from concurrent.futures import BrokenExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfbench.data.datasets.leakage import differ, equation
from dfbench.data.fingerprints import content_digest
from dfbench.data.images.archives import archive_of
from dfbench.data.images.sequences import frame_names, is_sequence
from dfbench.data.preparing.executor import open_executor
from dfbench.data.preparing.process import process_of_this_thread
from dfbench.data.reading import Reading, reading, reading_as
from dfbench.errors import MissingVideoError, UnreadableError, VideoError
from dfbench.interfaces import Progress
from dfbench.types import FrameChoice, Video

LOOK_SECONDS = 600.0  # for the index and two frames of a large file on a slow disk


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was seen in `videos` files that are there.

    `unreadable`: "video_id: reason" of each whose first or last frame cannot be decoded, or that ends early; `masks`: of
    each whose mask is such.
    `duplicates`: the video_ids of files that are identical byte for byte, "a = b". `conflicts`: those of them that differ
    in label or split.
    """

    videos: int
    unreadable: tuple[str, ...]
    duplicates: tuple[str, ...]
    conflicts: tuple[str, ...]
    masks: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Everything, JSON-ready."""
        return {
            "videos": self.videos,
            "unreadable": list(self.unreadable),
            "unreadable_masks": list(self.masks),
            "duplicates": list(self.duplicates),
            "conflicts": list(self.conflicts),
        }


def inspect(
    videos: Sequence[Video], *, workers: int, progress: Progress, seconds: float = LOOK_SECONDS
) -> Inspection:
    """Walk the container of each video and of its mask, and decode its first and its last frame; compare files of one size
    by content.

    Each file is looked into in a process of its thread, for at most so many `seconds`: one that makes the decoder crash,
    hang or take all memory is unreadable, and the rest goes on. Files that are missing are not looked at: the inventory
    names them. Frames inside archives are not compared.
    """
    reasons: dict[int, tuple[str | None, str | None]] = {}
    with (
        progress.task("decode two frames of each", len(videos)) as task,
        open_executor("", workers=max(1, min(workers, len(videos))), progress=progress) as pool,
    ):
        pending = {
            pool.submit(_look_alone, video, seconds, reading()): number for number, video in enumerate(videos)
        }
        for done in as_completed(pending):
            reasons[pending[done]] = done.result()
            task.advance()
    told = [(video, *reasons[number]) for number, video in enumerate(videos)]
    there = [video for video, reason, _ in told if reason is not None]
    same = _identical(there)
    return Inspection(
        videos=len(there),
        unreadable=tuple(f"{video.video_id}: {reason}" for video, reason, _ in told if reason),
        masks=tuple(f"{video.video_id}: {mask}" for video, _, mask in told if mask),
        duplicates=tuple(equation(group) for group in same if not differ(group)),
        conflicts=tuple(equation(group) for group in same if differ(group)),
    )


def _look_alone(video: Video, seconds: float, chosen: Reading) -> tuple[str | None, str | None]:
    """Of the video and of its mask: why it is unreadable, "" if it is not, None if it is not there."""
    process = process_of_this_thread()
    process.preload = (__name__, "dfbench.data.decoding.video")
    reasons = []
    for path in (video.path, video.mask_path):
        try:
            reasons.append(None if path is None else process.call(_look, path, chosen, seconds=seconds))
        except TimeoutError:
            reasons.append(f"{path}: no frames after {seconds:g} s")
        except BrokenExecutor as error:
            reasons.append(f"{path}: the process that decoded frames died: {error}")
    return reasons[0], reasons[1]


def _look(path: Path, chosen: Reading) -> str | None:
    from dfbench.data.decoding.video import read_frames

    try:
        with reading_as(chosen):
            got = sum(1 for _ in read_frames(path, FrameChoice("uniform", 2)))
    except MissingVideoError:
        return None
    except VideoError as error:
        return error.message
    except Exception as error:  # noqa: BLE001 - one strange file must not end the check
        return f"{path}: {type(error).__name__}: {error}"
    return "" if got else f"{path}: no frame can be decoded"


def _identical(videos: Sequence[Video]) -> list[list[Video]]:
    """Groups of videos with equal content, if they have any, in the order of their first; only files of equal size are read."""
    by_size: dict[tuple[int, ...], list[Video]] = {}
    for video in videos:
        if archive_of(video.path) is None and (sizes := _sizes(video.path)):
            by_size.setdefault(sizes, []).append(video)
    by_content: dict[str, list[Video]] = {}
    for group in by_size.values():
        for video in group if len(group) > 1 else ():
            by_content.setdefault(_digest(video.path), []).append(video)
    return [group for group in by_content.values() if len(group) > 1]


def _files(path: Path) -> Iterable[Path]:
    try:
        return [path / name for name in frame_names(path)] if is_sequence(path) else [path]
    except VideoError:  # an empty folder: it is told as unreadable
        return []


def _sizes(path: Path) -> tuple[int, ...]:
    try:
        found = [one.stat() for one in _files(path)]
    except (OSError, ValueError):
        return ()
    # Reading a pipe would wait for ever, and empty files are alike without being copies of one another.
    is_content = any(one.st_size for one in found) and all(stat.S_ISREG(one.st_mode) for one in found)
    return tuple(one.st_size for one in found) if is_content else ()


def _digest(path: Path) -> str:
    try:
        return content_digest(path)
    except (OSError, UnreadableError):
        return str(path)  # told as unreadable; equal to nothing
