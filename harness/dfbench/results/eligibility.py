"""What may be shown as a figure, and what may be ranked: one rule for tables, means, seeds and boards.

Two scored videos of 700 can be told apart to the last of them, and one fake has an AUC too. A figure is blank where it
rests on fewer than ten scored videos of a class, since one video then moves the AUC by more than a tenth, or on fewer
than five source identities of a class, since a bootstrap of so few says nothing about others. An entry is ranked if at least 95 %
of the videos that the protocol expects were scored: those that fail are seldom the easy ones.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from dfbench.data.datasets.official import left_out, shortfall
from dfbench.metrics.uncertainty import FEWEST_CLUSTERS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from numpy.typing import NDArray

    from dfbench.runs.records.facts import ListFacts

FEWEST_VIDEOS = 10  # of each class
TOO_FEW = "too few to show"
NONE_SCORED = ("nothing scored", "no real scored", "no fake scored")


def too_few(labels: NDArray[np.int64], clusters: NDArray[np.int64]) -> str:
    """Say why a figure over these scored videos must stay blank; returns "" if it need not.

    Shapes: labels (n,), 0 real or 1 fake; clusters (n,), the source identity of each video.
    """
    fake = int((labels == 1).sum())
    real = len(labels) - fake
    if not real or not fake:
        return NONE_SCORED[bool(fake) + 2 * bool(real)]
    if min(real, fake) < FEWEST_VIDEOS:
        return f"{TOO_FEW}: {real} real and {fake} fake scored, {FEWEST_VIDEOS} of each are needed"
    people = [len(np.unique(clusters[labels == label])) for label in (0, 1)]
    if min(people) < FEWEST_CLUSTERS:
        named = f"{people[0]} source identities of reals and {people[1]} of fakes"
        return f"{TOO_FEW}: {named} scored, {FEWEST_CLUSTERS} of each are needed"
    return ""


def share(value: float) -> str:
    """A limit as a percentage: `95 %`."""
    return f"{100 * value:.4g} %"


def is_short(coverage: float, limit: float) -> bool:
    """Whether a coverage is below the limit; one that is not known is."""
    return math.isnan(coverage) or coverage < limit


def scored_of(row: Mapping[Any, Any]) -> str:
    """Scored beside expected videos of a row of a result table: `12/700`."""
    return f"{row['n_scored_real'] + row['n_scored_fake']}/{row['n_real'] + row['n_fake']}"


def list_notes(lists: ListFacts | None) -> list[str]:
    """Say what is amiss with the lists of a test; returns [] if nothing is, or nothing is known of them."""
    if lists is None:
        return []
    count = lists.n_problems
    unusable = (
        f"{count} {'entry' if count == 1 else 'entries'} of its lists or folders cannot be used"
        if count
        else ""
    )
    short = "" if lists.listed is None else shortfall(lists.listed, lists.official)
    return [note for note in (short, unusable, *left_out(lists.misspelt)) if note]
