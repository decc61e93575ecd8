"""Runs of one entry that differ in their seed alone, as one result: what the method does, not one lucky training.

The AUC is the mean over the seeds. Its interval counts both reasons why another lab would find another mean: other
identities (one bootstrap for all seeds, since they were scored on the same videos) and other seeds (Student's t).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from zlib import crc32

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dfbench.metrics.point import auc
from dfbench.metrics.uncertainty import interval_over_seeds, paired_bootstrap_draws
from dfbench.results.stored import RunResult
from dfbench.results.tables import MEAN
from dfbench.runs.entries import entry_of_seeds
from dfbench.runs.scores import read_scores, video_scores

INTERVAL = "identities and seeds"


def over_seeds(
    runs: Sequence[RunResult], *, draws: int = 2000
) -> list[tuple[RunResult, tuple[RunResult, ...]]]:
    """Each entry once, with the runs that it stands for; an entry of one seed, or scored on other videos, stays alone.

    Raises StoreError if the scores of a run that is one of several cannot be read.
    """
    families: dict[object, list[RunResult]] = {}
    for run in runs:
        same = (run.family, tuple(sorted(run.manifests.items())), run.trained_on)
        families.setdefault(same, []).append(run)
    pooled = []
    for members in families.values():
        members.sort(key=lambda run: -1 if run.seed is None else run.seed)
        one = members[0] if len(members) == 1 else _mean_of(members, draws)
        pooled.append((one, tuple(members)))
    return pooled


def _mean_of(runs: Sequence[RunResult], draws: int) -> RunResult:
    first = runs[0]
    table = _mean_table([run.whole() for run in runs])
    videos = [video_scores(read_scores(run.folder), run.pooling) for run in runs]
    drawn = []
    for dataset in table.index.drop(MEAN, errors="ignore"):
        resampled = _draws(dataset, [one[one["dataset"] == dataset] for one in videos], draws)
        drawn.append(resampled)
        _set_interval(table, dataset, [run.whole() for run in runs], resampled)
    if MEAN in table.index:  # datasets are independent, so the mean of their draws is a draw of the mean
        _set_interval(table, MEAN, [run.whole() for run in runs], np.mean(drawn, axis=0))
    seeds = [run.seed for run in runs if run.seed is not None]
    entry = entry_of_seeds(first.family, seeds)
    return replace(
        first,
        entry=entry,
        seed=None,
        finished=max(run.finished for run in runs),
        table=table.reset_index().assign(entry=entry)[list(first.whole().columns)],
        name="+".join(run.folder.name for run in runs),
    )


def _mean_table(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Rows by dataset: floats are means, lowest coverage, all notes; what the seeds share is from the first."""
    first = tables[0].set_index("dataset")
    together = pd.concat(tables).groupby("dataset", sort=False)
    mean = first.copy()
    for name in first.columns[first.dtypes == "float64"]:
        # A mean of fewer seeds than the row names would be another number.
        mean[name] = together[name].agg(lambda values: values.mean(skipna=False))
    mean["coverage"] = together["coverage"].min()
    mean["note"] = together["note"].agg(
        lambda notes: "; ".join(dict.fromkeys(note for note in notes if note))
    )
    return mean


def _draws(dataset: str, videos: Sequence[pd.DataFrame], draws: int) -> NDArray[np.float64]:
    """Bootstrap draws of the mean over seeds, on the videos that all of them scored; NaN if a class is missing."""
    scored = [one[one["status"] == "ok"].set_index("video_id") for one in videos]
    common = scored[0].index
    for one in scored[1:]:
        common = common.intersection(one.index)
    scored = [one.loc[common] for one in scored]
    labels = scored[0]["label"].to_numpy(dtype=np.int64)
    if not 0 < labels.sum() < len(labels):
        return np.full(draws, math.nan)
    clusters = np.unique(scored[0]["group"].to_numpy(dtype=str), return_inverse=True)[1]
    resampled = paired_bootstrap_draws(
        [one["logit"].to_numpy(dtype=np.float64) for one in scored],
        labels,
        clusters,
        metric=auc,
        rng=np.random.default_rng([crc32(dataset.encode()), 1]),
        draws=draws,
    )
    mean: NDArray[np.float64] = resampled.mean(axis=0)
    return mean


def _set_interval(
    table: pd.DataFrame, dataset: str, tables: Sequence[pd.DataFrame], resampled: NDArray[np.float64]
) -> None:
    per_seed = np.array([one.set_index("dataset").loc[dataset, "auc"] for one in tables], dtype=np.float64)
    interval = interval_over_seeds(
        per_seed, resampled, rng=np.random.default_rng([crc32(dataset.encode()), 2])
    )
    table.loc[dataset, ["auc_low", "auc_high"]] = [interval.low, interval.high]
    table.loc[dataset, "interval"] = INTERVAL
