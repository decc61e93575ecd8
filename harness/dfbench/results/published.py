"""Numbers from papers and their repositories, each with its source and how it was checked.

They are what others printed, under their own lists, levels and training data; they never enter the
leaderboard of our own runs. The files are in the checkout's `results/published/` and shipped with the package.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

PAPERS = "published_results.csv"
DEEPFAKEBENCH = "deepfakebench_published.csv"
_COMPRESSION = re.compile(r"_(c\d+)$")  # the end of the name of a train set of DeepfakeBench
_WARNING = re.compile(r"WARNING (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedFigure:
    """A published number.

    `value` is a fraction in [0, 1] and `printed` the number as its source prints it (percent in one file,
    fraction in the other). An empty text means that the source does not say; `year` is then None.
    `status`: see results/README.md. `train_compression` of a DeepfakeBench row is read off its train set. `file` is the
    table that has the row.
    """

    detector: str
    paper: str = ""
    year: int | None = None
    train_data: str
    train_compression: str
    test_dataset: str
    test_subset: str = ""
    level: str
    metric: str
    value: float
    printed: float
    source: str
    status: str
    note: str
    file: str


def published_figures() -> tuple[PublishedFigure, ...]:
    """Return every published number, in the order of the files. Neither pandas nor torch is imported."""
    return (*_of_papers(), *_of_deepfakebench())


def published_results() -> pd.DataFrame:
    """Return every published number as a table, a row each, with the fields of `PublishedFigure` as columns.

    A missing `year` is NA.
    """
    import pandas as pd

    table = pd.DataFrame([asdict(figure) for figure in published_figures()])
    kinds = {"year": "Int64", "value": "float64", "printed": "float64"}
    return table.astype({field.name: kinds.get(field.name, "str") for field in fields(PublishedFigure)})


def _of_papers() -> Iterator[PublishedFigure]:
    for row in _rows(PAPERS):
        printed = float(row["value"])
        yield PublishedFigure(
            detector=row["detector"],
            paper=row["paper"],
            year=int(row["year"]) if row["year"] else None,
            train_data=row["train_data"],
            train_compression=row["train_compression"],
            test_dataset=row["test_dataset"],
            test_subset=row["test_subset"],
            level=row["level"],
            metric=row["metric"],
            value=printed / 100,
            printed=printed,
            source=row["source"],
            status=row["status"],
            note=row["note"],
            file=PAPERS,
        )


def _of_deepfakebench() -> Iterator[PublishedFigure]:
    for row in _rows(DEEPFAKEBENCH):
        compression = _COMPRESSION.search(row["train_set"])
        warning = _WARNING.search(row["source"])
        yield PublishedFigure(
            detector=row["detector"],
            train_data=row["train_set"],
            train_compression=compression[1] if compression else "",
            test_dataset=row["test_set"],
            level=row["level"],
            metric=row["metric"],
            value=float(row["value"]),
            printed=float(row["value"]),
            source=row["source"],
            # The file has no status of its own: its rows cite file and line, or say that they were transcribed.
            status="secondary_transcribed" if "transcribed" in row["source"] else "source_cited",
            note=warning[1] if warning else "",
            file=DEEPFAKEBENCH,
        )


def _rows(name: str) -> Iterator[dict[str, str]]:
    file = resources.files("dfbench.results").joinpath("published", name)
    with file.open("r", encoding="utf-8") as stream:
        yield from csv.DictReader(stream)
