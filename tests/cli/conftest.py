"""What the tests of the command line share: a cache, so that the small demo corpora are made once."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder. Whoever changes what is in it works on a copy."""
    return tmp_path_factory.mktemp("cache")
