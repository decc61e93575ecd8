"""Point metrics of a binary detector, in pure numpy, each with one exact definition.

The positive class is fake everywhere: labels are 0 (real) or 1 (fake) and a higher score means more fake. The
ranking metrics (`auc`, `average_precision`, `eer`) take any monotone score, logits included;
the threshold metrics take scores in [0, 1]. The level (clip or video) is that of what is passed in.

All functions: scores (n,) float64 without NaN, labels (n,) integer or bool. They raise MetricError for wrong
shapes, NaN or other labels, and SingleClassError where reals and fakes are both needed but one is absent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfbench.errors import MetricError, SingleClassError

Scores = NDArray[np.float64]
Labels = NDArray[np.integer[Any]]
Metric = Callable[[Scores, Labels], float]

DEFAULT_THRESHOLD = 0.5


def checked(scores: Scores, labels: Labels) -> tuple[Scores, NDArray[np.bool_]]:
    """The scores as float64 and "is fake" as bool, once both are known to be usable."""
    values = np.asarray(scores, dtype=np.float64)
    truth = np.asarray(labels)
    if values.ndim != 1 or values.shape != truth.shape:
        raise MetricError(f"scores {values.shape} and labels {truth.shape} must both be of one shape (n,)")
    if np.isnan(values).any():
        raise MetricError(f"{int(np.isnan(values).sum())} of {len(values)} scores are NaN")
    fake = truth == 1
    if not (fake | (truth == 0)).all():
        raise MetricError("labels must be 0 (real) or 1 (fake)")
    return values, fake


def _both_classes(scores: Scores, labels: Labels) -> tuple[Scores, NDArray[np.bool_]]:
    values, fake = checked(scores, labels)
    n_fake = int(fake.sum())
    if n_fake == 0 or n_fake == len(fake):
        raise SingleClassError(f"reals and fakes are both needed, got {len(fake) - n_fake} and {n_fake}")
    return values, fake


def _counts_above(scores: Scores, fake: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Reals and fakes at or above each distinct score, highest score first: (k,) and (k,)."""
    distinct, where = np.unique(scores, return_inverse=True)
    fakes = np.bincount(where[fake], minlength=len(distinct))[::-1]
    reals = np.bincount(where[~fake], minlength=len(distinct))[::-1]
    return np.cumsum(reals), np.cumsum(fakes)


def roc_curve(scores: Scores, labels: Labels) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """False and true positive rates from (0, 0) to (1, 1), one vertex a distinct score: (k + 1,) each."""
    reals, fakes = _counts_above(*_both_classes(scores, labels))
    return np.append(0.0, reals / reals[-1]), np.append(0.0, fakes / fakes[-1])


def auc(scores: Scores, labels: Labels) -> float:
    """Area under the ROC curve: P(fake scores above real) + P(tie) / 2, in [0, 1]; chance is 0.5.

    Source: Mann & Whitney 1947; Hanley & McNeil 1982.
    """
    reals, fakes = _counts_above(*_both_classes(scores, labels))
    new_reals = np.diff(reals, prepend=0)
    fakes_above = fakes - np.diff(fakes, prepend=0)
    # Twice the number of won pairs is a whole number, so nothing is rounded before the division.
    twice_won = int((new_reals * (fakes + fakes_above)).sum())
    return twice_won / (2 * int(reals[-1]) * int(fakes[-1]))


def average_precision(scores: Scores, labels: Labels) -> float:
    """Sum over distinct thresholds of precision x gain in recall, without interpolation, in (0, 1].

    Chance is `prevalence`, so AP is never to be read without it. Source: scikit-learn's definition.
    """
    reals, fakes = _counts_above(*_both_classes(scores, labels))
    gain = np.diff(fakes, prepend=0) / fakes[-1]
    return float((gain * (fakes / (fakes + reals))).sum())


def eer(scores: Scores, labels: Labels) -> float:
    """Equal error rate in [0, 1]: where the linearly interpolated ROC curve meets fpr = 1 - tpr.

    Vertices are joined by straight lines, as they are in `auc` (a group of ties is one segment). This differs
    by up to one step from "fpr at argmin |fpr - fnr|", which the official FakeSTormer and DeepfakeBench code
    prints, and it does not depend on which of two equally near vertices comes first.
    """
    fpr, tpr = roc_curve(scores, labels)
    gap = fpr + tpr - 1.0  # rises from -1 to 1, never falls
    after = int(np.argmax(gap >= 0.0))
    share = -gap[after - 1] / (gap[after] - gap[after - 1])
    return float(fpr[after - 1] + share * (fpr[after] - fpr[after - 1]))


def partial_auc(scores: Scores, labels: Labels, *, fpr: float) -> float:
    """Area under the ROC curve up to a false positive rate `fpr` in (0, 1], corrected to 0.5 for chance and 1 for perfect.

    A group of ties that reaches beyond `fpr` is cut by linear interpolation. Below 0.5 for a detector that is worse than chance
    there. Source: McClish 1989, Medical Decision Making 9:190-195.
    """
    if not 0 < fpr <= 1:
        raise MetricError(f"a false positive rate must be above 0 and at most 1, got {fpr}")
    x, y = roc_curve(scores, labels)
    after = int(np.argmax(x >= fpr))  # of a vertical piece at `fpr` the lower end
    end = y[after - 1] + (y[after] - y[after - 1]) * (fpr - x[after - 1]) / (x[after] - x[after - 1])
    area = float(np.trapezoid(np.append(y[:after], end), np.append(x[:after], fpr)))
    least = fpr**2 / 2
    return 0.5 * (1 + (area - least) / (fpr - least))


def tpr_at_fpr(scores: Scores, labels: Labels, *, fpr: float) -> float:
    """Largest share of fakes that a threshold finds at which no more than a share `fpr` of the reals is called fake, in [0, 1].

    A threshold that exists, without interpolation between two of them.
    """
    if not 0 <= fpr <= 1:
        raise MetricError(f"a false positive rate must lie in [0, 1], got {fpr}")
    reals, fakes = _counts_above(*_both_classes(scores, labels))
    # Counts, because 1 - 0.9 is less than 0.1: so many reals may be called fake.
    most = int(fpr * int(reals[-1]) + 1e-9)
    allowed = reals <= most
    return float(fakes[allowed][-1] / fakes[-1]) if allowed.any() else 0.0


def accuracy(scores: Scores, labels: Labels, *, threshold: float = DEFAULT_THRESHOLD) -> float:
    """Share of right decisions when a score at or above `threshold` is called fake."""
    values, fake = checked(scores, labels)
    if not len(values):
        raise MetricError("accuracy of no scores is undefined")
    return float(((values >= threshold) == fake).mean())


def balanced_accuracy(scores: Scores, labels: Labels, *, threshold: float = DEFAULT_THRESHOLD) -> float:
    """Mean of the recalls of reals and fakes at `threshold`; chance is 0.5 whatever the prevalence."""
    values, fake = _both_classes(scores, labels)
    called = values >= threshold
    return float((called[fake].mean() + (~called[~fake]).mean()) / 2)


def prevalence(labels: Labels) -> float:
    """Share of fakes: the AP of a detector that knows nothing."""
    _, fake = checked(np.zeros(np.shape(labels)), labels)
    if not len(fake):
        raise MetricError("the prevalence of no labels is undefined")
    return float(fake.mean())
