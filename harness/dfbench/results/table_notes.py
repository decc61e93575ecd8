"""What a reader of a result table must be told of its rows: missing scores, too few videos, coverage below a limit."""

from __future__ import annotations

import math

import pandas as pd

from dfbench.results.eligibility import is_short, scored_of
from dfbench.results.numbers import number
from dfbench.results.tables import ALL, MEAN


def warnings_of(table: pd.DataFrame) -> list[str]:
    """Collect what a reader of a result table must know of its rows; returns a sentence for each test with a note, and
    one for each of its manipulations that alone has too few videos for a figure."""
    rows = table[table["test"] != MEAN].to_dict("records")
    whole = {(row["entry"], row["test"]): row for row in rows if row["manipulation"] == ALL}
    several = len({row["entry"] for row in rows}) > 1
    sentences = []
    for row in rows:
        total = whole[row["entry"], row["test"]]
        name = f"{row['entry']}, {row['test']}" if several else str(row["test"])
        if row is total and row["note"]:
            bounds = f"AUC {number(row['auc_if_missing_worst'])} to {number(row['auc_if_missing_best'])}"
            known = row["coverage"] < 1 and not math.isnan(row["auc_if_missing_worst"])
            missing = f"; {bounds} had the missing scored worst or best" if known else ""
            sentences.append(f"{name}: {row['note']}{missing}")
        elif math.isnan(row["auc"]) and not math.isnan(total["auc"]):
            sentences.append(f"{name}, {row['manipulation']}: {row['note']}")
    return sentences


def short_of(table: pd.DataFrame, limit: float) -> list[str]:
    """Find the rows of result tables whose coverage is below `limit`; returns each with its counts, by its names."""
    rows = table[table["test"] != MEAN].to_dict("records")
    return [
        f"{row['detector']} on {row['test']}{'' if row['manipulation'] == ALL else ', ' + row['manipulation']}: "
        f"{scored_of(row)} ({row['coverage']:.1%})"
        for row, repeated in zip(rows, repeats_the_whole(table[table["test"] != MEAN]), strict=True)
        if is_short(row["coverage"], limit) and not repeated
    ]


def repeats_the_whole(table: pd.DataFrame) -> list[bool]:
    """Return for each row whether it is the only manipulation of its entry and test, so that it repeats the row of the whole."""
    size = table.groupby(["entry", "test"], sort=False)["manipulation"].transform("size")
    return ((size == 2) & (table["manipulation"] != ALL)).tolist()
