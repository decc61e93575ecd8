"""Overrides of recipe fields on the command line."""

from __future__ import annotations

import pytest

from dfbench.errors import UsageError
from dfbench.runs.planning.recipes import parse_overrides


def test_pairs() -> None:
    assert parse_overrides(["lr=1e-4", " name = a=b "]) == {"lr": "1e-4", "name": "a=b"}


@pytest.mark.parametrize("pairs", [["lr"], ["=3"], ["lr=1", "lr=2"]])
def test_bad_pairs(pairs: list[str]) -> None:
    with pytest.raises(UsageError):
        parse_overrides(pairs)
