"""Predictions as a table: for people, and as a DataFrame."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pandas as pd

from dfbench.results.terminal import DataTable, styled
from dfbench.runs.scoring.prediction import Prediction, Predictions
from dfbench.text import storable
from dfbench.types import Status

if TYPE_CHECKING:
    from rich.table import Table

LEGEND = (
    "[ ]: the central 95 % over resamples of the clips of a file: how far they agree, and not how right the detector is",
)


def predictions_table(predictions: Predictions) -> pd.DataFrame:
    """The predictions as a DataFrame, a row a file in the order of the request.

    Columns: file (the path, as given), the fields of `Prediction` (status, reason, probability, low, high, logit, clips,
    faces, faces_skipped, face_frames, wanted_frames), detector, weights_sha256 and warning, which say by what.
    """
    names = [one.name for one in fields(Prediction) if one.name != "path"]
    rows = [
        {"file": storable(str(one.path)), **{name: getattr(one, name) for name in names}}
        for one in predictions.files
    ]
    table = pd.DataFrame(rows, columns=["file", *names])
    table["status"] = table["status"].astype(str)
    table["detector"] = predictions.name
    table["weights_sha256"] = predictions.weights_sha256
    table["warning"] = predictions.notice
    return table


def records_of(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table, JSON-ready to the last bit: NaN is None."""
    return [
        {
            str(name): None if isinstance(value, float) and math.isnan(value) else value
            for name, value in row.items()
        }
        for row in table.to_dict(orient="records")
    ]


def render_predictions(predictions: Predictions) -> Table:
    """The predictions as a table for a terminal."""
    table = DataTable(heading=f"P(fake) by {predictions.name}", legend=LEGEND)
    table.data_column("file")
    for header in ("P(fake)", "over clips", "clips", "with the face", "other faces"):
        table.data_column(header, right=True, no_wrap=True)
    table.data_column("note")
    for one in predictions.files:
        if one.status is Status.OK:
            spread = "" if math.isnan(one.low) else f"[{one.low:.3f}, {one.high:.3f}]"
            frames = f"{one.face_frames} of {one.wanted_frames}" if one.wanted_frames >= 0 else ""
            table.add_row(
                str(one.path),
                f"{one.probability:.3f}",
                spread,
                str(one.clips),
                frames,
                str(one.faces_skipped),
                one.reason,
            )
        else:
            said = one.reason.removeprefix(f"{storable(str(one.path))}: ")
            table.add_row(str(one.path), "", "", "", "", "", styled((str(one.status), "bold"), f": {said}"))
    return table
