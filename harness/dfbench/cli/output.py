"""Where commands print: people read standard error's bars and standard output's tables, scripts read JSON.

A command prints through these functions alone, so that whatever stands in a name is shown and not obeyed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from dfbench.escaping import for_terminal

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from dfbench.progress import RichProgress


# typer has a copy of click of its own or not, by its version; this is the one that it raises.
_ClickError: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")


class WholeSummaries(TyperGroup):
    """A group of commands whose help says what each does in a whole sentence, on several lines where there is little room,
    and whose complaints show what was typed escaped: click itself would drop some of it."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        """As typer's."""
        try:
            return super().make_context(*arguments, **options)
        except _ClickError as error:
            error.message = for_terminal(error.message)
            raise

    def invoke(self, ctx: Any) -> Any:
        """As typer's."""
        try:
            return super().invoke(ctx)
        except _ClickError as error:
            error.message = for_terminal(error.message)
            raise

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # typer's click, or click's own
        """List the commands, each with the first sentence of its help."""
        rows = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(
                [
                    (name, command.get_short_help_str(limit=1000))
                    for name, command in rows
                    if command is not None and not command.hidden
                ]
            )


def say(*fields: object, error: bool = False) -> None:
    """Print one line to standard output (`error`: to standard error): the `fields`, separated by tabs and escaped."""
    print("\t".join(map(for_terminal, fields)), file=sys.stderr if error else sys.stdout, flush=True)


def say_block(text: str, *, indent: str = "", error: bool = False) -> None:
    """Print each line of a text of several lines, such as a traceback, behind `indent`."""
    for line in text.splitlines():
        say(f"{indent}{line}", error=error)


def say_lines(lines: Iterable[str]) -> None:
    """Print lines to standard output."""
    for line in lines:
        say(line)


def say_json(content: object, *, indent: int | None = 1) -> None:
    """Print `content` as JSON in ASCII, which every program reads and no terminal obeys."""
    print(json.dumps(content, indent=indent), flush=True)


def console() -> Console:
    """Standard output; at least 120 columns where nobody says how wide it is, so that tables fit."""
    from dfbench.results.terminal import plain_console

    found = plain_console()
    return found if found.is_terminal else plain_console(width=max(found.width, 130))


def print_table(table: Table) -> None:
    """Print a table to standard output. If the terminal is too narrow for its numbers, lines are longer than the terminal."""
    from rich.measure import Measurement

    from dfbench.results.terminal import plain_console

    found = console()
    least = Measurement.get(found, found.options.update(max_width=10_000), table).minimum
    plain_console(width=max(found.width, least)).print(table, soft_wrap=least > found.width)


def progress_bars() -> RichProgress:
    """Return a `Progress` whose bars and notes go to standard error."""
    from dfbench.progress import RichProgress
    from dfbench.results.terminal import plain_console

    return RichProgress(plain_console(stderr=True))
