"""Tests of several hypotheses at once."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dfbench.errors import MetricError
from dfbench.metrics.several import holm

ADJUSTED = json.loads((Path(__file__).parents[1] / "golden" / "statistics.json").read_text(encoding="utf-8"))[
    "p_adjust_R"
]


@pytest.mark.parametrize("name", list(ADJUSTED))
def test_adjusted_p_values_are_those_of_r(name: str) -> None:
    assert holm(ADJUSTED[name]["p"]) == pytest.approx(ADJUSTED[name]["holm"], rel=1e-12)


def test_what_was_not_tested_counts_as_no_test() -> None:
    found = holm([0.01, np.nan, 0.04])
    assert found[[0, 2]] == pytest.approx([0.02, 0.04])
    assert np.isnan(found[1])
    assert holm([]).shape == (0,)
    assert np.isnan(holm([np.nan])).all()
    with pytest.raises(MetricError, match=r"\[0, 1\]"):
        holm([1.2])
