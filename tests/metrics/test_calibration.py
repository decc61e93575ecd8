"""Whether probabilities mean what they say, as other programs compute it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from dfbench.errors import MetricError
from dfbench.metrics import calibration, point

ORACLE = json.loads((Path(__file__).parents[1] / "golden" / "statistics.json").read_text(encoding="utf-8"))
CASES = ORACLE["calibration"]["cases"]


def measured(probabilities: Any, labels: Any) -> dict[str, float]:
    values, truth = np.array(probabilities, dtype=np.float64), np.array(labels)
    return {
        "brier": calibration.brier(values, truth),
        "log_loss": calibration.log_loss(values, truth),
        "ece15_width_right_closed": calibration.calibration_error(values, truth),
        "ece10_width_right_closed": calibration.calibration_error(values, truth, bins=10),
        "ece15_mass": calibration.calibration_error_by_mass(values, truth),
    }


@pytest.mark.parametrize("name", CASES)
def test_measures_are_those_of_other_programs(name: str) -> None:
    case = CASES[name]
    logits, labels = np.array(case["test"]["logits"]), case["test"]["labels"]
    for scale, stored in (
        (1.0, case["measures_test"]["raw"]),
        (case["temperature"]["T"], case["measures_test"]["temperature"]),
    ):
        found = measured(expit(logits / scale), labels)
        assert found == pytest.approx({key: stored[key] for key in found}, rel=1e-8)


def test_probabilities_on_edges_and_certain_ones() -> None:
    edges = ORACLE["calibration"]["edges"]
    found = measured(edges["probabilities"], edges["labels"])
    stored = edges["measures"]
    assert found.pop("log_loss") == np.inf
    assert found == pytest.approx({key: stored[key] for key in found}, rel=1e-12)


def test_what_is_no_probability_is_refused() -> None:
    for values, words in (([1.2, 0.1], r"lie in \[0, 1\]"), ([], "no probabilities"), ([np.nan, 0.0], "NaN")):
        labels = np.arange(len(values)) % 2
        for measure in (calibration.brier, calibration.log_loss, calibration.calibration_error):
            with pytest.raises(MetricError, match=words):
                measure(np.array(values), labels)


@pytest.mark.parametrize("name", list(ORACLE["roc"]))
def test_partial_areas_and_rates_are_those_of_other_programs(name: str) -> None:
    data = ORACLE["datasets"][name]
    labels = np.array(data["labels"])
    for one, stored in ORACLE["roc"][name].items():
        scores = np.array(data["scores"][one])
        for fpr, partial in stored["pauc"].items():
            assert point.partial_auc(scores, labels, fpr=float(fpr)) == pytest.approx(
                partial["mcclish"], rel=1e-10
            )
        for fpr, rate in stored["tpr_at_fpr"].items():
            assert point.tpr_at_fpr(scores, labels, fpr=float(fpr)) == pytest.approx(rate["step"], abs=1e-12)


def test_rates_beyond_all_are_refused() -> None:
    scores, labels = np.arange(4.0), np.array([0, 1, 0, 1])
    assert point.partial_auc(scores, labels, fpr=1.0) == pytest.approx(point.auc(scores, labels))
    assert point.tpr_at_fpr(scores, labels, fpr=1.0) == 1.0
    for fpr in (0.0, 1.5):
        with pytest.raises(MetricError, match="false positive rate"):
            point.partial_auc(scores, labels, fpr=fpr)
    with pytest.raises(MetricError, match="false positive rate"):
        point.tpr_at_fpr(scores, labels, fpr=-0.1)
