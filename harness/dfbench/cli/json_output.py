"""Standard output of `--json`: what the command writes, and nothing that a plugin, a library or one of their children prints."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO, cast


@contextmanager
def standard_output_kept() -> Iterator[None]:
    """Write to the standard output alone during the body; everything else that is written to its descriptor, from C or by a
    child, goes to standard error."""
    if sys.stdout is None or sys.stdout is not sys.__stdout__:  # or that of a program that collects it
        yield
        return
    stream = cast("TextIO", sys.stdout)
    stream.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    own = open(kept, "w", encoding=stream.encoding, errors=stream.errors)  # noqa: PTH123, SIM115 - a descriptor, closed below
    sys.stdout = own
    try:
        yield
    finally:
        sys.stdout = stream
        with suppress(OSError):  # nobody reads it any more: who wrote was told, as every line is flushed
            own.flush()
        stream.flush()  # what was printed to it went to standard error
        os.dup2(kept, 1)
        with suppress(OSError):
            own.close()
