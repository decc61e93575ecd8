"""Tables of localisation: means over videos with intervals, and the paired difference to the centre prior."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dfbench.csv_text import csv_of
from dfbench.escaping import for_terminal
from dfbench.metrics.uncertainty import Interval, mean_interval
from dfbench.results.writing import write_text
from dfbench.runs.evidence.localisation import CENTRE, Localisation

if TYPE_CHECKING:
    from rich.table import Table

ALL = "all"


def summarise(result: Localisation, *, seed: int = 0, draws: int = 2000) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(where, when): a row a dataset, manipulation (and "all"), and map with target, or kind of evidence over time.

    Columns: videos; auc, auc_low, auc_high; `where` has pointing with its ends too, and auc_gain, the mean paired
    difference of AUC to the centre prior, with its ends. Intervals are 95 %, from resampling the people (`group`).
    """
    where, when = result.tables()
    rows = []
    for key, part in _parts(where, ["map", "target"]):
        clusters = _clusters(part)
        prior = where[
            (where["map"] == CENTRE)
            & (where["target"] == key["target"])
            & (where["dataset"] == key["dataset"])
        ].set_index("video_id")["auc"]
        gain = part["auc"].to_numpy() - prior.loc[part["video_id"]].to_numpy()
        row = {**key, "videos": len(part)}
        for name, values in (
            ("auc", part["auc"].to_numpy()),
            ("pointing", part["pointing"].to_numpy()),
            ("auc_gain", gain),
        ):
            row |= _columns(
                name, mean_interval(values, clusters, rng=np.random.default_rng(seed), draws=draws)
            )
        rows.append(row)
    times = []
    if len(when):
        for key, part in _parts(when, ["evidence"]):
            interval = mean_interval(
                part["auc"].to_numpy(), _clusters(part), rng=np.random.default_rng(seed), draws=draws
            )
            times.append({**key, "videos": len(part), **_columns("auc", interval)})
    return pd.DataFrame(rows), pd.DataFrame(times)


def _parts(table: pd.DataFrame, names: list[str]) -> list[tuple[dict[str, Any], pd.DataFrame]]:
    """The rows of each dataset and manipulation, and of each dataset, for each value of `names`."""
    parts = []
    for dataset, rows in table.groupby("dataset", sort=False):
        manipulations = list(dict.fromkeys(rows["manipulation"]))
        for manipulation in [ALL, *(manipulations if len(manipulations) > 1 else [])]:
            chosen = rows if manipulation == ALL else rows[rows["manipulation"] == manipulation]
            for values, part in chosen.groupby(names, sort=False):
                key = {
                    "dataset": dataset,
                    "manipulation": manipulation,
                    **dict(zip(names, values, strict=True)),
                }
                parts.append((key, part))
    return parts


def _clusters(part: pd.DataFrame) -> Any:
    return np.unique(part["group"].to_numpy(dtype=str), return_inverse=True)[1]


def _columns(name: str, interval: Interval) -> dict[str, float]:
    return {name: interval.point, f"{name}_low": interval.low, f"{name}_high": interval.high}


def write_localisation(result: Localisation, where: pd.DataFrame, when: pd.DataFrame, folder: Path) -> None:
    """Both summaries as CSV and JSON, the rows of single videos as CSV, and what was skipped. Raises StoreError."""
    per_video, per_splice = result.tables()
    for name, table in (
        ("where", where),
        ("when", when),
        ("where_videos", per_video),
        ("when_videos", per_splice),
    ):
        write_text(folder / f"{name}.csv", csv_of(table))
    for name, table in (("where", where), ("when", when)):
        write_text(folder / f"{name}.json", table.to_json(orient="records", indent=1))
    write_text(folder / "skipped.txt", "".join(f"{for_terminal(one)}\n" for one in result.skipped))


def render_where(where: pd.DataFrame, target: str) -> Table:
    """A rich table of one target: "mask" or "border"."""
    from dfbench.results.terminal import DataTable

    title = f"Where: evidence against the {target}" + (" of the mask" if target == "border" else "")
    columns = ("dataset", "manipulation", "map", "videos", "AUC", "beyond centre prior", "pointing")
    table = DataTable(*columns, heading=title)
    for row in where[where["target"] == target].to_dict("records"):
        table.add_row(
            row["dataset"],
            row["manipulation"],
            row["map"],
            str(row["videos"]),
            _shown(row, "auc"),
            "" if row["map"] == CENTRE else _shown(row, "auc_gain", sign=True),
            _shown(row, "pointing"),
        )
    return table


def render_when(when: pd.DataFrame) -> Table:
    """A rich table of evidence over time."""
    from dfbench.results.terminal import DataTable

    title = "When: frames of videos that are half real, half fake"
    table = DataTable("dataset", "manipulation", "evidence", "videos", "AUC of frames", heading=title)
    for row in when.to_dict("records"):
        table.add_row(
            row["dataset"], row["manipulation"], row["evidence"], str(row["videos"]), _shown(row, "auc")
        )
    return table


def _shown(row: dict[Any, Any], name: str, *, sign: bool = False) -> str:
    form = "+.3f" if sign else ".3f"
    return f"{row[name]:{form}} [{row[f'{name}_low']:.2f}, {row[f'{name}_high']:.2f}]"
