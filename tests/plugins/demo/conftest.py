"""The small demo corpora, where the tests of the command line find them too."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from dfbench.progress import SilentProgress
from dfbench_plugins.demo.corpora import write

SEED = 0


@pytest.fixture(scope="session")
def demo_folder(shared_cache: Path) -> Path:
    folder = shared_cache / "corpora" / "demo-small"
    write(folder, size="small", seed=SEED, progress=SilentProgress())
    return folder


@pytest.fixture(scope="session")
def demo_roots(demo_folder: Path) -> Mapping[str, Path]:
    return write(demo_folder, size="small", seed=SEED, progress=SilentProgress())
