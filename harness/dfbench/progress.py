"""Two ways to report progress: rich bars on a terminal or log, and silence. All words are escaped for the terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dfbench.escaping import for_terminal
from dfbench.interfaces import ProgressTask
from dfbench.streams import inert_streams

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.progress import Task


LOG_SECONDS = 20.0


class SilentTask:
    """A bar that nobody sees."""

    def advance(self, count: int = 1, note: str = "") -> None:
        """Do nothing."""


class SilentProgress:
    """Shows nothing."""

    @contextmanager
    def task(self, description: str, total: int | None = None) -> Iterator[ProgressTask]:
        """A bar that nobody sees."""
        del description, total
        yield SilentTask()

    def note(self, message: str) -> None:
        """Print nothing."""


class NotingProgress(SilentProgress):
    """Prints notes to standard error, each once, and shows no bars: for commands whose output a script reads."""

    def __init__(self) -> None:
        self._noted: set[str] = set()

    def note(self, message: str) -> None:
        """Print one line; what was said before is not said again."""
        if message not in self._noted:
            self._noted.add(message)
            print(for_terminal(message), file=sys.stderr)


class RichProgress:
    """Rich bars with a rate and a time to go; where there is no terminal, a line now and then and one at the end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._noted: set[str] = set()

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
        from rich.text import Text

        class Bars(Progress):
            def get_renderables(self) -> Iterator[RenderableType]:
                """The bar, and its note below, which would take the room of the numbers beside it."""
                yield from super().get_renderables()
                for task in self.tasks:
                    if task.fields["note"]:
                        yield Text(f"  {task.fields['note']}", style="dim", no_wrap=True, overflow="ellipsis")

        bars = Bars(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=10),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}", markup=False),
            TimeElapsedColumn(),
            TextColumn("·"),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        # Within the bars: what is printed meanwhile is put above them by rich, which reads it as codes of a terminal.
        with bars, inert_streams():
            identity = bars.add_task(for_terminal(description), total=total, rate="", note="")

            console, bar = self._console, bars.tasks[0]

            class Shown:
                told = 0.0  # seconds into the task at the last line of a log

                def advance(self, count: int = 1, note: str = "") -> None:
                    bars.advance(identity, count)
                    elapsed = bar.elapsed or 0.0
                    rate = f"{bar.completed / elapsed:.1f}/s" if elapsed else ""
                    bars.update(identity, rate=rate, note=for_terminal(note))
                    if not console.is_terminal and elapsed >= self.told + LOG_SECONDS:
                        self.told = elapsed
                        left = "" if bar.time_remaining is None else f"{bar.time_remaining:.0f} s left"
                        _print(console, _line(bar, left, note))

            try:
                yield Shown()
            finally:
                if not console.is_terminal:
                    _print(console, _line(bar, f"took {bar.elapsed or 0.0:.1f} s"))

    def note(self, message: str) -> None:
        """Print one line; what was said before is not said again."""
        if message not in self._noted:
            self._noted.add(message)
            _print(self._console, message)


def _print(console: Console, message: str) -> None:
    """Print names of files and plugins as they are, on one line: a path that is cut in two cannot be copied."""
    console.print(for_terminal(message), markup=False, emoji=False, highlight=False, soft_wrap=True)


def _line(bar: Task, time: str, note: str = "") -> str:
    """How far a task is, for a log."""
    total = "" if bar.total is None else f"/{bar.total:.0f}"
    facts = (f"{bar.completed:.0f}{total}", bar.fields["rate"], time)
    return f"{bar.description}: {', '.join(fact for fact in facts if fact)} {note}".rstrip()
