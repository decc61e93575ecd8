"""Stored runs as the leaderboard reads them: `run.json` of each folder and the table that its scores give, or why not."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from dfbench.errors import DataError, StoreError
from dfbench.escaping import for_terminal
from dfbench.identity import digest_of
from dfbench.names import shown
from dfbench.results.boards.training_marks import marked_anew
from dfbench.results.checked import check_run
from dfbench.results.eligibility import list_notes
from dfbench.results.tables import ALL, MEAN
from dfbench.runs.planning.setup import Setup
from dfbench.runs.records.entries import entry_of_seeds, without_seed
from dfbench.runs.records.facts import TrainedFacts
from dfbench.runs.records.record import FAILED, SCHEMA, RunRecord
from dfbench.runs.records.run_file import NAME, run_folders
from dfbench.runs.records.score_table import any_scores
from dfbench.runs.records.stored_run import StoredRun
from dfbench.runs.trainings.training_names import DatasetNames, recorded_training

NO_DATASET = "trained on what no dataset here is called"


@dataclass(frozen=True, slots=True, eq=False)
class BoardRun:
    """A stored run as a board takes it. `problem` says why it cannot be on one, and is "" if it can.

    `stored` is None, and only `folder` and `problem` are known, if it cannot be read. `entry` is its name on the board, `family`
    that without its seed; `settings` a digest of everything else that can change a score but the seed and the weights that it
    gave. `seed`: of the training of these, else of the command, None if unknown. `training`: with the names of datasets that
    are known here. `notes`: what could not be checked of it; `plugins`: those of others that took part, in words. `table` is
    None where there is a problem.
    """

    folder: Path
    problem: str = ""
    stored: StoredRun | None = None
    entry: str = ""
    family: str = ""
    settings: str = ""
    seed: int | None = None
    training: TrainedFacts = field(default_factory=TrainedFacts)
    notes: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()
    table: pd.DataFrame | None = None

    @property
    def run(self) -> StoredRun:
        """The run itself. Raises DataError if it cannot be read."""
        if self.stored is None:
            raise DataError(f"{self.folder} has no record: {self.problem}")
        return self.stored

    @property
    def record(self) -> RunRecord:
        """What the run says of itself. Raises DataError if it cannot be read."""
        return self.run.record

    @property
    def protocol(self) -> str:
        """By which protocol it was scored, "" if it cannot be read."""
        return "" if self.stored is None else self.stored.record.protocol.name

    @property
    def corpus(self) -> str:
        """On which corpus it was scored, "" if it cannot be read."""
        return "" if self.stored is None else self.stored.record.corpus

    @property
    def weights(self) -> str:
        """The SHA-256 (hex) of its weights, "" if there are none."""
        return self.record.detector.weights_sha256

    @property
    def manifests(self) -> dict[str, str]:
        """The digest of the list of videos of each test, by its key."""
        return {key: test.manifest for key, test in self.record.tests.items()}

    def lists(self, key: str) -> str:
        """What is amiss with the lists of a test; "" if nothing is, as in a run of an earlier version, which does not say."""
        return "; ".join(list_notes(self.record.test(key).lists))

    def whole(self) -> pd.DataFrame:
        """The rows of the result table for whole datasets and their mean. Raises DataError if there is no table."""
        if self.table is None:
            raise DataError(f"{self.folder} has no result table: {self.problem}")
        return self.table[self.table["manipulation"] == ALL]


def collect(runs_dir: Path, setup: Setup) -> list[BoardRun]:
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


def _read_run(folder: Path, cache: Path, names: _DatasetNames) -> BoardRun:
    try:
        stored = StoredRun.read(folder)
    except StoreError as error:
        return BoardRun(folder, error.message.replace(for_terminal(f"{folder}{os.sep}"), "", 1))
    record = stored.record
    if record.version != SCHEMA:
        return BoardRun(folder, f"{NAME} is of schema {record.version}, this dfbench reads {SCHEMA}")
    if not (record.protocol.name and record.corpus and record.entry):
        return BoardRun(folder, f"{NAME} is incomplete: it does not say its protocol, corpus and entry")
    named = recorded_training(record, names, as_written=record.has_digest)
    training = replace(
        record.training,
        datasets=None if named is None else named.datasets,
        unknown=() if named is None else named.unknown,
        corpora=None if record.training.corpora is None else tuple(sorted(record.training.corpora)),
    )
    entry, family, seed = _named(record)
    run = BoardRun(
        folder,
        stored=stored,
        entry=entry,
        family=family,
        settings=_settings(record),
        seed=seed,
        training=training,
        plugins=tuple(plugin.words for plugin in record.plugins),
    )
    if not record.complete:
        return replace(run, problem=_unfinished(stored))
    checked = check_run(stored, kept=cache)
    problem = "; ".join(checked.problems) or _mismatch(checked.table)
    if problem or checked.table is None:
        return replace(run, problem=problem, notes=checked.notes)
    table = checked.table
    if (training.datasets, training.unknown) != (record.training.datasets, record.training.unknown or ()):
        table = marked_anew(table, record.corpus, training, mean=MEAN)  # made by other names
    unnamed = [f"{NO_DATASET}: {shown(name)}" for name in training.unknown or ()]
    return replace(run, notes=(*checked.notes, *unnamed), table=table)


def _named(record: RunRecord) -> tuple[str, str, int | None]:
    """Name, family and seed of the entry; a run of an older version has the command's seed in its name."""
    entry = record.entry
    if record.training.seed_told:
        seed = record.training.seed
        return entry, without_seed(entry, seed), seed
    family = without_seed(entry, record.seed)
    trained = record.training.identity.get("seed")
    if record.detector.weights_sha256 and isinstance(trained, int) and family != entry:
        return entry_of_seeds(family, [trained]), family, trained
    return entry, family, record.seed


def _settings(record: RunRecord) -> str:
    """Digest of what decides the scores of a run besides its seed and its weights: equal runs differ in these alone."""
    scoring, detector = record.scoring, record.detector
    trained = {name: value for name, value in record.training.identity.items() if name != "seed"}
    return digest_of(
        {
            "scoring": [str(scoring.pooling), scoring.precision, scoring.clips, scoring.prepare],
            "detector": [detector.name, detector.version, detector.recipe],
            "tests": {
                key: [test.dataset, test.videos, test.manifest, test.files, test.margin]
                for key, test in record.tests.items()
            },
            "recipe": record.training.details.get("recipe"),
            "trained": trained,
        }
    )


def _unfinished(run: StoredRun) -> str:
    """What is known of a run that did not end, and what to do about it."""
    ways = f"give the same command again to go on, or remove {run.folder}"
    if not any_scores(run.folder):
        return f"nothing was scored; {ways}"
    if run.record.status == FAILED:
        return f"failed: {run.record.error or 'nobody knows why'}; {ways}"
    return f"not complete; {ways}"


def _mismatch(table: pd.DataFrame | None) -> str:
    """Why a table can be on no board, or ""."""
    if table is None or table[(table["manipulation"] == ALL) & (table["test"] != MEAN)].empty:
        return "its table holds no dataset"
    return ""
