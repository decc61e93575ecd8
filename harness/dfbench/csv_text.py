"""Tables as CSV, in which text is shown by a spreadsheet and never computed; numbers stay numbers, `-1.3` too."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dfbench.escaping import for_csv

if TYPE_CHECKING:
    import pandas as pd


_NUMBERS = "biufcmM"  # the kinds of numpy's types that hold no text: truth values, numbers, times


def csv_of(table: pd.DataFrame) -> str:
    """Return a table as CSV, without its index; column names and text cells are escaped.

    A text that begins like a formula gets a `'` before it, and control characters are written as in `dfbench.escaping`.
    Whoever needs the original text reads the Parquet or JSON file beside it.
    """
    shown = table.copy(deep=False)
    for place, kind in enumerate(table.dtypes):
        if kind.kind not in _NUMBERS:  # text, and what may hold some: objects and categories
            shown.isetitem(place, [_inert(value) for value in table.iloc[:, place]])
    shown.columns = [for_csv(name) for name in table.columns]
    return shown.to_csv(index=False, lineterminator="\n")


def csv_of_rows(rows: Sequence[Mapping[str, object]]) -> str:
    """Return rows as CSV, a column for each name in order of appearance; a value that a row lacks is empty."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(for_csv, names))
    for row in rows:
        writer.writerow([_inert(row.get(name, "")) for name in names])
    return text.getvalue()


def _inert(value: Any) -> Any:
    return for_csv(value) if isinstance(value, str) else value
