"""Stored runs as the leaderboard reads them: `run.json` of each folder and the table that its scores give, or why not."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from dfbench.errors import DataError, StoreError
from dfbench.escaping import for_terminal
from dfbench.hooks.third_party import in_words
from dfbench.identity import digest_of
from dfbench.names import shown
from dfbench.results.boards.training_marks import marked_anew
from dfbench.results.checked import check_run
from dfbench.results.eligibility import list_notes
from dfbench.results.tables import ALL, MEAN
from dfbench.runs.planning.setup import Setup
from dfbench.runs.records.entries import entry_of_seeds, without_seed
from dfbench.runs.records.run_file import DIGEST, SCHEMA, read_record, run_folders
from dfbench.runs.records.score_table import any_scores
from dfbench.runs.trainings.training_names import UNKNOWN, DatasetNames, recorded_training

NO_DATASET = "trained on what no dataset here is called"

_NO_TIME = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, eq=False)
class RunResult:
    """A run's folder as it is on disk. `problem` says why it cannot be on a board, and is "" if it can.

    `trained_on` None means unknown, and `unknown` are the names in it that no dataset bears; `manifests` gives the digest of
    the list of videos of each test; `lists` says of each what is amiss with its lists, "" if nothing is, as in a run of an
    earlier version, which does not say; `table` is None where there is a problem. `complete`: it went through all its videos.
    `family` is the entry without its seed; `settings` a digest of everything else that can change a score but the seed and
    the weights that it gave; `weights` the digest of these, "" if there are none.
    `notes`: what could not be checked of it; `plugins`: those of others that took part.
    `seed` is that of the training of these, else that of the command, None if unknown; `corpora` those of the training.
    `purpose` is that of the protocol: "test", or "validation" if the run is on a set that serves to choose.
    Of an unreadable run only `folder` and `problem` are known.
    """

    folder: Path
    problem: str = ""
    entry: str = ""
    family: str = ""
    settings: str = ""
    weights: str = ""
    seed: int | None = None
    pooling: str = ""
    protocol: str = ""
    corpus: str = ""
    purpose: str = "test"
    complete: bool = False
    started: datetime = _NO_TIME
    finished: datetime = _NO_TIME
    trained_on: tuple[str, ...] | None = None
    unknown: tuple[str, ...] = ()
    corpora: tuple[str, ...] | None = None
    manifests: Mapping[str, str] = field(default_factory=dict)
    lists: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()
    table: pd.DataFrame | None = None

    def whole(self) -> pd.DataFrame:
        """The rows of the result table for whole datasets and their mean. Raises DataError if there is no table."""
        if self.table is None:
            raise DataError(f"{self.folder} has no result table: {self.problem}")
        return self.table[self.table["manipulation"] == ALL]


def collect(runs_dir: Path, setup: Setup) -> list[RunResult]:
    """Every run in `runs_dir`, by folder name; a run that cannot be read, or was altered, is listed with its problem.

    What comes of checking them is kept in the cache of `setup`, whose plugins are loaded if any run needs the names of data
    sets. Raises StoreError if `runs_dir` is there and cannot be listed.
    """
    names = _DatasetNames(setup)
    return [_read_run(folder, setup.settings.cache, names) for folder in run_folders(runs_dir)]


class _DatasetNames:
    """The names of the installed datasets, found out once, if any run needs them: plugins are loaded for it."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._names: DatasetNames | None = None

    def __call__(self) -> DatasetNames:
        self._names = self._names or DatasetNames(self._setup.registry)
        return self._names


def _read_run(folder: Path, cache: Path, names: _DatasetNames) -> RunResult:
    try:
        record = read_record(folder)
        if record["schema"] != SCHEMA:
            return RunResult(folder, f"run.json is of schema {record['schema']}, this dfbench reads {SCHEMA}")
        training = recorded_training(record, names, as_written=DIGEST in record)
        entry, family, seed = _named(record)
        corpora = record.get("training_corpora")
        run = RunResult(
            folder,
            entry=entry,
            family=family,
            settings=_settings(record),
            weights=str(record["detector"].get("weights_sha256", "")),
            seed=seed,
            pooling=str(record.get("pooling", "")),
            protocol=str(record["protocol"]),
            corpus=str(record["corpus"]),
            purpose=str(record.get("purpose", "test")),
            complete=record["status"] == "complete",
            started=_time(record.get("started") or ""),
            finished=_time(record.get("finished") or record.get("started") or ""),
            trained_on=None if training is None else training.datasets,
            unknown=() if training is None else training.unknown,
            corpora=None if corpora is None else tuple(sorted(corpora)),
            lists={name: "; ".join(list_notes(listing)) for name, listing in record.get("lists", {}).items()},
            manifests={name: str(one["manifest"]) for name, one in record["datasets"].items()},
            plugins=in_words(record),
        )
    except StoreError as error:
        return RunResult(folder, error.message.replace(for_terminal(f"{folder}{os.sep}"), "", 1))
    except (
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
    ) as error:  # whatever a damaged JSON file may hold
        return RunResult(folder, f"run.json is damaged or incomplete: {type(error).__name__}: {error}")
    if not run.complete:
        return replace(run, problem=_unfinished(folder, record))
    checked = check_run(folder, record, kept=cache)
    problem = "; ".join(checked.problems) or _mismatch(checked.table)
    if problem or checked.table is None:
        return replace(run, problem=problem, notes=checked.notes)
    notes = [*checked.notes, *(f"{NO_DATASET}: {shown(name)}" for name in run.unknown)]
    table, trained_on = checked.table, None if run.trained_on is None else list(run.trained_on)
    found = {"trained_on": trained_on, UNKNOWN: list(run.unknown)}
    if found != {"trained_on": record["trained_on"], UNKNOWN: record.get(UNKNOWN, [])}:
        table = marked_anew(table, {**record, **found}, mean=MEAN)  # made by other names
    return replace(run, notes=tuple(notes), table=table)


def _named(record: Mapping[str, Any]) -> tuple[str, str, int | None]:
    """Name, family and seed of the entry; a run of an older version has the command's seed in its name."""
    entry = str(record["entry"])
    if "training_seed" in record:
        seed = record["training_seed"]
        return entry, without_seed(entry, seed), seed
    seed = record.get("seed")
    family = without_seed(entry, seed)
    trained = (((record.get("training") or {}).get("provenance") or {}).get("identity") or {}).get("seed")
    if record["detector"].get("weights_sha256") and isinstance(trained, int) and family != entry:
        return entry_of_seeds(family, [trained]), family, trained
    return entry, family, seed


_SCORING = ("pooling", "clips", "prepare", "datasets", "margins", "precision")


def _settings(record: Mapping[str, Any]) -> str:
    """Digest of what decides the scores of a run besides its seed and its weights: equal runs differ in these alone."""
    detector = {name: value for name, value in record["detector"].items() if name != "weights_sha256"}
    training = record.get("training") or {}
    trained = dict((training.get("provenance") or {}).get("identity") or {})
    trained.pop("seed", None)
    scoring = {name: record.get(name) for name in _SCORING}
    return digest_of({**scoring, "detector": detector, "recipe": training.get("recipe"), "trained": trained})


def _unfinished(folder: Path, record: Mapping[str, Any]) -> str:
    """What is known of a run that did not end, and what to do about it."""
    ways = f"give the same command again to go on, or remove {folder}"
    if not any_scores(folder):
        return f"nothing was scored; {ways}"
    if record["status"] == "failed":
        return f"failed: {record.get('error') or 'nobody knows why'}; {ways}"
    return f"not complete; {ways}"


def _mismatch(table: pd.DataFrame | None) -> str:
    """Why a table can be on no board, or ""."""
    if table is None or table[(table["manipulation"] == ALL) & (table["test"] != MEAN)].empty:
        return "its table holds no dataset"
    return ""


def _time(text: str) -> datetime:
    when = datetime.fromisoformat(text) if text else _NO_TIME
    return when if when.tzinfo else when.replace(tzinfo=UTC)
