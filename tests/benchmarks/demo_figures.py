"""Print the figures of a demo as rows for `plugins/dfbench_plugins/demo/measured.csv`.

    make demo && python -m tests.benchmarks.demo_figures "AMD EPYC, AVX2" 2 >> plugins/dfbench_plugins/demo/measured.csv

The arguments are the processor and the number of threads that it trained with. Run it on a folder of runs that holds the
new ones alone (DFBENCH_RUNS), so that none is counted twice.
"""

from __future__ import annotations

import csv
import sys

import pandas as pd

from dfbench import leaderboard
from dfbench_plugins.demo.layouts import GENERATOR
from dfbench_plugins.demo.measured import COLUMNS, PROTOCOL


def rows_of(board: pd.DataFrame, *, machine: str, threads: int) -> list[list[str]]:
    """A row for each entry of `board` that has every figure, in the order of the columns of `measured.csv`."""
    complete = board.dropna(subset=list(COLUMNS))
    return [
        [
            GENERATOR,
            machine,
            str(threads),
            row["entry"],
            row["detector"],
            *(f"{row[name]:.4f}" for name in COLUMNS),
        ]
        for row in complete.to_dict("records")
    ]


if __name__ == "__main__":
    found = leaderboard(PROTOCOL, corpus="demo")
    csv.writer(sys.stdout, lineterminator="\n").writerows(
        rows_of(found, machine=sys.argv[1], threads=int(sys.argv[2]))
    )
