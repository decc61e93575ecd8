"""The small demo corpora, written once for all tests here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from dfbench.progress import SilentProgress
from dfbench_plugins.demo.corpora import write

SEED = 3


@pytest.fixture(scope="session")
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    write(folder, size="small", seed=SEED, progress=SilentProgress())
    return folder


@pytest.fixture(scope="session")
def demo_roots(demo_folder: Path) -> Mapping[str, Path]:
    return write(demo_folder, size="small", seed=SEED, progress=SilentProgress())
