"""One program at a time works on a run: a second one waits, and finds it complete.

The lock is that of the operating system, which lets go of it when a program ends, however it ends. A disk that knows no locks
has none, as before.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dfbench.interfaces import Progress
from dfbench.runs.records.run_file import LOCK, make_folder

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


@contextmanager
def turn_at(folder: Path, progress: Progress) -> Iterator[None]:
    """Hold the turn of this program at the run in `folder`, which is made; waits while another program has it.

    Raises StoreError if the folder cannot be made.
    """
    lock = _taken(folder, progress)
    try:
        yield
    finally:
        if lock is not None:
            with suppress(OSError):  # the run itself may be gone
                (folder / LOCK).unlink()
            os.close(lock)


def _taken(folder: Path, progress: Progress) -> int | None:
    """The open lock file of a run, once it is ours; None where there are no locks."""
    while True:
        make_folder(folder)
        try:
            lock = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        except OSError:  # a folder that may not be written to: writing to it will say so
            return None
        try:
            _wait(lock, folder, progress)
        except OSError:  # no locks on this disk
            os.close(lock)
            return None
        try:
            here = (folder / LOCK).lstat()
            if os.path.samestat(here, os.fstat(lock)):
                return lock
        except FileNotFoundError:
            pass
        os.close(lock)  # who had it before has removed it with the lock held


def _wait(lock: int, folder: Path, progress: Progress) -> None:
    if fcntl is None:
        raise OSError("no locks")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        progress.note(f"another program works on this run: waiting for it to end ({folder})")
        fcntl.flock(lock, fcntl.LOCK_EX)
