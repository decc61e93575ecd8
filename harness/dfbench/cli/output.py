"""Where commands print: people read standard error's bars and standard output's tables, scripts read JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typer.core import TyperGroup

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from dfbench.progress import RichProgress


class WholeSummaries(TyperGroup):
    """A group of commands whose help says what each does in a whole sentence, on several lines where there is little room."""

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


def console() -> Console:
    """Standard output; at least 120 columns where nobody says how wide it is, so that tables fit."""
    from dfbench.results.terminal import plain_console

    found = plain_console()
    return found if found.is_terminal else plain_console(width=max(found.width, 130))


def print_table(table: Table) -> None:
    """Print a table to standard output; where that is too narrow for its numbers, its lines are longer than it."""
    from rich.measure import Measurement

    from dfbench.results.terminal import plain_console

    found = console()
    least = Measurement.get(found, found.options.update(max_width=10_000), table).minimum
    plain_console(width=max(found.width, least)).print(table, soft_wrap=least > found.width)


def progress() -> RichProgress:
    """Bars on standard error."""
    from dfbench.progress import RichProgress
    from dfbench.results.terminal import plain_console

    return RichProgress(plain_console(stderr=True))
