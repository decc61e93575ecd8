"""The result table of a run on a terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from dfbench.results.numbers import number, number_with_interval
from dfbench.results.table_notes import repeats_the_whole, warnings_of
from dfbench.results.tables import ALL, INTERVALS, LEVEL, MEAN

if TYPE_CHECKING:
    from rich.table import Table

# Columns of numbers in the terminal, in the order in which they are left out where there is too little room.
_LEFT_OUT = ("real+fake", "bal.acc", "acc", "EER", "AP (chance)", "scored")


def render_table(table: pd.DataFrame, *, width: int = 120) -> Table:
    """Render a result table for a terminal of `width` columns; the caption says what the numbers are.

    Where there is too little room, whole columns are left out, and the caption says so; a number is never cut.
    """
    from rich.measure import Measurement

    from dfbench.results.terminal import plain_console

    console = plain_console(width=10_000)
    shown = _rendered(table, ())
    for count in range(1, len(_LEFT_OUT) + 1):
        if Measurement.get(console, console.options, shown).minimum <= width:
            break
        shown = _rendered(table, _LEFT_OUT[:count])
    return shown


def _rendered(table: pd.DataFrame, left_out: Sequence[str]) -> Table:
    from dfbench.results.terminal import DataTable

    entries = list(dict.fromkeys(table["entry"]))
    title = f"{entries[0]}: {table['protocol'].iloc[0]}" if len(entries) == 1 else "results"
    legend = _caption(table)
    if left_out:
        legend.append(f"left out for want of room: {', '.join(reversed(left_out))}")
    shown = DataTable(heading=title, legend=legend)
    if len(entries) > 1:
        shown.data_column("entry", max_width=24)
    shown.data_column("dataset" if table["test"].equals(table["dataset"]) else "test")
    shown.data_column("manipulation", max_width=18)
    numbers = ("AUC [95 %]", "AP (chance)", "EER", "acc", "bal.acc", "scored", "real+fake")
    for name in numbers:
        if name not in left_out:
            shown.data_column(name, right=True, no_wrap=True)
    single = repeats_the_whole(table)
    for position, row in enumerate(table.to_dict("records")):
        if single[position]:
            continue  # the only manipulation of a dataset repeats its "all" row
        first = row["manipulation"] == ALL
        cells = [str(row["entry"])] if len(entries) > 1 else []
        cells += [str(row["test"]) if first else "", "" if first else str(row["manipulation"])]
        values = (
            number_with_interval(row["auc"], row["auc_low"], row["auc_high"]),
            f"{number(row['ap'])} ({number(row['prevalence'], 2)})",
            number(row["eer"]),
            number(row["accuracy"]),
            number(row["balanced_accuracy"]),
            "-" if math.isnan(row["coverage"]) else f"{row['coverage']:.1%}",
            f"{_count(row, 'real')}+{_count(row, 'fake')}",
        )
        cells += [value for name, value in zip(numbers, values, strict=True) if name not in left_out]
        shown.add_row(*cells, style="bold" if first else "", end_section=_ends_section(table, position))
    return shown


def _caption(table: pd.DataFrame) -> list[str]:
    corpora = ", ".join(sorted(set(table["corpus"])))
    trained = table.loc[table["test"] != MEAN, "cross_dataset"]
    lines = [
        f"corpus: {corpora} · level: {LEVEL} · 95 % intervals: {INTERVALS}",
        "accuracy at the fixed threshold 0.5 · chance of AP = share of fakes · EER on the interpolated ROC curve",
    ]
    lines += [f"warning: {sentence}" for sentence in warnings_of(table)]
    if trained.isna().any():
        lines.append("training data unknown: no result here counts as cross-dataset")
    elif not trained.all():
        inside = sorted(set(table.loc[table["cross_dataset"].eq(False) & (table["test"] != MEAN), "dataset"]))
        lines.append(f"not cross-dataset, trained on it: {', '.join(inside)}")
    if MEAN not in set(table["test"]) and table.loc[table["manipulation"] == ALL, "auc"].isna().any():
        lines.append("no mean: not every dataset has a figure")
    return lines


def _count(row: Mapping[Any, Any], label: str) -> str:
    """Scored beside expected videos of a label; one number where they are equal."""
    scored, expected = row[f"n_scored_{label}"], row[f"n_{label}"]
    return f"{expected}" if scored == expected else f"{scored}/{expected}"


def _ends_section(table: pd.DataFrame, position: int) -> bool:
    if position + 1 == len(table):
        return False
    here, following = table.iloc[position], table.iloc[position + 1]
    return bool(here["entry"] != following["entry"] or following["test"] == MEAN)
