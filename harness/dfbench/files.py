"""Files that are written whole or not at all: under a temporary name beside their path first, then renamed.

A reader, or the next start after `kill -9`, sees the old file or the new one. What is written is not forced onto the disk
(fsync): a machine that loses its power may lose the last files, which are then made again.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from dfbench.errors import StoreError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})  # a quota is full for its user alone
# .NAME.PID.UNIQUE.part, and as they were named before: NAME.UNIQUE.part, .NAME.PID.tmp, NAME.PID.partial
_TEMPORARY = re.compile(
    r"\..+\.(?P<pid>\d+)\.[0-9a-f]{32}\.part|.+\.part|\..+\.tmp|.+\.(?P<old_pid>\d+)\.partial"
)


def write_whole(path: Path, write: Callable[[Path], object], *, hints: Sequence[str] = ()) -> None:
    """Call `write` with a temporary file, then rename that to `path`, so that the file appears whole or not at all.

    `write` receives the path of the temporary file, which does not exist yet; its name is unique and cannot be predicted, so
    nobody can plant a link there. The folder of `path` is created if necessary. If `write` raises, or the process is killed,
    `path` is unchanged. If `path` is a link, the link is replaced and the file behind it stays.

    Raises StoreError with `hints` if the system refuses to write; for a full disk, a hint about that comes first.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        os.replace(temporary, path)  # noqa: PTH105 # the atomic one, by its own name
    except OSError as error:
        raise cannot_write(path, error, hints=hints) from error
    finally:
        with suppress(OSError):  # it has its name now, or the folder itself is what is wrong
            temporary.unlink(missing_ok=True)


def write_text_whole(path: Path, text: str, *, hints: Sequence[str] = ()) -> None:
    """Write `text` to `path` as UTF-8, with its line ends unchanged. Raises StoreError as `write_whole` does."""
    write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8", newline=""), hints=hints)


def cannot_write(path: Path, error: OSError, *, hints: Sequence[str] = ()) -> StoreError:
    """Return what to raise where `path` could not be written: where a disk is full, what helps stands before `hints`."""
    first = f"free some space on the disk that holds {path.parent}" if error.errno in _FULL else ""
    return StoreError(
        f"cannot write {path}: {error.strerror or error}",
        hints=tuple(filter(None, (first, *hints))) or (f"check {path.parent}",),
    )


def leftovers(folder: Path) -> Iterator[Path]:
    """Yield the temporary files in `folder`: their writers are at work, or were killed."""
    for path in folder.glob("*"):
        if _TEMPORARY.fullmatch(path.name):
            yield path


def remove_abandoned(folder: Path) -> None:
    """Delete the temporary files in `folder` whose writers were processes of this machine that have ended.

    For a folder that one machine at a time writes to: half a checkpoint may take gigabytes. What a running process still
    writes stays, and so does what says of no process.
    """
    for path in leftovers(folder):
        found = _TEMPORARY.fullmatch(path.name)
        pid = found and (found["pid"] or found["old_pid"])
        if pid and not _running(int(pid)):
            path.unlink(missing_ok=True)


def _running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # of another user
        return True
    return True
