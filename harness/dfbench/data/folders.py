"""Whether a folder can be used: disks are unmounted, shares go stale, and `Path.is_dir` raises where it may not look."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from dfbench.text import storable

ABSENT = "no such folder"


def folder_fault(path: Path) -> str:
    """Why nothing in the folder `path` can be used, "" if nothing speaks against it.

    `ABSENT`, "a file, not a folder", or what the system says: no permission, too long a name, a disk that does not answer.
    """
    try:
        if not stat.S_ISDIR(path.stat().st_mode):
            return "a file, not a folder"
        (path / "..").stat()  # refused where the folder may not be entered, unlike the folder itself
    except (FileNotFoundError, NotADirectoryError):
        return ABSENT
    except OSError as error:
        return error.strerror or type(error).__name__
    except ValueError:
        return "no name of a folder"  # it holds a null byte
    return ""


def unmakeable(path: Path) -> str:
    """Say why the folder `path` is not there and cannot be made; returns "" if it is, or can.

    Whether a folder that is there may be written to is not looked at. Nothing is left behind.
    """
    for place in (path, *path.absolute().parents):
        fault = folder_fault(place)
        if fault == ABSENT and not os.path.islink(place):  # noqa: PTH114 # Path raises where it may not look
            continue
        if fault or place == path:
            return f"{storable(str(place))}: {fault}" if fault else ""
        return unwritable(place)
    return ""


def unwritable(path: Path) -> str:
    """Say why nothing can be put in the folder `path`, or why it cannot be made; returns "" if it can. Nothing is left behind."""
    if fault := unmakeable(path):
        return fault
    if folder_fault(path) == ABSENT:
        return ""
    try:
        Path(tempfile.mkdtemp(prefix=".dfbench-", dir=path)).rmdir()
    except OSError as error:
        return f"{storable(str(path))}: {error.strerror or error}"
    return ""
