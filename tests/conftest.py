"""Every test gets its own cache and runs folder; nothing is read from or written to the user's.

Hypothesis draws the same examples in every run, so that main is as green tomorrow as it is today.
"""

from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest

hypothesis.settings.register_profile("dfbench", derandomize=True)
hypothesis.settings.load_profile("dfbench")


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DFBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DFBENCH_RUNS", str(tmp_path / "runs"))
    monkeypatch.delenv("DFBENCH_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
