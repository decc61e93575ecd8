"""Several runs on the same videos: the one place where their videos, identities and scores are brought into one order.

A difference between two detectors is much better known than either figure, if both scored the same videos: what is hard
for one is mostly hard for the other. So runs are compared on the videos that all of them scored, and what a source
identity does to all of them at once is no difference.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

from dfbench.errors import RunError, StoreError, UsageError
from dfbench.metrics.clustered import ClusteredAucs, Combination, clustered_aucs, independent_sum
from dfbench.metrics.point import auc
from dfbench.metrics.uncertainty import Interval, interval_over_seeds
from dfbench.results.eligibility import too_few
from dfbench.results.tables import ALL
from dfbench.runs.records.score_table import any_scores
from dfbench.types import Status

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from dfbench.runs.records.stored_run import StoredRun

FACTS = ("label", "group")  # of a video, on which all runs must agree


@dataclass(frozen=True, eq=False)
class Aligned:
    """The scores of k runs on the n videos of a test that all of them scored, in the order of the first run.

    videos: n ids. logits (k, n) float64, higher is more fake; labels (n,) int64, 0 real or 1 fake; clusters (n,) int64, the
    source identity of each video. `left_out`: the ids of the videos that only some of the runs list or scored. `scored`: the ids
    of the videos that each run scored.
    """

    videos: tuple[str, ...]
    logits: NDArray[np.float64]
    labels: NDArray[np.int64]
    clusters: NDArray[np.int64]
    left_out: tuple[str, ...] = ()
    scored: tuple[frozenset[str], ...] = ()

    @property
    def only(self) -> tuple[int, int]:
        """How many videos all runs of the first half scored and some of the second did not, and the other way round."""
        half = len(self.scored) // 2
        if not half:
            return 0, 0
        first, second = (frozenset.intersection(*part) for part in (self.scored[:half], self.scored[half:]))
        return len(first - second), len(second - first)

    @property
    def blank(self) -> str:
        """Why no figure over these videos may be shown, "" if one may."""
        return too_few(self.labels, self.clusters)

    def aucs(self) -> NDArray[np.float64]:
        """Return the video AUC of each run on these videos: (k,). Raises SingleClassError if a class is absent."""
        return np.array([auc(logits, self.labels) for logits in self.logits])

    @cached_property
    def errors(self) -> ClusteredAucs:
        """Return the AUCs of the runs with how far each identity moves them, together in all runs. Raises SingleClassError."""
        return clustered_aucs(self.logits, self.labels, self.clusters)


def scored_videos(run: StoredRun) -> pd.DataFrame:
    """Read the scores of a run, pooled to a row for each video. Raises StoreError if there are none, ScoreError."""
    if not any_scores(run.folder):
        raise StoreError(f"its scores are gone from {run.folder}")
    return run.videos()


def aligned(runs: Sequence[pd.DataFrame], key: str) -> Aligned:
    """Align the scores of several runs in the test `key`; returns those of the videos that all of them scored.

    `runs`: a row for each video, as `scored_videos` returns them. Raises UsageError without a run, and RunError if a run
    tells of a video twice, or if two runs differ in the label or in the source identity of a video.
    """
    if not runs:
        raise UsageError("there are no runs to align")
    tables = [run[run["test"] == key].set_index("video_id") for run in runs]
    for table in tables:
        if not table.index.is_unique:
            repeated = table.index[table.index.duplicated()][0]
            raise RunError(f"a run has two scores of the video {repeated!r} of {key}")
    _refuse_differing(tables, key)
    scored = [table[table["status"] == Status.OK] for table in tables]
    common = scored[0].index
    for table in scored[1:]:
        common = common.intersection(table.index, sort=False)
    known = dict.fromkeys(str(video) for table in tables for video in table.index)
    kept = tuple(map(str, common))
    first = scored[0].loc[common]
    clusters: NDArray[np.int64] = np.unique(first["group"].to_numpy(dtype=str), return_inverse=True)[1]
    return Aligned(
        videos=kept,
        logits=np.array([table.loc[common, "logit"].to_numpy(dtype=np.float64) for table in scored]),
        labels=first["label"].to_numpy(dtype=np.int64),
        clusters=clusters,
        left_out=tuple(sorted(known.keys() - set(kept))),
        scored=tuple(frozenset(map(str, table.index)) for table in scored),
    )


def difference(
    scores: Aligned, *, seed: Sequence[int] | int = 0, draws: int = 2000, level: float = 0.95
) -> Interval:
    """Estimate by how much the mean AUC of the first half of the runs is above that of the second half.

    Of two runs, the interval is that of other identities. Of more, the runs of each half are trainings with the same seeds in
    the same order, and the interval is that of other identities and other seeds. `seed` begins the random numbers. Raises
    UsageError if the runs cannot be halved, SingleClassError if a class is absent.
    """
    between, by_seed = _halves(scores)
    if len(by_seed) == 1:
        return between.interval_of_difference(level=level)
    rngs = [np.random.default_rng([*np.atleast_1d(seed), part]) for part in (1, 2)]
    moved = between.draws_of_difference(rngs[0], count=draws)
    return interval_over_seeds(by_seed, moved, rng=rngs[1], level=level, bounds=(-1.0, 1.0))


def error_of_difference(scores: Aligned) -> Combination:
    """Return the difference that `difference` estimates, with its variance over other identities, and other seeds if there are
    several pairs: for its p value, and for the smallest difference that could have been found. Errors as of `difference`."""
    between, by_seed = _halves(scores)
    if len(by_seed) == 1:
        return between
    spread = float(np.var(by_seed, ddof=1)) / len(by_seed)
    of_seeds = Combination(0.0, spread, float(len(by_seed) - 1), between.identities)
    return independent_sum([between, of_seeds], [1.0, 1.0])


def _halves(scores: Aligned) -> tuple[Combination, NDArray[np.float64]]:
    """The difference of the mean AUCs of the halves over identities, and that of each pair."""
    count, rest = divmod(len(scores.logits), 2)
    if rest or not count:
        raise UsageError(f"{len(scores.logits)} runs cannot be compared half by half")
    found = scores.aucs()
    sides = np.repeat([1 / count, -1 / count], count)
    return scores.errors.combined(sides), found[:count] - found[count:]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Holds how two groups of runs differ in one test.

    `first` and `second` are the mean AUCs of the groups on the videos that all runs scored; `videos` is their number.
    `difference` is first minus second, with its interval. `p` is its two-sided p value against no difference, of this one
    comparison. `smallest` is the true difference that such a test finds in 80 of 100 cases. `only_first` and `only_second` count
    the videos that the other group did not score all. `left_out` lists the ids of videos that only some of the runs scored.
    `blank` says why too few videos are left to show the figures; "" if there are enough.
    """

    test: str
    first: float
    second: float
    difference: Interval
    videos: int
    left_out: tuple[str, ...]
    blank: str
    p: float = math.nan
    smallest: float = math.nan
    only_first: int = 0
    only_second: int = 0
    manipulation: str = ALL


def compare_runs(first: Sequence[pd.DataFrame], second: Sequence[pd.DataFrame]) -> list[Comparison]:
    """Compare two groups of runs, paired by their places, in each test that all of them scored; returns these in order.

    The runs are as `aligned` takes them. Raises UsageError if the groups are of different sizes or empty, and RunError if
    the runs have no test in common, or as `aligned`.
    """
    if len(first) != len(second) or not first:
        raise UsageError(
            f"{len(first)} and {len(second)} runs cannot be compared in pairs",
            hints=("give as many runs on either side: of each seed one",),
        )
    runs = [*first, *second]
    tests = [
        test for test in dict.fromkeys(runs[0]["test"]) if all((run["test"] == test).any() for run in runs)
    ]
    if not tests:
        raise RunError("the runs have no test in common, so that there is nothing to compare")
    return [comparison_of(aligned(runs, str(test)), str(test)) for test in tests]


def comparison_of(scores: Aligned, test: str, manipulation: str = ALL) -> Comparison:
    """Compare the first half of the runs with the second on the videos that all scored; returns the `Comparison`."""
    only = dict(zip(("only_first", "only_second"), scores.only, strict=True))
    if scores.blank:
        return Comparison(
            test=test,
            first=math.nan,
            second=math.nan,
            difference=Interval(math.nan, math.nan, math.nan),
            videos=len(scores.videos),
            left_out=scores.left_out,
            blank=scores.blank,
            manipulation=manipulation,
            **only,
        )
    found, error = scores.aucs(), error_of_difference(scores)
    half = len(found) // 2
    return Comparison(
        test=test,
        first=float(found[:half].mean()),
        second=float(found[half:].mean()),
        difference=difference(scores, seed=crc32(test.encode())),
        videos=len(scores.videos),
        left_out=scores.left_out,
        blank="",
        p=error.p_of_difference(),
        smallest=error.smallest_difference(),
        manipulation=manipulation,
        **only,
    )


def _refuse_differing(tables: Sequence[pd.DataFrame], key: str) -> None:
    """Raise RunError if two runs tell other facts of a video."""
    first = tables[0]
    for table in tables[1:]:
        common = first.index.intersection(table.index, sort=False)
        for fact in FACTS:
            ours, theirs = (part.loc[common, fact].to_numpy(dtype=str) for part in (first, table))
            if (differs := np.flatnonzero(ours != theirs)).size:
                where = differs[0]
                raise RunError(
                    f"the runs differ in the {fact} of the video {common[where]!r} of {key}: "
                    f"{ours[where]} and {theirs[where]}",
                    hints=("compare runs that were scored on the same list of videos",),
                )
