"""Several runs of one command in one table on a terminal: a row for each, a column for each test."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from dfbench.results.numbers import number_with_interval
from dfbench.results.tables import ALL, INTERVALS, LEVEL

if TYPE_CHECKING:
    import pandas as pd

    from dfbench.results.terminal import DataTable


def side_by_side(table: pd.DataFrame) -> DataTable:
    """Return a table with the AUC of each entry in each test as a whole, and its coverage; `table` holds the rows of all runs."""
    from dfbench.results.terminal import DataTable

    whole = table[table["manipulation"] == ALL]
    tests = list(dict.fromkeys(whole["test"]))
    shown = DataTable(
        heading=f"side by side: {table['protocol'].iloc[0]}",
        legend=[f"AUC, level: {LEVEL} · 95 % intervals: {INTERVALS}", "scored: the least share of any test"],
    )
    shown.data_column("entry", max_width=40)
    for name in (*tests, "scored"):
        shown.data_column(name, right=True, no_wrap=True)
    for entry, rows in whole.groupby("entry", sort=False):
        by_test = {row["test"]: row for row in rows.to_dict("records")}
        cells = [
            number_with_interval(row["auc"], row["auc_low"], row["auc_high"])
            if (row := by_test.get(test))
            else "-"
            for test in tests
        ]
        least = rows["coverage"].min()
        shown.add_row(str(entry), *cells, f"{least:.1%}" if not math.isnan(least) else "-")
    return shown
