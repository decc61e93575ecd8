"""A plan for a training is refused if its validation score could not be told from other values."""

from __future__ import annotations

import pytest

from dfbench import PluginError
from dfbench.training import FitPlan


def test_a_validation_score_of_another_name_is_refused() -> None:
    with pytest.raises(PluginError, match="'auc'") as caught:
        FitPlan(rounds=1, steps=1, validate_every=1, monitor="auc", device="cpu")
    assert "'val_auc'" in caught.value.hints[0]
    assert FitPlan(rounds=1, steps=1, validate_every=1, monitor="val_auc", device="cpu").patience == 0
