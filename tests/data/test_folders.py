"""Why a folder cannot be used, whatever the system raises."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from dfbench.data.folders import ABSENT, folder_fault


def test_folders_files_and_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "link").symlink_to(tmp_path)
    assert folder_fault(tmp_path) == folder_fault(tmp_path / "link") == ""
    assert folder_fault(tmp_path / "file") == "a file, not a folder"
    assert folder_fault(tmp_path / "gone") == folder_fault(tmp_path / "file" / "inside") == ABSENT
    assert folder_fault(tmp_path / "loop") == os.strerror(errno.ELOOP)
    assert folder_fault(tmp_path / ("x" * 300)) == os.strerror(errno.ENAMETOOLONG)
    assert folder_fault(Path("a\0b")) == "no name of a folder"


@pytest.mark.parametrize("number", [errno.ESTALE, errno.EIO, errno.EACCES])
def test_a_disk_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def stat(path: object, **options: object) -> os.stat_result:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(os, "stat", stat)
    fault = folder_fault(tmp_path)
    monkeypatch.undo()
    assert fault == os.strerror(number)
