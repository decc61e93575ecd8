"""Child processes that import nothing from the working folder, whoever starts them: see `dfbench.search_path`."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from dfbench.search_path import safe_variables

_LOCK = threading.Lock()
_BODIES = 0
_BEFORE: dict[str, str | None] = {}


def safe_environment() -> dict[str, str]:
    """Copy the environment for a child that imports nothing from the working folder; returns the copy."""
    merged = {**os.environ, **safe_variables(os.environ)}
    return {name: value for name, value in merged.items() if value}


@contextmanager
def safe_children() -> Iterator[None]:
    """Change the environment while the body starts processes, so that they import nothing from the working folder.

    For libraries that start processes by themselves: multiprocessing, its helpers, the workers of a loader. Bodies may
    overlap in several threads; the last to end restores the environment.
    """
    global _BODIES  # noqa: PLW0603 - the environment is one for all threads, and so is the count
    with _LOCK:
        if not _BODIES:
            changed = safe_variables(os.environ)
            _BEFORE.update({name: os.environ.get(name) for name in changed})
            _assign(changed)
        _BODIES += 1
    try:
        yield
    finally:
        with _LOCK:
            _BODIES -= 1
            if not _BODIES:
                _assign(_BEFORE)
                _BEFORE.clear()


def _assign(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if not value:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
