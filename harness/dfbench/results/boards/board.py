"""A leaderboard as data: entries in sections, a cell for each test, and the sentences below.

Everything that a reader sees is decided when the board is built, once. The formats in `dfbench.results.renderings` only
write it down, each in its own way.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from dfbench.results.tables import LEVEL, MEAN


class Mark(StrEnum):
    """What stands behind a figure that needs a word of explanation, which is in the captions."""

    TRAINED = "\u2020"  # the entry was trained on the dataset that is tested
    LISTS = "\u2021"  # the lists of the dataset are not as they were published
    PLUGINS = "\u00a7"  # plugins took part that are not part of dfbench


@dataclass(frozen=True, slots=True)
class Cell:
    """The figure of an entry in a test, or its mean over all tests: video AUC with a 95 % interval.

    `value`, `low` and `high` are NaN in a blank cell, and `blank` then says why. `best`: no ranked entry has a higher value,
    and there are several. `cross`: the entry was not trained on the dataset; None if that is unknown, or not asked, as of a
    mean. `lists`: how the lists of the dataset differ from what was published, "" if they do not.
    """

    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    best: bool = False
    marks: tuple[Mark, ...] = ()
    blank: str = ""
    cross: bool | None = None
    lists: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A test of the protocol. `key` names it in tables and files, `title` is what readers see."""

    key: str
    title: str


MEAN_COLUMN = Column(MEAN, MEAN)  # of the mean over all tests


@dataclass(frozen=True, slots=True)
class Row:
    """An entry. `cells` are by the keys of the tests and "mean".

    `rank` is None if it has none. `coverage`, `scored` and `expected` (videos) are those of the test of which the smallest
    share was scored. `plugins` are those of others that took part; `older_hidden` counts the other runs of the same entry;
    `runs` are the folders of the runs that the row stands for, several if seeds are pooled.
    """

    entry: str
    detector: str
    section: str
    cells: Mapping[str, Cell]
    coverage: float
    scored: int
    expected: int
    trained_on: str
    plugins: str
    older_hidden: int
    note: str
    runs: tuple[str, ...]
    rank: int | None = None

    @property
    def mean(self) -> Cell:
        """The cell of the mean over all tests."""
        return self.cells[MEAN]

    @property
    def scored_words(self) -> str:
        """The share of the expected videos that was scored, behind the counts unless it is all: `40/41 97.6%`."""
        shown = "-" if math.isnan(self.coverage) else f"{self.coverage:.1%}"
        return shown if self.scored == self.expected else f"{self.scored}/{self.expected} {shown}"


@dataclass(frozen=True, slots=True)
class Section:
    """Rows that belong together, best first. The title of one that is not `ranked` says why."""

    title: str
    ranked: bool
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Board:
    """Holds the leaderboard of a protocol on a corpus.

    `tests` are its columns in order, without the mean. The ranked one of the `sections` comes first; no section is empty.
    `captions` are the lines below the table. `left_out` has a sentence for each run that could not be used; it may name
    folders of this machine. `over_seeds`: entries that differ only in their seed share a row. `min_coverage` is the smallest
    share of the expected videos with which an entry is ranked.
    """

    protocol: str
    corpus: str
    tests: tuple[Column, ...]
    sections: tuple[Section, ...]
    captions: tuple[str, ...]
    left_out: tuple[str, ...]
    over_seeds: bool
    min_coverage: float
    level: str = LEVEL

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows of all sections, in the order in which they are shown."""
        return tuple(row for section in self.sections for row in section.rows)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns that are shown: the tests, and behind several of them their mean."""
        return (*self.tests, MEAN_COLUMN) if len(self.tests) > 1 else self.tests
