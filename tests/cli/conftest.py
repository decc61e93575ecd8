"""What the tests of commands share."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.command import Dfbench, frame, in_process, write


@pytest.fixture
def dfbench(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Dfbench:
    return in_process(monkeypatch, capsys)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Two videos as folders of frames."""
    return write(tmp_path / "own videos", {"real/a/1.png": frame(1), "fake/b/1.png": frame(2)})
