"""What the scores of a run say beyond its result table."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from dfbench.errors import UsageError
from dfbench.results.measures import Measures, measures_of, worst_groups
from dfbench.results.renderings.measures import measures_tables
from dfbench.results.terminal import plain_console


def videos(people: int = 40) -> pd.DataFrame:
    """A real, an easy and a hard fake of each person, in two tests; the second knows one manipulation."""
    rng = np.random.default_rng(0)
    parts = []
    for test in ("ffpp/c23", "dfd"):
        number = np.arange(3 * people)
        manipulation = np.array(["real", "hard", "easy"])[number % 3]
        logit = rng.normal(size=len(number)) + np.array([0.0, 0.5, 3.0])[number % 3]
        part = pd.DataFrame(
            {
                "test": test,
                "video_id": [f"v{one}" for one in number],
                "label": (number % 3 > 0).astype(int),
                "manipulation": manipulation,
                "compression": np.where(number % 2, "c23", "c40"),
                "split": "test",
                "group": [f"g{one // 3}" for one in number],
                "logit": logit,
                "score": 1 / (1 + np.exp(-logit)),
                "status": "ok",
            }
        )
        parts.append(part if test != "dfd" else part[part["manipulation"] != "easy"])
    return pd.concat(parts, ignore_index=True)


def test_whole_tests_are_measured_as_other_programs_do() -> None:
    table = videos()
    failed = table.index < 2
    table["status"] = table["status"].mask(failed, "no_face")
    table["logit"] = table["logit"].mask(failed)
    found = measures_of(table)
    assert [(one.test, one.group) for one in found] == [("ffpp/c23", "all"), ("dfd", "all")]
    first = table[(table["test"] == "ffpp/c23") & (table["status"] == "ok")]
    assert (found[0].real, found[0].fake) == (39, 79)
    assert found[0].auc.point == pytest.approx(roc_auc_score(first["label"], first["logit"]))
    assert found[0].auc.low < found[0].auc.point < found[0].auc.high
    values = found[0].figures
    assert values["ap"] == pytest.approx(average_precision_score(first["label"], first["logit"]))
    assert values["brier"] == pytest.approx(brier_score_loss(first["label"], first["score"]))
    assert values["log_loss"] == pytest.approx(log_loss(first["label"], first["score"]))
    standardised = roc_auc_score(first["label"], first["logit"], max_fpr=0.1)
    assert values["partial_auc_10"] == pytest.approx(standardised)
    assert values["tpr_at_fpr_1"] <= values["tpr_at_fpr_5"]
    reals = np.sort(first.loc[first["label"] == 0, "logit"])
    above = (first.loc[first["label"] == 1, "logit"] > reals[-1]).mean()
    assert values["tpr_at_fpr_1"] == pytest.approx(above)  # of 39 reals none may be called fake


def test_groups_of_videos_and_the_worst_of_them() -> None:
    found = measures_of(videos(), by="manipulation")
    assert [(one.test, one.group) for one in found] == [
        ("ffpp/c23", "all"),
        ("ffpp/c23", "hard"),
        ("ffpp/c23", "easy"),
        ("dfd", "all"),  # whose only manipulation is all of it
    ]
    assert [(one.real, one.fake) for one in found] == [(40, 80), (40, 40), (40, 40), (40, 40)]
    assert found[1].auc.point < found[0].auc.point < found[2].auc.point
    assert worst_groups(found) == [f"worst of ffpp/c23: hard, AUC {found[1].auc.point:.3f}"]
    apart = measures_of(videos(), by="compression")
    assert [one.real + one.fake for one in apart[1:3]] == [
        60,
        60,
    ]  # the reals of a compression with its fakes
    with pytest.raises(UsageError, match="cannot be grouped by 'colour'"):
        measures_of(videos(), by="colour")


def test_what_rests_on_too_little_is_blank() -> None:
    found = measures_of(videos(people=6), by="manipulation")
    assert all(math.isnan(one.auc.point) and "too few to show" in one.blank for one in found)
    assert worst_groups(found) == []
    text = shown(found)
    assert "ffpp/c23, hard: too few to show: 6 real and 6 fake scored" in text
    json.dumps([one.to_json() for one in found], allow_nan=False)
    assert found[0].to_json()["auc"] is None


def test_no_number_is_cut() -> None:
    found = measures_of(videos(), by="manipulation")
    text = shown(found)
    for one in found:
        for name in ("partial_auc_10", "tpr_at_fpr_5", "brier", "log_loss", "ece", "ece_by_mass"):
            assert f"{one.figures[name]:.3f}" in text


def shown(found: list[Measures]) -> str:
    console = plain_console(width=120)
    with console.capture() as captured:
        for table in measures_tables(found):
            console.print(table)
    return captured.get()
