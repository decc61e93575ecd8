"""Markdown that is made of text from outside: every string is escaped, unless it is said to be Markdown of our own."""

from __future__ import annotations

from collections.abc import Sequence

from dfbench.escaping import for_markdown


class Own(str):
    """Markdown of our own making: numbers, marks, words of this program. Nothing from outside is part of it as it is."""

    __slots__ = ()


def written(part: str) -> str:
    """Return `part` as Markdown: as it is if it is our own, otherwise escaped."""
    return part if isinstance(part, Own) else for_markdown(part)


def heading(*parts: str, level: int = 3) -> str:
    """Return a heading of these parts."""
    return f"{'#' * level} {''.join(map(written, parts))}"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[bool]) -> list[str]:
    """Return the lines of a table; `right` says which columns stand at the right of their cells."""
    rules = [Own("--:" if one else "---") for one in right]
    return [f"| {' | '.join(map(written, cells))} |" for cells in (columns, rules, *rows)]


def lines(texts: Sequence[str]) -> list[str]:
    """Return `texts` as lines of one paragraph, each on a line of its own."""
    return [f"{written(text)}  " for text in texts]
