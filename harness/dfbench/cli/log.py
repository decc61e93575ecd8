"""What commands say while they run: which settings file they obey, and which plugin changes or keeps what is not its own."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from dfbench.cli.output import say
from dfbench.errors import UntrustedSettingError
from dfbench.escaping import for_terminal
from dfbench.streams import beneath
from dfbench.trust import TRUST

LOG = logging.getLogger("dfbench")


class _Once(logging.Handler):
    """Prints each message to standard error, and no message twice."""

    def __init__(self) -> None:
        super().__init__()
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Print what was not printed before."""
        message = record.getMessage()
        if message not in self._said:
            self._said.add(message)
            warning = record.levelno >= logging.WARNING
            say(f"warning: {message}" if warning else message, error=True)


@contextmanager
def log_shown(*, trust: bool) -> Iterator[None]:
    """Show dfbench's log during the body, each line once; with `trust`, obey the scheduler of a settings file, too."""
    handler, before = _Once(), os.environ.get(TRUST)
    level, propagate = LOG.level, LOG.propagate
    LOG.addHandler(handler)
    LOG.setLevel(logging.INFO)
    LOG.propagate = False  # a plugin or library that sets logging up would show it a second time
    if trust:
        os.environ[TRUST] = "1"
    try:
        yield
    finally:
        LOG.removeHandler(handler)
        LOG.setLevel(level)
        LOG.propagate = propagate
        os.environ.pop(TRUST, None)
        if before is not None:
            os.environ[TRUST] = before


def agreed(error: UntrustedSettingError) -> bool:
    """Ask at a terminal whether to obey all the same; returns the answer, and False where nobody can be asked."""
    if not at_terminal():
        return False
    if not typer.confirm(for_terminal(f"{error.message}. Use it?"), err=True):
        return False
    os.environ[TRUST] = "1"  # until the command ends, and for the processes that it starts
    return True


def at_terminal() -> bool:
    """Whether somebody can read a question and answer it."""
    streams = sys.stdin, sys.stderr
    return all(one is not None and beneath(one).isatty() for one in streams)
