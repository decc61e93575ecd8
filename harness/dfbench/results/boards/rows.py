"""The rows of a board: an entry's cells, its section and its notes, and where it stands among the others."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from dfbench.results.boards.board import Cell, Mark, Row, Section
from dfbench.results.boards.choosing import lowest_of, same_videos
from dfbench.results.boards.stored import BoardRun
from dfbench.results.eligibility import is_short, share
from dfbench.results.tables import MEAN

RANKED = "ranked"
UNKNOWN_TRAINING = "training data unknown"
VALIDATION = "on a validation set, which is no test"
OTHER_VIDEOS = "other list of videos"
LOW_COVERAGE = "coverage below {limit}"


def row_of(
    run: BoardRun,
    members: Sequence[BoardRun],
    *,
    tests: Sequence[str],
    manifests: Mapping[str, str],
    min_coverage: float,
    older_hidden: int,
) -> Row:
    """The row of `run`, which stands for the runs `members`, on a board with the tests of these keys."""
    whole = run.whole()
    measured = {str(values["test"]): values for values in whole.to_dict("records")}
    cells = {key: _cell(run, key, measured.get(key)) for key in tests}
    cells[MEAN] = _mean_cell(run, cells, measured.get(MEAN))
    lowest = lowest_of(run)
    notes = [f"{key}: {values['note']}" for key, values in measured.items() if values["note"] and key != MEAN]
    return Row(
        entry=run.entry,
        detector=str(whole["detector"].iloc[0]),
        section=_section(run, manifests, coverage=lowest["coverage"], limit=min_coverage),
        cells=cells,
        coverage=float(lowest["coverage"]),
        scored=int(lowest["n_scored_real"] + lowest["n_scored_fake"]),
        expected=int(lowest["n_real"] + lowest["n_fake"]),
        trained_on=_training_data(run),
        plugins=", ".join(run.plugins),
        older_hidden=older_hidden,
        note="; ".join([*notes, *run.notes]),
        runs=tuple(member.folder.name for member in members),
    )


def sections_of(rows: Iterable[Row], *, min_coverage: float) -> tuple[Section, ...]:
    """Arrange rows in sections; returns those that are not empty, the ranked one first.

    Within a section by mean, entries without a mean last, then by name. Of the ranked section, rows with a mean get a rank,
    and the highest values of each test are marked as the best, if there are several to choose from.
    """
    titles = (RANKED, VALIDATION, UNKNOWN_TRAINING, OTHER_VIDEOS, low_coverage(min_coverage))
    found: dict[str, list[Row]] = {title: [] for title in titles}
    for row in rows:
        found[row.section].append(row)
    ordered = {title: sorted(part, key=_place) for title, part in found.items()}
    ordered[RANKED] = _with_best([_ranked(row, place) for place, row in enumerate(ordered[RANKED], start=1)])
    return tuple(Section(title, title == RANKED, tuple(part)) for title, part in ordered.items() if part)


def low_coverage(limit: float) -> str:
    """The title of the section of entries of which too few videos were scored."""
    return LOW_COVERAGE.format(limit=share(limit))


def _cell(run: BoardRun, key: str, values: Mapping[Any, Any] | None) -> Cell:
    """The cell of the test `key`, of which `values` is the row of the result table, None if it was not tested."""
    if values is None:
        return Cell(blank="not tested", marks=_marks(run))
    cross = None if pd.isna(values["cross_dataset"]) else bool(values["cross_dataset"])
    auc = float(values["auc"])
    lists = run.lists(key)
    return Cell(
        auc,
        float(values["auc_low"]),
        float(values["auc_high"]),
        marks=_marks(run, trained=cross is False, lists=bool(lists)),
        blank=(values["note"] or "not defined") if math.isnan(auc) else "",
        cross=cross,
        lists=lists,
    )


def _mean_cell(run: BoardRun, cells: Mapping[str, Cell], values: Mapping[Any, Any] | None) -> Cell:
    """The mean over all tests, blank if one of them is; of a single test it is its cell."""
    marks = _marks(
        run,
        trained=any(cell.cross is False for cell in cells.values()),
        lists=any(cell.lists for cell in cells.values()),
    )
    if len(cells) == 1:
        (only,) = cells.values()
        return Cell(only.value, only.low, only.high, marks=marks, blank=only.blank)
    if values is None or any(math.isnan(cell.value) for cell in cells.values()):
        return Cell(blank="not every dataset has a value", marks=marks)
    return Cell(float(values["auc"]), float(values["auc_low"]), float(values["auc_high"]), marks=marks)


def _marks(run: BoardRun, *, trained: bool = False, lists: bool = False) -> tuple[Mark, ...]:
    wanted = {Mark.TRAINED: trained, Mark.LISTS: lists, Mark.PLUGINS: bool(run.plugins)}
    return tuple(mark for mark, holds in wanted.items() if holds)


def _section(run: BoardRun, manifests: Mapping[str, str], *, coverage: float, limit: float) -> str:
    if run.record.protocol.purpose != "test":
        return VALIDATION
    if is_short(coverage, limit):
        return low_coverage(limit)
    if not same_videos(run, manifests):
        return OTHER_VIDEOS
    return UNKNOWN_TRAINING if run.training.datasets is None or run.training.unknown else RANKED


def _training_data(run: BoardRun) -> str:
    """What an entry was trained on, with the corpora where they are others than the board's: `ffpp of demo`."""
    training = run.training
    if not training.datasets:
        return "unknown" if training.datasets is None else "nothing"
    unknown, corpora = training.unknown or (), training.corpora
    known = [name for name in training.datasets if name not in unknown]
    what = "+".join([*known, *(["unknown"] if unknown else [])])
    if not known or corpora is None or corpora == (run.corpus,):
        return what
    return f"{what} of {'+'.join(corpora)}"


def _place(row: Row) -> tuple[float, str]:
    return (math.inf if math.isnan(row.mean.value) else -row.mean.value, row.entry)


def _ranked(row: Row, place: int) -> Row:
    return row if math.isnan(row.mean.value) else replace(row, rank=place)


def _with_best(rows: Sequence[Row]) -> list[Row]:
    """`rows` with their best cells marked as such; nobody is the best of one."""
    best: dict[str, float] = {}
    for key in dict.fromkeys(key for row in rows for key in row.cells):
        values = [row.cells[key].value for row in rows if not math.isnan(row.cells[key].value)]
        if len(values) > 1:
            best[key] = max(values)
    return [
        replace(
            row,
            cells={key: replace(cell, best=cell.value == best.get(key)) for key, cell in row.cells.items()},
        )
        for row in rows
    ]
