"""A plugin that keeps everybody waiting is named after a few seconds. It is not ended: it may have a reason."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dfbench.escaping import for_terminal

LOG = logging.getLogger(__name__)
SLOW_SECONDS = 5.0
TICK_SECONDS = 0.5
_NUMBERS = itertools.count()
# What is waited for: since when, when to speak next (both monotonic), and in words. No lock: a fork may happen at any time.
_ACTIVE: dict[int, tuple[float, float, Callable[[], str]]] = {}
_THREADS: list[threading.Thread] = []


@contextmanager
def named_if_slow(what: Callable[[], str], *, patience: float = 1) -> Iterator[None]:
    """Run the body; while it lasts, say what is waited for after 5 seconds, and again after four times as long each time.

    With `patience`, after so many times 5 seconds.
    """
    now = time.monotonic()
    number = next(_NUMBERS)
    _ACTIVE[number] = (now, now + patience * SLOW_SECONDS, what)
    if not _THREADS or not _THREADS[-1].is_alive():
        _THREADS[:] = [threading.Thread(target=_watch, name="dfbench-waiting", daemon=True)]
        _THREADS[0].start()
    try:
        yield
    finally:
        _ACTIVE.pop(number, None)


def _watch() -> None:
    while True:
        time.sleep(TICK_SECONDS)
        speak(time.monotonic())


def speak(now: float) -> None:
    """Say what has been waited for long enough at the time `now`."""
    for number, (since, due, what) in list(_ACTIVE.items()):
        if now >= due and number in _ACTIVE:
            _ACTIVE[number] = (since, since + 4 * (due - since), what)
            told = for_terminal(what())
            LOG.warning("still waiting for %s: %.0f s so far; Ctrl-C ends the command", told, now - since)
