"""Whether the figures of a demo lie where those of other machines, numbers of threads and seeds lie.

The corpora are the same everywhere, but sums in float32 are not, and training carries what they differ by into its weights.
`measured.csv` holds what was measured, one row a run.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dfbench_plugins.demo.layouts import GENERATOR

if TYPE_CHECKING:
    import pandas as pd

MEASURED = Path(__file__).with_name("measured.csv")
PROTOCOL = "cross-dataset"
COLUMNS = ("celeb_df_v2", "dfdc", "dfd", "mean")  # of a board, and of what was measured
FEWEST = 3  # degrees of freedom of a spread
SURE = 0.99  # share of further runs that lie inside


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure (video AUC) of `entry` beside what `runs` measured runs let one expect; `low` and `high` are its limits."""

    entry: str
    column: str
    value: float
    low: float
    high: float
    runs: int

    @property
    def inside(self) -> bool:
        """True if the figure is one to expect. Limits and figure are rounded to the three digits that are shown."""
        return round(self.low, 3) <= round(self.value, 3) <= round(self.high, 3)


def read_measured(path: Path = MEASURED, *, generator: str = GENERATOR) -> pd.DataFrame:
    """Return the measured runs on the corpora of `generator`: machine, threads, entry, detector and COLUMNS."""
    import pandas as pd

    table = pd.read_csv(path, dtype={"generator": str})
    return table[table["generator"] == generator].reset_index(drop=True)


def compare(board: pd.DataFrame, measured: pd.DataFrame) -> list[Comparison]:
    """Compare each entry of `board` (from `dfbench.leaderboard`) with the measured runs of its detector.

    How far runs of one detector lie apart is taken from all detectors together: three runs alone would say next to nothing. A
    detector that was not measured, and a figure that is not there, are left out; all are if the spread rests on too few runs.
    """
    found = []
    for row in board.to_dict("records"):
        runs = measured[measured["detector"] == row["detector"]]
        for column in COLUMNS if len(runs) else ():
            value = float(row.get(column, float("nan")))
            others = [part.tolist() for _, part in measured.groupby("detector")[column]]
            if not math.isnan(value) and sum(len(part) - 1 for part in others) >= FEWEST:
                low, high = expected(runs[column].tolist(), others)
                found.append(Comparison(str(row["entry"]), column, value, low, high, len(runs)))
    return found


def expected(values: list[float], groups: list[list[float]]) -> tuple[float, float]:
    """Return the limits within which one run beside `values` lies with a probability of SURE, if runs are spread normally.

    `groups`: the values of all detectors, whose spread within a detector is taken as one. Source: the prediction interval of
    Student's t with a pooled variance; Hahn & Meeker 1991, section 4.7.
    """
    import numpy as np
    from scipy.stats import t

    freedom = sum(len(group) - 1 for group in groups)
    variance = (
        sum((len(group) - 1) * float(np.var(group, ddof=1)) for group in groups if len(group) > 1) / freedom
    )
    reach = float(t.ppf(0.5 + SURE / 2, freedom)) * math.sqrt(variance * (1 + 1 / len(values)))
    middle = float(np.mean(values))
    return max(0.0, middle - reach), min(1.0, middle + reach)


def told(comparisons: list[Comparison]) -> list[str]:
    """Say in lines whether the figures are those to expect."""
    if not comparisons:
        return [
            f"no figures to compare with: too few runs on demo corpora of generator {GENERATOR} were measured"
        ]
    lines = [
        f"{one.entry}: {one.column} {one.value:.3f}, expected {one.low:.3f} to {one.high:.3f}"
        f"{'' if one.inside else ' - OUTSIDE'}"
        for one in comparisons
    ]
    outside = sum(not one.inside for one in comparisons)
    if outside:
        return [
            *lines,
            f"{outside} of {len(comparisons)} figures lie outside of what machines, threads and seeds explain "
            f"(each should with a probability of {1 - SURE:.0%}):",
            "  was it another size of the corpora, recipe or protocol? if not, please report it with `dfbench doctor`",
        ]
    return [*lines, f"all {len(comparisons)} figures lie where other machines, threads and seeds put them"]
