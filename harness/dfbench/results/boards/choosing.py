"""Which of the stored runs stand on a board: one for each entry and weights, and on which lists of videos."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dfbench.results.boards.stored import BoardRun
from dfbench.results.eligibility import is_short
from dfbench.results.tables import MEAN
from dfbench.runs.records.entries import with_weights


@dataclass(frozen=True, slots=True)
class Chosen:
    """The runs of a board. `manifests`: the digest of the list of videos of each test, by its key; `hidden`: how many other
    runs of the same entry the run in a folder hides."""

    runs: tuple[BoardRun, ...]
    manifests: Mapping[str, str]
    hidden: Mapping[Path, int]


def choose_runs(usable: Sequence[BoardRun], *, min_coverage: float) -> Chosen:
    """Choose a run for each entry and weights; returns them with names that differ.

    It is the newest of those that score the board's lists of videos, and among them of those with the most tests, and of
    these with a coverage that is ranked: a later trial on a part of the protocol, or without a disk, does not hide the whole.
    """
    manifests = _reference_manifests(usable)
    chosen: dict[tuple[str, str], BoardRun] = {}
    hidden: Counter[Path] = Counter()

    def worth(run: BoardRun) -> tuple[object, ...]:
        covers = not is_short(lowest_of(run)["coverage"], min_coverage)
        return same_videos(run, manifests), len(run.manifests), covers, run.record.ended, run.folder.name

    for run in sorted(usable, key=worth, reverse=True):
        shown = chosen.setdefault((run.entry, run.weights), run)
        hidden[shown.folder] += shown is not run
    return Chosen(_told_apart(list(chosen.values())), manifests, hidden)


def unusable(runs: Sequence[BoardRun], wanted: Sequence[BoardRun], usable: Sequence[BoardRun]) -> list[str]:
    """A sentence for each run of `runs` that should be on the board of the `wanted` ones, and cannot be."""
    return [
        f"{run.folder.name}: {run.problem}"
        for run in runs
        if run.problem and (run in wanted or not run.corpus) and not _done_since(run, usable)
    ]


def lowest_of(run: BoardRun) -> dict[Any, Any]:
    """The row of the result table of the test of which the smallest share was scored."""
    rows = run.whole()
    records: list[dict[Any, Any]] = rows[rows["test"] != MEAN].to_dict("records")
    return min(records, key=lambda row: -1.0 if math.isnan(row["coverage"]) else float(row["coverage"]))


def same_videos(run: BoardRun, manifests: Mapping[str, str]) -> bool:
    """Whether a run was scored on the board's list of videos in each of its tests."""
    return all(manifests[key] == digest for key, digest in run.manifests.items())


def _done_since(run: BoardRun, usable: Sequence[BoardRun]) -> bool:
    """Whether a run that never ended was begun before one of the same entry that did: nobody waits for it any more."""
    return (
        bool(run.entry)
        and not run.record.complete
        and any(
            (other.entry, other.weights) == (run.entry, run.weights) and other.record.ended > run.record.began
            for other in usable
        )
    )


def _told_apart(runs: Sequence[BoardRun]) -> tuple[BoardRun, ...]:
    """`runs` with a hash of the weights in the names that several have; their families, without a seed, stay."""
    counts = Counter(run.entry for run in runs)
    return tuple(
        replace(run, entry=with_weights(run.entry, run.weights)) if counts[run.entry] > 1 else run
        for run in runs
    )


def _reference_manifests(runs: Sequence[BoardRun]) -> dict[str, str]:
    """The list of videos of each test that most entries were scored on; of equally many, the newest.

    Lists that differ from the published counts have no vote where there is one that does not.
    """
    votes: dict[str, Counter[str]] = {}
    whole = {key for run in runs for key in run.manifests if not run.lists(key)}
    ballots = dict.fromkeys(
        ((run.entry, run.weights), key, digest)
        for run in sorted(runs, key=lambda one: one.record.ended, reverse=True)
        for key, digest in run.manifests.items()
        if key not in whole or not run.lists(key)
    )
    for _, key, digest in ballots:
        votes.setdefault(key, Counter())[digest] += 1
    return {key: counted.most_common(1)[0][0] for key, counted in votes.items()}
