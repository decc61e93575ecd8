"""Where commands print: people read standard error's bars and standard output's tables, scripts read JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from dfbench.progress import RichProgress


def console() -> Console:
    """Standard output; at least 120 columns where nobody says how wide it is, so that tables fit."""
    from dfbench.results.terminal import plain_console

    found = plain_console()
    return found if found.is_terminal else plain_console(width=max(found.width, 130))


def progress() -> RichProgress:
    """Bars on standard error."""
    from dfbench.progress import RichProgress
    from dfbench.results.terminal import plain_console

    return RichProgress(plain_console(stderr=True))
