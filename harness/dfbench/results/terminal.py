r"""What is printed for people, where every word may be data: a path `[id]`, a video `[/x]`, an entry `:smile:`, `\x1b[2J`.

rich reads such words as markup, emoji codes and things to colour, and terminals obey control characters. Here nothing of
that kind is read: strings are printed as they are, with what cannot be seen escaped, and what has a style says so with
`styled`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import IO, Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.style import StyleType
from rich.table import Table
from rich.text import Text

from dfbench.escaping import for_terminal
from dfbench.streams import beneath


class PlainConsole(Console):
    """A console that prints strings as they are, escaped; only its own codes reach the terminal."""

    def __init__(
        self, *, stderr: bool = False, file: IO[str] | None = None, width: int | None = None
    ) -> None:
        file = beneath(file or (sys.stderr if stderr else sys.stdout))
        super().__init__(stderr=stderr, file=file, width=width, markup=False, emoji=False, highlight=False)

    def render_str(self, text: str, **options: Any) -> Text:
        """As rich's, of the escaped text, which is one line: rich itself drops some control characters without a word."""
        return super().render_str(for_terminal(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """As rich's; the words of whatever it renders are escaped."""
        for segment in super().render(renderable, options):
            text = segment.text
            if segment.control is not None or text == "\n" or (text.isascii() and text.isprintable()):
                yield segment  # most are: this is asked once for each level of a table
            else:
                yield Segment(for_terminal(text, lines=True), segment.style)


def plain_console(*, stderr: bool = False, file: IO[str] | None = None, width: int | None = None) -> Console:
    """A console that prints strings as they are, escaped."""
    return PlainConsole(stderr=stderr, file=file, width=width)


def styled(*parts: str | tuple[str, StyleType], style: StyleType = "") -> Text:
    r"""Text with styles, from strings and pairs of string and style, all escaped; a part that is "\n" begins a line."""
    pairs = [(part, "") if isinstance(part, str) else part for part in parts]
    return Text.assemble(
        *((words if words == "\n" else for_terminal(words), one) for words, one in pairs), style=style
    )


class DataTable(Table):
    """Shows data in a rich table; every string is printed literally, with control characters escaped.

    `heading` is the title, `legend` the lines of the caption. A cell is a string, a list of lines, or text made by `styled`.
    """

    def __init__(
        self, *headers: str, heading: str = "", legend: Sequence[str] = (), min_width: int | None = None
    ) -> None:
        lines = [legend] if isinstance(legend, str) else legend
        super().__init__(
            title=Text(for_terminal(heading), style="table.title", justify="center") if heading else None,
            caption=Text("\n".join(map(for_terminal, lines)), style="table.caption") if legend else None,
            caption_justify="left",
            min_width=min_width,
        )
        for header in headers:
            self.data_column(header)

    def add_row(
        self,
        *renderables: RenderableType | Sequence[str] | None,
        style: StyleType | None = None,
        end_section: bool = False,
    ) -> None:
        """Add a row of cells, one per column."""
        super().add_row(*map(_plain, renderables), style=style, end_section=end_section)

    def data_column(
        self,
        header: str,
        *,
        right: bool = False,
        no_wrap: bool = False,
        max_width: int | None = None,
    ) -> None:
        """Add a column. Long cells are wrapped, unless `no_wrap`."""
        self.add_column(
            Text(for_terminal(header)),
            justify="right" if right else "left",
            no_wrap=no_wrap,
            overflow="fold",
            max_width=max_width,
        )


def _plain(cell: RenderableType | Sequence[str] | None) -> RenderableType | None:
    if isinstance(cell, str):
        return Text(for_terminal(cell))
    return Text("\n".join(map(for_terminal, cell))) if isinstance(cell, Sequence) else cell
