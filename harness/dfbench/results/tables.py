"""Result tables: every number of a run, computed from its stored scores, with its interval and its coverage.

One row for each test as a whole (manipulation "all") and one for each manipulation against the test's
reals. Coverage is that of the videos that were published, where that is known, and not of those that this copy's lists
happen to name. A number that is not defined, or rests on too few videos, is NaN with the reason and the counts beside
it; a row is never dropped. Columns are documented in results/README.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np
import pandas as pd

from dfbench.csv_text import csv_of
from dfbench.errors import StoreError, UsageError
from dfbench.metrics import point
from dfbench.metrics.clustered import clustered_aucs
from dfbench.metrics.uncertainty import mean_of_draws, percentile_interval, resampling_of
from dfbench.results.boards.training_marks import is_cross
from dfbench.results.eligibility import FEWEST_VIDEOS, list_notes, too_few
from dfbench.results.writing import read_parquet, write_parquet, write_text
from dfbench.runs.records.score_table import with_tests
from dfbench.types import FEW_FACES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dfbench.runs.records.facts import ListFacts
    from dfbench.runs.records.record import RunRecord

SCHEMA_VERSION = 2  # 1 counted what the lists named, and had figures of however few videos
LEVEL = "video"
ALL = "all"
MEAN = "mean"
CONSTANT = "constant scores"
SEPARATED = "classes separated: the interval counts identities alone"
INTERVALS = "clustered DeLong over source identities (logit scale, t)"

MEASURES = ("auc", "ap", "eer", "accuracy", "balanced_accuracy")
_TYPES: dict[str, str] = {
    "detector": "str",
    "entry": "str",
    "protocol": "str",
    "corpus": "str",
    "test": "str",
    "dataset": "str",
    "manipulation": "str",
    "level": "str",
    "auc": "float64",
    "auc_low": "float64",
    "auc_high": "float64",
    "interval": "str",
    "ap": "float64",
    "prevalence": "float64",
    "eer": "float64",
    "accuracy": "float64",
    "balanced_accuracy": "float64",
    "coverage": "float64",
    "n_real": "int64",
    "n_fake": "int64",
    "n_scored_real": "int64",
    "n_scored_fake": "int64",
    "n_failed_real": "int64",
    "n_failed_fake": "int64",
    "n_unlisted_real": "int64",
    "n_unlisted_fake": "int64",
    "auc_if_missing_worst": "float64",
    "auc_if_missing_best": "float64",
    "face_share": "float64",
    "cross_dataset": "boolean",
    "threshold_source": "str",
    "note": "str",
}
COLUMNS = tuple(_TYPES)


def result_table(
    videos: pd.DataFrame, *, record: RunRecord, draws: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """The result table of one run.

    `videos`: what `dfbench.runs.records.score_table.video_scores` returns; without a column `test`, the videos of a dataset
    are one test. `record`: of the run; a test in it without any row in `videos` gets a row of its own. The interval of an
    AUC is that of `dfbench.metrics.clustered`; that of the mean over tests comes of `draws` draws of each AUC, by a generator for
    each (seed, test, manipulation), so that it does not depend on what else is in the table. A last row "mean" over tests stands
    only if there are several and all have an AUC.
    Raises UsageError if the record does not say what the run is called.
    """
    shared = _shared(record)
    rows: list[dict[str, Any]] = []
    drawn: list[NDArray[np.float64]] = []
    keyed = with_tests(videos)
    by_test = dict(iter(keyed.groupby("test", sort=False, observed=True)))
    for key in dict.fromkeys([*record.tests, *map(str, by_test)]):
        of_test = by_test.get(key, keyed.iloc[:0])
        test = record.test(key)
        cross = is_cross(test.dataset, record.corpus, record.training)
        for manipulation, part in _parts(of_test):
            # An only manipulation repeats the whole test, to the last digit of its interval.
            if manipulation == ALL or len(part) < len(of_test):
                rng = np.random.default_rng([seed, crc32(key.encode()), crc32(manipulation.encode())])
                unlisted = _unlisted(test.lists, fakes=manipulation == ALL)
                numbers, resampled = _measure(part, unlisted=unlisted, draws=draws, rng=rng)
                if manipulation == ALL:
                    told = [_foreign_training(record), *list_notes(test.lists), *test.leaks, numbers["note"]]
                    numbers["note"] = "; ".join(filter(None, told))
            if manipulation == ALL:
                drawn.append(resampled)
            rows.append(
                {
                    **shared,
                    "test": key,
                    "dataset": test.dataset,
                    "manipulation": manipulation,
                    "cross_dataset": cross,
                    **numbers,
                }
            )
    whole = [row for row in rows if row["manipulation"] == ALL]
    if len(whole) > 1 and all(math.isfinite(row["auc"]) for row in whole):
        resampled = mean_of_draws(drawn, [str(row["dataset"]) for row in whole])
        rows.append({**shared, **_mean(whole, resampled)})
    return typed(pd.DataFrame(rows, columns=list(COLUMNS)))


def _foreign_training(record: RunRecord) -> str:
    """The warning of a training on rendered faces, where the run is not on these; "" elsewhere, as its name says it."""
    corpora = record.training.corpora
    return "" if corpora is None or record.corpus in corpora else record.training.warning


def write_table(table: pd.DataFrame, folder: Path) -> tuple[Path, Path]:
    """Write `table.csv` and `table.parquet` to `folder`; each whole or not at all. Raises StoreError."""
    csv, parquet = folder / "table.csv", folder / "table.parquet"
    write_text(csv, csv_of(table))
    write_parquet(parquet, table, kind="table", version=SCHEMA_VERSION)
    return csv, parquet


def read_table(path: Path) -> pd.DataFrame:
    """A result table from its Parquet file. Raises StoreError if it is damaged or of another version."""
    table = read_parquet(path, kind="table", version=SCHEMA_VERSION)
    if (
        "test" not in table.columns and "dataset" in table.columns
    ):  # of before a dataset could be tested twice
        table = with_tests(table)
    lacking = [name for name in COLUMNS if name not in table.columns]
    if lacking:
        raise StoreError(f"{path} lacks the columns {', '.join(lacking)}", hints=("give the run again",))
    try:
        return typed(table)
    except (TypeError, ValueError, OverflowError) as error:
        raise StoreError(
            f"{path} holds what is no result table: {error}", hints=("give the run again",)
        ) from error


def _shared(record: RunRecord) -> dict[str, Any]:
    names = {"entry": record.entry, "protocol": record.protocol.name, "corpus": record.corpus}
    if lacking := [what for what, name in names.items() if not name]:
        raise UsageError(f"a result table cannot be made without {', '.join(lacking)} of the run")
    return {
        "detector": record.detector.name,
        **names,
        "level": LEVEL,
        "threshold_source": f"fixed {point.DEFAULT_THRESHOLD}",
    }


def _parts(videos: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The whole dataset as "all", then its reals with the fakes of each manipulation."""
    yield ALL, videos
    is_real = videos["label"] == 0
    reals = videos[is_real]
    for manipulation, fakes in videos[~is_real].groupby("manipulation", sort=False, observed=True):
        yield str(manipulation), pd.concat([reals, fakes])


def _unlisted(lists: ListFacts | None, *, fakes: bool) -> tuple[int, int]:
    """Reals and fakes that were published and that no list of this copy names; what is published of a single manipulation
    is seldom known, so that its `fakes` are those listed."""
    if lists is None or lists.listed is None or lists.official is None:
        return 0, 0
    real, fake = (
        max(0, published - listed)
        for published, listed in zip(astuple(lists.official), astuple(lists.listed), strict=True)
    )
    return real, fake if fakes else 0


def _measure(
    videos: pd.DataFrame, *, unlisted: tuple[int, int], draws: int, rng: np.random.Generator
) -> tuple[dict[str, Any], NDArray[np.float64]]:
    """The numbers of one row, and draws of its AUC (all NaN if it is not shown).

    `unlisted`: reals and fakes that should be among `videos`.
    """
    label = videos["label"].to_numpy(dtype=np.int64)
    scored = (videos["status"] == "ok").to_numpy()
    logit = videos["logit"].to_numpy(dtype=np.float64)
    listed, done = (np.bincount(one, minlength=2) for one in (label, label[scored]))
    expected = listed + np.array(unlisted)
    failed_real, failed_fake = listed - done
    numbers: dict[str, Any] = {
        **dict.fromkeys(("auc_low", "auc_high", "prevalence", *MEASURES), math.nan),
        "interval": "",
        **_by_class("n", expected),
        **_by_class("n_scored", done),
        **_by_class("n_failed", listed - done),
        **_by_class("n_unlisted", expected - listed),
        "coverage": done.sum() / expected.sum() if expected.sum() else math.nan,
        "auc_if_missing_worst": math.nan,
        "auc_if_missing_best": math.nan,
        "face_share": math.nan,
        "note": "",
    }
    face_share, face_note = _faces(videos[scored])
    numbers["face_share"] = face_share
    if expected.min() >= FEWEST_VIDEOS:
        # A missing real scored highest and a missing fake scored lowest is the worst that could have happened.
        truth = np.append(label, np.repeat([0, 1], unlisted))
        known = np.append(scored, np.zeros(sum(unlisted), dtype=bool))
        values = np.append(logit, np.zeros(sum(unlisted)))
        toward_error = np.where(truth == 0, np.inf, -np.inf)
        numbers["auc_if_missing_worst"] = point.auc(np.where(known, values, toward_error), truth)
        numbers["auc_if_missing_best"] = point.auc(np.where(known, values, -toward_error), truth)
    truth, ranks = label[scored], logit[scored]
    notes = []
    if len(ranks) > 1 and ranks.min() == ranks.max():
        notes.append(CONSTANT)
    if failed_real or failed_fake:
        notes.append(f"not scored: {failed_real} real, {failed_fake} fake")
    if face_note:
        notes.append(face_note)
    if len(truth):
        numbers["prevalence"] = point.prevalence(truth)
    clusters = np.unique(videos["group"].to_numpy(dtype=str)[scored], return_inverse=True)[1]
    if reason := too_few(truth, clusters):
        return {**numbers, "note": "; ".join([*notes, reason])}, np.full(draws, math.nan)
    score = videos["score"].to_numpy(dtype=np.float64)[scored]
    found = clustered_aucs([ranks], truth, clusters).mean()
    auc, interval = point.auc(ranks, truth), found.interval()
    if auc in (0.0, 1.0):
        notes.append(SEPARATED)
    numbers |= {
        "auc": auc,
        "auc_low": interval.low,
        "auc_high": interval.high,
        "interval": str(resampling_of(truth, clusters)),
        "accuracy": point.accuracy(score, truth),
        "ap": point.average_precision(ranks, truth),
        "eer": point.eer(ranks, truth),
        "balanced_accuracy": point.balanced_accuracy(score, truth),
        "note": "; ".join(notes),
    }
    return numbers, found.draws(rng, count=draws)


def _faces(scored: pd.DataFrame) -> tuple[float, str]:
    """The share of the wanted frames of scored videos that hold the face (NaN if nobody counted), and what to note of it."""
    if "wanted_frames" not in scored:
        return math.nan, ""
    counted = scored[scored["wanted_frames"] > 0]
    if not len(counted):
        return math.nan, ""
    held, wanted = counted["face_frames"], counted["wanted_frames"]
    few = int((held < FEW_FACES * wanted).sum())
    note = (
        f"{few} scored {'video has' if few == 1 else 'videos have'} the face in less than half of the frames"
    )
    return float(held.sum() / wanted.sum()), note if few else ""


def _by_class(name: str, counts: NDArray[np.int64]) -> dict[str, int]:
    return {f"{name}_real": int(counts[0]), f"{name}_fake": int(counts[1])}


def _mean(whole: list[dict[str, Any]], resampled: NDArray[np.float64]) -> dict[str, Any]:
    """The plain mean over datasets. Datasets are independent, so the mean of their draws is a draw of the mean."""
    means = {name: float(np.mean([row[name] for row in whole])) for name in MEASURES}
    interval = percentile_interval(means["auc"], resampled)
    counts = {name: sum(row[name] for row in whole) for name in _TYPES if name.startswith("n_")}
    scored = counts["n_scored_real"] + counts["n_scored_fake"]
    cross = [row["cross_dataset"] for row in whole]
    apart = len({row["dataset"] for row in whole}) == len(whole)
    bounds = ("auc_if_missing_worst", "auc_if_missing_best", "prevalence", "face_share")
    return {
        **means,
        **counts,
        **{name: float(np.mean([row[name] for row in whole])) for name in bounds},
        "test": MEAN,
        "dataset": MEAN,
        "manipulation": ALL,
        "auc_low": interval.low,
        "auc_high": interval.high,
        "interval": "mean of independent draws" if apart else "mean of draws, tests of one dataset together",
        "coverage": scored / (counts["n_real"] + counts["n_fake"]),
        "cross_dataset": None if None in cross else all(cross),
        "note": CONSTANT if any(CONSTANT in row["note"] for row in whole) else "",
    }


def typed(table: pd.DataFrame) -> pd.DataFrame:
    """Give the columns of a result table their types. Raises TypeError or ValueError for what is no such table."""
    return table.astype(_TYPES)
