"""What the tests of commands share."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.command import Dfbench, frame, write


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Two videos as folders of frames."""
    return write(tmp_path / "own videos", {"real/a/1.png": frame(1), "fake/b/1.png": frame(2)})


@pytest.fixture
def on_demo(
    dfbench: Dfbench, demo_folder: Path, shared_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> Dfbench:
    """Commands on the small demo corpora (`--data demo --size small`), whose faces all tests share, prepared by one process."""
    monkeypatch.setenv("DFBENCH_CACHE", str(shared_cache))
    monkeypatch.setenv("DFBENCH_WORKERS", "1")
    return dfbench
