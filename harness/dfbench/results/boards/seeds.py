"""Runs of one entry that differ in their seed alone, as one result: what the method does, not one lucky training.

The AUC is the mean over the seeds. Its interval counts both reasons why another lab would find another mean: other
identities (of all seeds together, since they were scored on the same videos) and other seeds (Student's t).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from zlib import crc32

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dfbench.errors import DfbenchError, RunError
from dfbench.metrics.uncertainty import interval_over_seeds, mean_of_draws
from dfbench.results.boards.stored import BoardRun
from dfbench.results.paired import aligned, scored_videos
from dfbench.results.tables import MEAN, MEASURES
from dfbench.runs.records.entries import entry_of_seeds

INTERVAL = "identities and seeds"


Entry = tuple[BoardRun, tuple[BoardRun, ...]]


def over_seeds(runs: Sequence[BoardRun], *, draws: int = 2000) -> tuple[list[Entry], list[str]]:
    """Pool runs over seeds; returns each entry once, with the runs that it stands for, and a sentence for each run that
    was left out: one of several seeds whose scores cannot be read. Seeds that tell other facts of a video stay alone, which is
    said too.

    Runs are one entry if nothing but the seed tells them apart: not the videos, the recipe, a version. A run stays alone
    if its seed is unknown, if another has the same seed (other weights, of which one at most can be that training), or
    the same weights, which are no other training.
    """
    families: dict[object, list[BoardRun]] = {}
    for run in runs:
        families.setdefault(
            (run.family, run.settings, run.training.datasets, run.training.corpora), []
        ).append(run)
    pooled: list[Entry] = []
    left_out: list[str] = []
    for members in families.values():
        several = _trainings(members)
        pooled += [(run, (run,)) for run in members if run not in several]
        scores: dict[Path, pd.DataFrame] = {}
        for run in several:
            try:
                scores[run.folder] = scored_videos(run.run)
            except DfbenchError as error:
                left_out.append(f"{run.folder.name}: {error.message}")
        read = [run for run in several if run.folder in scores]
        if len(read) == 1:
            pooled.append((read[0], (read[0],)))
        elif read:
            try:
                pooled.append((_mean_of(read, list(scores.values()), draws), tuple(read)))
            except RunError as error:  # of videos on which they do not agree: each stands alone
                pooled += [(run, (run,)) for run in read]
                left_out.append(f"{'+'.join(run.folder.name for run in read)}: not pooled: {error.message}")
    return pooled, left_out


def _trainings(members: Sequence[BoardRun]) -> list[BoardRun]:
    """Those of a family that are trainings with different known seeds, by seed; none if there are not at least two."""
    seeds, weights = Counter(run.seed for run in members), Counter(run.weights for run in members)
    known = [
        run
        for run in members
        if run.seed is not None and seeds[run.seed] == 1 and (weights[run.weights] == 1 or not run.weights)
    ]
    return sorted(known, key=lambda run: run.seed or 0) if len(known) > 1 else []


def _mean_of(runs: Sequence[BoardRun], videos: Sequence[pd.DataFrame], draws: int) -> BoardRun:
    first = runs[0]
    tables = [run.whole().set_index("test") for run in runs]
    table = _mean_table(tables)
    resampled: dict[str, NDArray[np.float64]] = {}
    for test in table.index.drop(MEAN, errors="ignore"):
        common = aligned(videos, str(test))
        if reason := common.blank:
            resampled[test] = np.full(draws, math.nan)
            notes = [str(table.loc[test, "note"]), f"of the videos that all seeds scored: {reason}"]
            table.loc[test, "note"] = "; ".join(filter(None, notes))
        else:
            rng = np.random.default_rng([crc32(test.encode()), 1])
            resampled[test] = common.errors.mean().draws(rng, count=draws)
    if MEAN in table.index:
        datasets = [str(table.loc[test, "dataset"]) for test in resampled]
        resampled[MEAN] = mean_of_draws(list(resampled.values()), datasets)
    for test, drawn in resampled.items():
        per_seed = np.array([one.loc[test, "auc"] for one in tables], dtype=np.float64)
        if np.isnan(drawn).any() or np.isnan(per_seed).any():
            table.loc[test, [*MEASURES, "auc_low", "auc_high"]] = math.nan
            continue
        rng = np.random.default_rng([crc32(test.encode()), 2])
        interval = interval_over_seeds(per_seed, drawn, rng=rng)
        table.loc[test, ["auc_low", "auc_high"]] = [interval.low, interval.high]
    entry = entry_of_seeds(first.family, [run.seed for run in runs if run.seed is not None])
    return replace(
        first,
        entry=entry,
        seed=None,
        notes=tuple(dict.fromkeys(note for run in runs for note in run.notes)),
        plugins=tuple(dict.fromkeys(plugin for run in runs for plugin in run.plugins)),
        table=table.reset_index().assign(entry=entry, interval=INTERVAL)[list(first.whole().columns)],
    )


def _mean_table(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Rows by test: floats are means, coverage and counts of the seed with the lowest, all notes; the rest is shared.

    A row that a seed lacks is left out: a seed of which not every test has an AUC has no mean over tests.
    """
    mean = (
        tables[0].loc[[name for name in tables[0].index if all(name in one.index for one in tables)]].copy()
    )
    together = pd.concat(tables).groupby(level="test", sort=False)
    for name in mean.columns[mean.dtypes == "float64"]:
        # A mean of fewer seeds than the row names would be another number.
        mean[name] = together[name].agg(lambda values: values.mean(skipna=False))
    for test in mean.index:
        lowest = min((one.loc[test] for one in tables), key=lambda row: float(row["coverage"]))
        for name in ("coverage", *(name for name in mean.columns if name.startswith("n_"))):
            mean.loc[test, name] = lowest[name]
    mean["note"] = together["note"].agg(
        lambda notes: "; ".join(dict.fromkeys(part for note in notes for part in note.split("; ") if part))
    )
    return mean
