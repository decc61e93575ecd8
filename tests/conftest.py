"""Every test gets its own cache and runs folder; nothing is read from or written to the user's."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DFBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DFBENCH_RUNS", str(tmp_path / "runs"))
    monkeypatch.delenv("DFBENCH_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
