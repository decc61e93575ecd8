"""One command for several detectors, of which some are trained."""

from __future__ import annotations

import pytest

from dfbench.errors import UsageError
from dfbench.runs.planning.refusals import check_requests, check_scoring
from dfbench.runs.planning.requests import ScoringRequest
from dfbench.runs.planning.setup import Setup

FIELDS = {"recipe": "demo", "train_compression": "c23", "overrides": {"lr": "1e-4"}}


def test_a_recipe_is_for_those_that_train() -> None:
    names = ("fakestormer", "fakestormer-untrained", "chance")
    asked = [ScoringRequest(name, data="demo", seed=3, **FIELDS) for name in names]  # type: ignore[arg-type]
    setup = Setup()
    trained, *others = check_requests(asked, setup)
    assert trained == asked[0]
    assert others == [ScoringRequest(name, data="demo", seed=3) for name in names[1:]]
    for request in (trained, *others):  # as each is checked once more when it is carried out
        check_scoring(request, setup)
    with pytest.raises(UsageError, match="detector 'fakestormer-untrained' is not trained"):
        check_requests(asked[1:], setup)
