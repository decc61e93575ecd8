"""Two ways to report progress: rich bars on a terminal or log, and silence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dfbench.interfaces import ProgressTask

if TYPE_CHECKING:
    from rich.console import Console


class _SilentTask:
    def advance(self, count: int = 1, note: str = "") -> None:
        """Do nothing."""


class SilentProgress:
    """Shows nothing."""

    @contextmanager
    def task(self, description: str, total: int | None = None) -> Iterator[ProgressTask]:
        """A bar that nobody sees."""
        del description, total
        yield _SilentTask()

    def note(self, message: str) -> None:
        """Print nothing."""


class RichProgress:
    """Rich bars with a rate and a time to go; where there is no terminal, one line when a step ends."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def task(self, description: str, total: int | None = None) -> Iterator[ProgressTask]:
        """A bar for `total` units."""
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("[dim]{task.fields[note]}"),
            console=self._console,
        )
        with bars:
            identity = bars.add_task(description, total=total, rate="", note="")

            class Task:
                def advance(self, count: int = 1, note: str = "") -> None:
                    bars.advance(identity, count)
                    task = bars.tasks[0]
                    rate = f"{task.completed / task.elapsed:.1f}/s" if task.elapsed else ""
                    bars.update(identity, rate=rate, note=note)

            yield Task()

    def note(self, message: str) -> None:
        """Print one line."""
        self._console.print(message)
