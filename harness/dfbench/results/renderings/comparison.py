"""A comparison of runs as a table for the terminal and as a figure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dfbench.results.comparing import ComparedPair, conclusions
from dfbench.results.numbers import number
from dfbench.results.plotting import new_figure, save_figure
from dfbench.results.tables import ALL

if TYPE_CHECKING:
    from dfbench.results.terminal import DataTable

_NAME = 90  # letters of a run in a figure
LEGEND = (
    "difference of video AUC on the videos that both scored, first minus second, with 95 % interval over source identities",
    "p: clustered DeLong, two-sided, adjusted for the number of tests, of manipulations or of means (Holm); * told apart at 5 %",
    "detectable: the true difference that such a test finds in 80 of 100 cases",
)


def comparison_table(pairs: Sequence[ComparedPair]) -> DataTable:
    """Return the table of a comparison: a row for each pair of runs in each test, with what follows as its legend."""
    from dfbench.results.terminal import DataTable

    letters = _letters(pairs)
    table = DataTable(
        *("test", "first", "second", "AUC", "AUC", "difference [95 %]", "p", "detectable", "videos"),
        legend=[*(f"{letter}: {name}" for name, letter in letters.items()), *LEGEND],
    )
    for one in pairs:
        found = one.found
        test = found.test if found.manipulation == ALL else f"  {found.manipulation}"
        table.add_row(
            *(test, letters[one.first], letters[one.second], number(found.first), number(found.second)),
            *(_difference(one), _p(one), number(found.smallest), _videos(one)),
        )
    return table


def comparison_figure(pairs: Sequence[ComparedPair], path: Path) -> None:
    """Draw the differences with their intervals to `path`, whose suffix says the format. Raises StoreError."""
    shown, letters = [one for one in pairs if not one.found.blank], _letters(pairs)
    figure = new_figure(8.0, 1.3 + 0.2 * len(letters) + 0.3 * max(1, len(shown)), layout="constrained")
    axes = figure.add_subplot()
    for place, one in enumerate(shown):
        found = one.found.difference
        colour = "tab:blue" if one.told_apart else "tab:gray"
        axes.plot([found.low, found.high], [place, place], color=colour, linewidth=2)
        axes.plot([found.point], [place], "o", color=colour)
    axes.axvline(0.0, color="black", linewidth=0.8)
    axes.set_yticks(range(len(shown)), [_row(one, letters) for one in shown])
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlabel("difference of video AUC with 95 % interval; blue: told apart at 5 % (Holm)")
    named = "\n".join(f"{letter}: {_short(name)}" for name, letter in letters.items())
    axes.set_title(named, loc="left", fontsize="small")
    save_figure(figure, path, dpi=150)


def comparison_text(pairs: Sequence[ComparedPair]) -> list[str]:
    """Return what the comparison shows in words, and why rows are blank."""
    blank = [
        f"{one.found.test}: {one.first} and {one.second}: {one.found.blank}"
        for one in pairs
        if one.found.blank and one.found.manipulation == ALL
    ]
    return [*conclusions(pairs), *blank]


def _letters(pairs: Sequence[ComparedPair]) -> dict[str, str]:
    """A letter for each run, in the order in which they were named."""
    names = dict.fromkeys(name for one in pairs for name in (one.first, one.second))
    return {name: _letter(place) for place, name in enumerate(names)}


def _letter(place: int) -> str:
    """A, B, ... Z, A1, B1, ..."""
    rest, letter = divmod(place, 26)
    return chr(ord("A") + letter) + (str(rest) if rest else "")


def _difference(pair: ComparedPair) -> str:
    found = pair.found.difference
    if math.isnan(found.point):
        return "-"
    return f"{found.point:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"


def _p(pair: ComparedPair) -> str:
    if math.isnan(pair.p_holm):
        return "-"
    told = "< 0.001" if pair.p_holm < 0.001 else f"{pair.p_holm:.3f}"
    return f"{told}{'*' * pair.told_apart}"


def _videos(pair: ComparedPair) -> str:
    found = pair.found
    beside = found.only_first, found.only_second
    return f"{found.videos}" if not any(beside) else f"{found.videos}, alone {beside[0]} and {beside[1]}"


def _row(pair: ComparedPair, letters: Mapping[str, str]) -> str:
    found = pair.found
    test = found.test if found.manipulation == ALL else f"{found.test}, {found.manipulation}"
    return f"{test}: {letters[pair.first]} - {letters[pair.second]}"


def _short(name: str) -> str:
    return name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"
