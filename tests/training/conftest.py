"""Two processes that tests of several ranks share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.training.children import Ranks, child


@pytest.fixture(scope="session")
def ranks() -> Iterator[Ranks]:
    """Two processes that train together, started by the first test that calls them."""
    with child() as first, child() as second:
        yield Ranks((first, second))
