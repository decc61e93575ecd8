"""How files of data sets are read, where that is a choice of the user: nothing in `dfbench.data` reads settings.

Who reads them says it once by `read_by`, for all that runs in the same context. Threads, processes and other machines get it
with their work: `carried` for a thread, `reading` and `reading_as` for what is sent away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")


@dataclass(frozen=True, slots=True)
class Reading:
    """What a user chose of how files are read.

    `archive_lists`: the folder that keeps the lists of archives; None keeps them in memory alone. `follow_links`: in folders
    that are searched, links to folders outside of the data set's root are followed.
    """

    archive_lists: Path | None = None
    follow_links: bool = False


_CHOSEN: ContextVar[Reading] = ContextVar("reading", default=Reading())  # noqa: B039 # it is frozen


def reading() -> Reading:
    """Return how files are read in this context."""
    return _CHOSEN.get()


def read_by(chosen: Reading) -> None:
    """Have files read as `chosen` says, from now on in this context."""
    _CHOSEN.set(chosen)


@contextmanager
def reading_as(chosen: Reading) -> Iterator[None]:
    """Have files read as `chosen` says within the body, wherever that came from."""
    before = _CHOSEN.set(chosen)
    try:
        yield
    finally:
        _CHOSEN.reset(before)


def carried(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Return `function` for another thread, in which it reads files as they are read here."""
    here = reading()

    @wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        with reading_as(here):
            return function(*args, **kwargs)

    return call


def follow_links() -> bool:
    """Return True if the user allows links from a dataset's root to folders outside of it."""
    return reading().follow_links
