"""The lines below a board: what its numbers and marks mean, and what a reader must know of its entries."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from dfbench.data.datasets.leakage import LEAK
from dfbench.results.boards.board import Column, Mark, Row
from dfbench.results.checked import OTHER_CODE
from dfbench.results.eligibility import NONE_SCORED, TOO_FEW
from dfbench.results.numbers import number_with_interval
from dfbench.results.tables import CONSTANT, INTERVALS
from dfbench.runs.records.verification import NO_MANIFEST

EMPTY = "no complete run of this protocol on this corpus"
UNCHECKED = (NO_MANIFEST, OTHER_CODE)  # notes that one line tells of all their entries
AT_CHANCE = 0.5
METADATA = "metadata"  # the name of the detector that reads the heads of files and sees no pixel
WARNED_OF = (CONSTANT, LEAK, TOO_FEW, *NONE_SCORED)


def captions_of(rows: Sequence[Row], tests: Sequence[Column], *, over_seeds: bool) -> tuple[str, ...]:
    """The lines below a board of these rows, without those on runs that were left out."""
    numbers = list(_numbers(over_seeds=over_seeds)) if rows else [EMPTY]
    return (*numbers, *_marks(rows, tests), *_given_away(rows, tests), *_entries(rows))


def _numbers(*, over_seeds: bool) -> Iterator[str]:
    yield f"95 % intervals: {INTERVALS} \u00b7 * best of its column"
    if over_seeds:
        yield "rows of several seeds: mean of their AUCs; interval over identities and seeds (Student's t)"
    yield "scored: share of the expected videos, of the dataset where it is lowest; expected: as published, else as listed"


def _marks(rows: Sequence[Row], tests: Sequence[Column]) -> Iterator[str]:
    if any(row.cells[test.key].cross is False for row in rows for test in tests):
        yield f"{Mark.TRAINED} trained on this dataset: not a cross-dataset result"
    for test in tests:
        for words in dict.fromkeys(row.cells[test.key].lists for row in rows):
            if words:
                yield f"{Mark.LISTS} {test.title}: {words}"
    if others := list(filter(None, dict.fromkeys(row.plugins for row in rows))):
        yield f"{Mark.PLUGINS} by plugins that are not part of dfbench: {'; '.join(others)}"


def _given_away(rows: Sequence[Row], tests: Sequence[Column]) -> Iterator[str]:
    """Warn of each test whose labels show in its files, so that a detector need not see a face to be right."""
    for row in rows:
        for test in tests if row.detector == METADATA else ():
            cell = row.cells[test.key]
            if cell.low > AT_CHANCE or cell.high < AT_CHANCE:
                shown = number_with_interval(cell.value, cell.low, cell.high)
                yield f"warning: {test.title}: its files give labels away: {row.entry}, which sees no pixel, has {shown}"


def _entries(rows: Sequence[Row]) -> Iterator[str]:
    if any(math.isnan(row.mean.value) for row in rows):
        yield "no mean, no rank: not every dataset has a value"
    for row in rows:
        if any(words in row.note for words in WARNED_OF):
            yield f"warning: {row.entry}: {row.note}"
    for note in UNCHECKED:
        if entries := [row.entry for row in rows if note in row.note]:
            yield f"{note}: {', '.join(entries)}"
    for row in rows:
        if row.older_hidden:
            yield f"{row.entry}: other runs hidden: {row.older_hidden}"
