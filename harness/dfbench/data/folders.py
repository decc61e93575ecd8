"""Whether a folder can be used: disks are unmounted, shares go stale, and `Path.is_dir` raises where it may not look.

And whether it lies where it should: names come out of files that strangers made, and links out of their archives. What makes
a folder below a root of dfbench's makes it with `make_below`.
"""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from dfbench.errors import StoreError
from dfbench.names import shown
from dfbench.text import storable

ABSENT = "no such folder"


def folder_fault(path: Path) -> str:
    """Return why the folder `path` cannot be used, or "" if it can.

    The reason is `ABSENT`, "a file, not a folder", or the message of the system: no permission, a name that is too long, a
    disk that does not respond.
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


def below(root: Path, *names: str) -> Path:
    """Join `names`, each the name of one folder or file, to `root`, and return the path, which lies below `root`.

    The disk is not accessed. Raises StoreError for a name that could lead elsewhere: "..", "a/b", "/a", "", or one with a null
    byte.
    """
    for name in names:
        if name in ("", ".", "..") or any(sign in name for sign in "/\\\0"):
            raise StoreError(
                f"{shown(name)} is no name of a single folder or file, and may not be used below {root}",
                hints=("correct the file that names it",),
            )
    return root.joinpath(*names)


def require_below(root: Path, path: Path) -> Path:
    """Return `path` if it is `root` or lies below it after all links are followed. It need not exist.

    `root` itself may be a link to anywhere. Raises StoreError if `path` lies elsewhere.
    """
    try:
        inside = ".." not in path.relative_to(root).parts and path.resolve().is_relative_to(root.resolve())
    except (ValueError, OSError, RuntimeError):  # beside the root, a null byte, links in a circle
        inside = False
    if not inside:
        raise StoreError(
            f"{storable(str(path))} does not lie below {storable(str(root))}, by its name or by a link on the way",
            hints=(f"remove the link; {storable(str(root))} itself may be one",),
        )
    return path


def make_below(root: Path, folder: Path) -> Path:
    """Make `folder`, which lies below `root`, and the folders above it, if they are not there; returns it.

    Raises StoreError if it lies elsewhere, as `require_below`, and OSError if it cannot be made.
    """
    require_below(root, folder).mkdir(parents=True, exist_ok=True)
    return folder
