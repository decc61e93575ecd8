"""Everything that the scores of a run say of its detector, beyond the columns of a result table, also by groups of videos."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from dfbench.errors import UsageError
from dfbench.metrics import calibration, point
from dfbench.metrics.clustered import clustered_aucs
from dfbench.metrics.uncertainty import Interval
from dfbench.results.eligibility import too_few
from dfbench.results.tables import ALL
from dfbench.types import Status

if TYPE_CHECKING:
    import pandas as pd

GROUPINGS = ("manipulation", "compression", "split")
_UNDEFINED = Interval(math.nan, math.nan, math.nan)


@dataclass(frozen=True, slots=True)
class Measures:
    """What a detector did in a test, or in the part of it that `group` names: real and fake videos scored, and the figures.

    `auc` comes with its 95 % interval over source identities; the other `figures` by name, each as `dfbench.metrics` defines it.
    `blank` says why there are none.
    """

    test: str
    group: str
    real: int
    fake: int
    auc: Interval = _UNDEFINED
    figures: Mapping[str, float] = field(default_factory=dict)
    blank: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return what JSON holds of it; what is undefined or infinite becomes null."""
        numbers = {"auc": self.auc.point, "auc_low": self.auc.low, "auc_high": self.auc.high, **self.figures}
        return {
            "test": self.test,
            "group": self.group,
            "scored_real": self.real,
            "scored_fake": self.fake,
            **{name: value if math.isfinite(value) else None for name, value in numbers.items()},
            "blank": self.blank,
        }


def measures_of(videos: pd.DataFrame, *, by: str = "") -> list[Measures]:
    """Compute the measures of each test of a run, and of each group of its videos; returns them test by test, the whole first.

    `videos`: a row for each video, as `dfbench.runs.records.score_table.video_scores` returns them. `by`: one of GROUPINGS, ""
    for none. The fakes of a manipulation are measured against all reals of their test. Raises UsageError for another grouping.
    """
    if by and by not in GROUPINGS:
        raise UsageError(
            f"videos cannot be grouped by {by!r}", hints=(f"choose one of: {', '.join(GROUPINGS)}",)
        )
    found: list[Measures] = []
    for test, of_test in videos.groupby("test", sort=False, observed=True):
        parts = list(_parts(of_test, by)) if by else []
        found += [_measured(part, str(test), group) for group, part in [(ALL, of_test), *parts]]
    return found


def worst_groups(found: Sequence[Measures]) -> list[str]:
    """Say which group of each test has the lowest AUC, of those with figures; returns a sentence for each test with several."""
    lines = []
    for test in dict.fromkeys(one.test for one in found):
        groups = [one for one in found if one.test == test and one.group != ALL and not one.blank]
        if len(groups) > 1:
            worst = min(groups, key=lambda one: one.auc.point)
            lines.append(f"worst of {test}: {worst.group}, AUC {worst.auc.point:.3f}")
    return lines


def _parts(videos: pd.DataFrame, by: str) -> Iterator[tuple[str, pd.DataFrame]]:
    fakes = videos["label"] == 1
    names = list(dict.fromkeys(map(str, videos.loc[fakes, by])))
    for name in names if len(names) > 1 else ():  # an only group is the whole test
        mine = videos[by].astype(str) == name
        yield name, videos[mine | ~fakes] if by == "manipulation" else videos[mine]


def _measured(videos: pd.DataFrame, test: str, group: str) -> Measures:
    scored = videos[videos["status"] == Status.OK]
    labels = scored["label"].to_numpy(dtype=np.int64)
    clusters = np.unique(scored["group"].to_numpy(dtype=str), return_inverse=True)[1]
    fake = int(labels.sum())
    blank = too_few(labels, clusters)
    if blank:
        return Measures(test, group, len(labels) - fake, fake, blank=blank)
    logits = scored["logit"].to_numpy(dtype=np.float64)
    scores = scored["score"].to_numpy(dtype=np.float64)
    values = {
        "partial_auc_10": point.partial_auc(logits, labels, fpr=0.1),
        "tpr_at_fpr_1": point.tpr_at_fpr(logits, labels, fpr=0.01),
        "tpr_at_fpr_5": point.tpr_at_fpr(logits, labels, fpr=0.05),
        "ap": point.average_precision(logits, labels),
        "prevalence": point.prevalence(labels),
        "eer": point.eer(logits, labels),
        "accuracy": point.accuracy(scores, labels),
        "balanced_accuracy": point.balanced_accuracy(scores, labels),
        "brier": calibration.brier(scores, labels),
        "log_loss": calibration.log_loss(scores, labels),
        "ece": calibration.calibration_error(scores, labels),
        "ece_by_mass": calibration.calibration_error_by_mass(scores, labels),
    }
    interval = clustered_aucs([logits], labels, clusters).mean().interval()
    return Measures(test, group, len(labels) - fake, fake, interval, values)
