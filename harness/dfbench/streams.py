"""Standard output and error, on which nothing that is printed can steer the terminal, whoever prints it.

dfbench's own lines are escaped where they are made. This is the net below: pages of the command line's library, warnings,
tracebacks, logs, and what plugins and libraries print. Tables and bars, which need a terminal's codes, reach the stream
beneath it; their console escapes every word itself (`dfbench.results.terminal`).
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, TextIO, cast

from dfbench.escaping import for_terminal


class InertStream(io.TextIOBase):
    """Writes to the text stream `beneath` it, everything but line ends and tabs escaped.

    It says that it is no terminal, so that libraries do not send it colours, which would be shown escaped.
    """

    def __init__(self, beneath: TextIO) -> None:
        self.beneath = beneath

    def write(self, text: str, /) -> int:
        """Write `text` escaped; returns its length."""
        if not isinstance(text, str):  # some try bytes to see what kind of stream it is
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self.beneath.write(for_terminal(text, lines=True))
        return len(text)

    def writable(self) -> bool:
        """True."""
        return True

    def isatty(self) -> bool:
        """False, whatever is beneath."""
        return False

    def flush(self) -> None:
        """Flush the stream beneath."""
        self.beneath.flush()

    def fileno(self) -> int:
        """The file descriptor of the stream beneath."""
        return self.beneath.fileno()

    def close(self) -> None:
        """Do nothing: the stream beneath belongs to the interpreter."""

    @property
    def encoding(self) -> str:  # type: ignore[override] # a plain attribute in typeshed
        """That of the stream beneath."""
        return self.beneath.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        """That of the stream beneath."""
        return self.beneath.errors

    def __getattr__(self, name: str) -> Any:
        return getattr(self.beneath, name)  # `buffer`, `reconfigure`, ...


@contextmanager
def inert_streams() -> Iterator[None]:
    """Have `sys.stdout` and `sys.stderr` escape what is written to them, for the time of the context."""
    before = sys.stdout, sys.stderr
    # None where a program has no terminal at all, such as a service of Windows.
    sys.stdout, sys.stderr = (
        one if one is None or isinstance(one, InertStream) else cast("TextIO", InertStream(one))
        for one in before
    )
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def beneath(stream: IO[str]) -> IO[str]:
    """The stream below all that escapes or redirects it, for who escapes every word itself."""
    while True:
        lower = (
            stream.beneath if isinstance(stream, InertStream) else getattr(stream, "rich_proxied_file", None)
        )
        if lower is None:
            return stream
        stream = lower
