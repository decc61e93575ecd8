from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as oracle

from dfbench.errors import MetricError, SingleClassError
from dfbench.metrics import point

GOLDEN = Path(__file__).parent.parent / "golden" / "losses.npz"
QUICK = settings(deadline=None, max_examples=40)

Sample = tuple[NDArray[np.float64], NDArray[np.int64]]


@st.composite
def samples(draw: st.DrawFn) -> Sample:
    """Scores in [0, 1], often tied, with both classes."""
    size = draw(st.integers(2, 60))
    steps = draw(st.sampled_from([2, 5, 1000]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    labels = rng.integers(0, 2, size=size)
    labels[:2] = [0, 1]
    return rng.integers(0, steps + 1, size=size) / steps, labels


@QUICK
@given(samples())
def test_against_scikit_learn(sample: Sample) -> None:
    scores, labels = sample
    assert point.auc(scores, labels) == pytest.approx(oracle.roc_auc_score(labels, scores), abs=1e-12)
    expected = oracle.average_precision_score(labels, scores)
    assert point.average_precision(scores, labels) == pytest.approx(expected, abs=1e-12)
    called = scores >= 0.5
    assert point.accuracy(scores, labels) == pytest.approx(oracle.accuracy_score(labels, called))
    expected = oracle.balanced_accuracy_score(labels, called)
    assert point.balanced_accuracy(scores, labels) == pytest.approx(expected)
    fpr, tpr, _ = oracle.roc_curve(labels, scores, drop_intermediate=False)
    np.testing.assert_allclose(point.roc_curve(scores, labels), (fpr, tpr), atol=1e-12)


@QUICK
@given(samples())
def test_auc_is_the_share_of_won_pairs(sample: Sample) -> None:
    scores, labels = sample
    gap = scores[labels == 1][:, None] - scores[labels == 0][None, :]
    assert point.auc(scores, labels) == pytest.approx(((gap > 0) + (gap == 0) / 2).mean(), abs=1e-12)


@QUICK
@given(samples(), st.integers(0, 2**32))
def test_ranking_metrics_see_ranks_only(sample: Sample, seed: int) -> None:
    scores, labels = sample
    order = np.random.default_rng(seed).permutation(len(scores))
    for metric in (point.auc, point.average_precision, point.eer):
        value = metric(scores, labels)
        assert 0.0 <= value <= 1.0
        assert metric(scores[order], labels[order]) == pytest.approx(value, abs=1e-12)
        assert metric(np.exp(3 * scores) - 7, labels) == pytest.approx(value, abs=1e-12)
    assert point.auc(-scores, labels) == pytest.approx(1 - point.auc(scores, labels), abs=1e-12)
    assert point.eer(-scores, 1 - labels) == pytest.approx(point.eer(scores, labels), abs=1e-12)


@QUICK
@given(samples())
def test_eer_lies_on_the_curve(sample: Sample) -> None:
    fpr, tpr = point.roc_curve(*sample)
    rate = point.eer(*sample)
    # Joined by straight lines, the curve passes through (eer, 1 - eer): between two neighbours it has that height.
    after = int(np.argmax(fpr + tpr >= 1.0))
    assert fpr[after - 1] - 1e-12 <= rate <= fpr[after] + 1e-12
    assert tpr[after - 1] - 1e-12 <= 1 - rate <= tpr[after] + 1e-12


@pytest.mark.parametrize(
    ("scores", "auc", "eer"),
    [([0.1, 0.2, 0.8, 0.9], 1.0, 0.0), ([0.9, 0.8, 0.2, 0.1], 0.0, 1.0), ([0.5, 0.5, 0.5, 0.5], 0.5, 0.5)],
)
def test_perfect_reversed_and_constant_scores(scores: list[float], auc: float, eer: float) -> None:
    labels = np.array([0, 0, 1, 1])
    assert point.auc(np.array(scores), labels) == auc
    assert point.eer(np.array(scores), labels) == pytest.approx(eer, abs=1e-15)


def test_a_score_at_the_threshold_is_called_fake() -> None:
    assert point.accuracy(np.array([0.5]), np.array([1])) == 1.0
    assert point.accuracy(np.array([0.5]), np.array([1]), threshold=0.6) == 0.0


def test_prevalence() -> None:
    assert point.prevalence(np.array([0, 1, 1, 1])) == 0.75


def test_infinite_scores_still_rank() -> None:
    assert point.auc(np.array([-np.inf, 0.0, np.inf]), np.array([0, 0, 1])) == 1.0


@pytest.mark.parametrize("metric", [point.auc, point.average_precision, point.eer, point.balanced_accuracy])
@pytest.mark.parametrize("labels", [[0, 0], [1, 1]])
def test_a_single_class_is_refused(metric: point.Metric, labels: list[int]) -> None:
    with pytest.raises(SingleClassError, match="both needed"):
        metric(np.array([0.1, 0.2]), np.array(labels))


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        ([0.1, np.nan], [0, 1], "1 of 2 scores are NaN"),
        ([0.1], [0, 1], "one shape"),
        ([[0.1], [0.2]], [[0], [1]], "one shape"),
        ([0.1, 0.2], [0, 2], "labels must be"),
    ],
)
@pytest.mark.parametrize("metric", [point.auc, point.accuracy])
def test_unusable_input_is_refused(
    metric: Callable[[Any, Any], float], scores: Any, labels: Any, message: str
) -> None:
    with pytest.raises(MetricError, match=message):
        metric(np.array(scores), np.array(labels))


def test_undefined_without_scores() -> None:
    none = np.array([])
    for metric in (point.accuracy, lambda _, labels: point.prevalence(labels)):
        with pytest.raises(MetricError, match="undefined"):
            metric(none, none.astype(np.int64))


@pytest.mark.parametrize("level", ["clip", "video"])
def test_official_values(level: str) -> None:
    with np.load(GOLDEN, allow_pickle=False) as golden:
        logits = golden[f"metrics/{level}_logit"].astype(np.float64)
        labels = golden[f"metrics/{level}_label"].astype(np.int64)
        of = f"metrics/{level}/"
        expected = {name.removeprefix(of): float(golden[name]) for name in golden if name.startswith(of)}
    probs = 1 / (1 + np.exp(-logits))
    found = official(logits, probs, labels)
    assert found.keys() == expected.keys()
    for name in ("best_thr", "thr_var"):  # computed in float32 there
        assert found.pop(name) == pytest.approx(expected.pop(name), abs=1e-7), name
    assert found == pytest.approx(expected, abs=1e-9)
    # Their EER is a vertex of the ROC curve, ours lies between two: within one step of each other.
    step = 1 / min((labels == 0).sum(), (labels == 1).sum())
    assert abs(point.eer(logits, labels) - expected["eer"]) <= step


def official(
    logits: NDArray[np.float64], probs: NDArray[np.float64], labels: NDArray[np.int64]
) -> dict[str, float]:
    """What the official code prints, from our functions."""
    called, fake = probs >= point.DEFAULT_THRESHOLD, labels == 1
    # Precision, recall and specificity are accuracies among those called fake, among fakes and among reals.
    precision, recall, specificity = (
        point.accuracy(probs[some], labels[some]) for some in (called, fake, ~fake)
    )
    ap, ar = point.average_precision(logits, labels), point.balanced_accuracy(probs, labels)
    fpr, tpr = point.roc_curve(probs, labels)
    # Vertices in the middle of two equal steps are left out, and the others are ranked by their distance to (0, 1).
    moves = np.rint(np.diff([fpr * (~fake).sum(), tpr * fake.sum()])[:, 1:])
    corner = np.concatenate([[True], (np.diff(moves) != 0).any(axis=0), [True]])
    thresholds = np.unique(probs)[::-1][corner]
    nearest = np.argsort(np.hypot(fpr[1:], 1 - tpr[1:])[corner])
    return {
        "auc": point.auc(logits, labels),
        "ap": ap,
        "ar": ar,
        "mf1": 2 * ap * ar / (ap + ar),
        "acc": point.accuracy(probs, labels),
        "bacc": ar,
        "p": precision,
        "r": recall,
        "s": specificity,
        "f1": 2 * precision * recall / (precision + recall),
        "eer": float(fpr[np.argmin(np.abs(fpr - (1 - tpr)))]),
        "best_thr": float(thresholds[nearest[0]]),
        "thr_var": float(np.var(thresholds[nearest[:5]], ddof=1)),  # not explained there; found to be this
    }
