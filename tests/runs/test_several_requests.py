"""One command for several detectors, of which some are trained."""

from __future__ import annotations

import pytest

from dfbench.errors import UsageError
from dfbench.hooks.host import Host
from dfbench.runs.planning.refusals import check_request, check_requests
from dfbench.runs.planning.stage import RunRequest
from dfbench.settings import load_settings

FIELDS = {"recipe": "demo", "train_compression": "c23", "overrides": {"lr": "1e-4"}}


def test_a_recipe_is_for_those_that_train() -> None:
    names = ("fakestormer", "fakestormer-untrained", "chance")
    asked = [RunRequest(name, data="demo", seed=3, **FIELDS) for name in names]  # type: ignore[arg-type]
    trained, *others = check_requests(asked)
    assert trained == asked[0]
    assert others == [RunRequest(name, data="demo", seed=3) for name in names[1:]]
    registry, settings = Host.load().registry, load_settings()
    for request in (trained, *others):  # as each is checked once more when it is carried out
        check_request(request, registry, settings)
    with pytest.raises(UsageError, match="detector 'fakestormer-untrained' is not trained"):
        check_requests(asked[1:])
