"""What is printed for people, where every word may be data: a path `[id]`, a video `[/x]`, an entry `:smile:`.

rich reads such words as markup, emoji codes and things to colour. Here nothing of that kind is read: strings are printed
as they are, and what has a style says so with `rich.text.Text`.
"""

from __future__ import annotations

from typing import IO

from rich.console import Console, RenderableType
from rich.style import StyleType
from rich.table import Table
from rich.text import Text


def plain_console(*, stderr: bool = False, file: IO[str] | None = None, width: int | None = None) -> Console:
    """A console that prints strings as they are."""
    return Console(stderr=stderr, file=file, width=width, markup=False, emoji=False, highlight=False)


class DataTable(Table):
    """A rich table of which every string is data, printed as it is by any console.

    `heading` and `legend` are its title and caption; cells that have a style are `rich.text.Text`.
    """

    def __init__(
        self, *headers: str, heading: str = "", legend: str = "", min_width: int | None = None
    ) -> None:
        super().__init__(
            title=Text(heading, style="table.title", justify="center") if heading else None,
            caption=Text(legend, style="table.caption") if legend else None,
            caption_justify="left",
            min_width=min_width,
        )
        for header in headers:
            self.data_column(header)

    def add_row(
        self, *renderables: RenderableType | None, style: StyleType | None = None, end_section: bool = False
    ) -> None:
        """Add a row of cells."""
        super().add_row(*map(_plain, renderables), style=style, end_section=end_section)

    def data_column(
        self,
        header: str,
        *,
        right: bool = False,
        no_wrap: bool = False,
        max_width: int | None = None,
    ) -> None:
        """Add a column; its cells are folded where they are too long, unless `no_wrap`."""
        self.add_column(
            Text(header),
            justify="right" if right else "left",
            no_wrap=no_wrap,
            overflow="fold",
            max_width=max_width,
        )


def _plain(cell: RenderableType | None) -> RenderableType | None:
    return Text(cell) if isinstance(cell, str) else cell
