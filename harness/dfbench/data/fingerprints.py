"""The fingerprint of a video: which content is at its path, so that nothing that was made of another file counts for it.

Whatever is kept of a video (faces, failures, scores, weights) is kept under its fingerprint. The same video in another
folder has the same one; another video under the same name has another one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

from dfbench.data.file_content import sampled_digest, whole_digest
from dfbench.data.images.archives import archive_listing, archive_of, listed_folder
from dfbench.data.images.sequences import frame_names, is_sequence
from dfbench.data.reading import carried
from dfbench.errors import AbsentError, DataError, LayoutError, MissingVideoError, UnreadableError

ABSENT = ""
UNREADABLE = "unreadable"
DIGITS = 32
SAMPLED_FRAMES = 5
READERS = 16  # threads: files on a server are waited for, not computed on
AT_ONCE = 32  # files of one thread


def fingerprint(path: Path) -> str:
    """32 hex digits that change with the content of a video or mask; ABSENT if it is not there, UNREADABLE if it is there
    and cannot be read.

    Of a file, samples are read (`sampled_digest`), not all of it; of a folder of frames, the names and sizes of all and
    samples of five; a folder in an archive is known by the checksums of all of its frames.
    """
    try:
        return _content(path)[:DIGITS]
    except (MissingVideoError, AbsentError):
        return ABSENT
    except (DataError, OSError, ValueError):
        return UNREADABLE


def fingerprints(paths: Sequence[Path]) -> list[str]:
    """Take the `fingerprint` of each path; returns them in the order of `paths`."""
    if len(paths) <= AT_ONCE:
        return [fingerprint(path) for path in paths]
    parts = [paths[first : first + AT_ONCE] for first in range(0, len(paths), AT_ONCE)]
    taken = carried(lambda part: [*map(fingerprint, part)])
    with ThreadPoolExecutor(READERS, thread_name_prefix="fingerprints") as pool:
        return [one for part in pool.map(taken, parts) for one in part]


def content_digest(path: Path) -> str:
    """SHA-256 (hex) of all bytes of a video: of its file, of the frames of its folder in their order.

    Of a folder in an archive, a digest of all of its frames' checksums. Raises DataError, OSError.
    """
    if (archive := archive_of(path)) is not None:
        return listed_folder(archive, path).content
    return whole_digest(*([path / name for name in frame_names(path)] if is_sequence(path) else [path]))


def list_archives_anew(paths: Iterable[Path]) -> None:
    """Read the archives that `paths` lead through once more, whatever is kept of them. One that is damaged is left out."""
    for archive in {archive for path in paths if (archive := archive_of(path)) is not None}:
        try:
            archive_listing(archive, anew=True)
        except LayoutError:
            continue  # each of its videos is told as such


def _content(path: Path) -> str:
    try:
        return sampled_digest(path)
    except UnreadableError:
        if not is_sequence(path):
            raise
    if (archive := archive_of(path)) is not None:
        return listed_folder(archive, path).content
    names = frame_names(path)
    lines = [f"{name}\t{(path / name).stat().st_size}" for name in names]
    last = len(names) - 1
    sampled = sorted({last * k // (SAMPLED_FRAMES - 1) for k in range(SAMPLED_FRAMES)})
    lines += [sampled_digest(path / names[number]) for number in sampled]
    return sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
