"""Whether a folder can be used: disks are unmounted, shares go stale, and `Path.is_dir` raises where it may not look."""

from __future__ import annotations

import stat
from pathlib import Path

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
