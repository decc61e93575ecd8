"""Why a folder cannot be used, whatever the system raises."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from dfbench.data.folders import (
    ABSENT,
    below,
    folder_fault,
    make_below,
    require_below,
    unmakeable,
    unwritable,
)
from dfbench.errors import StoreError


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


def test_whether_a_folder_can_be_made_is_found_out_without_a_trace(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("nowhere")
    for name in (".", "new", "new/below/it"):
        assert unmakeable(tmp_path / name) == ""
    for name in ("file", "file/below", "file/below/it"):
        assert unmakeable(tmp_path / name) == f"{tmp_path / 'file'}: a file, not a folder"
    assert unmakeable(tmp_path / "link" / "below") == f"{tmp_path / 'link'}: no such folder"
    assert unmakeable(tmp_path / ("long" * 75)).endswith("File name too long")
    assert unmakeable(Path("/proc/new")) != ""
    for name in (".", "new/below"):
        assert unwritable(tmp_path / name) == ""
    assert unwritable(tmp_path / "file") == unmakeable(tmp_path / "file")
    assert unmakeable(Path("/proc")) == ""
    assert unwritable(Path("/proc")).startswith("/proc: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link"]


@pytest.mark.parametrize("name", ["", ".", "..", "/abs", "a/b", "../x", "a\\b", "a\0b"])
def test_a_name_of_several_folders_is_not_joined(tmp_path: Path, name: str) -> None:
    with pytest.raises(StoreError, match="no name of a single folder"):
        below(tmp_path, "faces", name, "x")


def test_names_of_single_folders_are_joined(tmp_path: Path) -> None:
    assert below(tmp_path, "a b", "..c", "é") == tmp_path / "a b" / "..c" / "é"
    assert below(tmp_path) == tmp_path


def test_a_folder_is_made_below_its_root_or_not_at_all(tmp_path: Path) -> None:
    root, other = tmp_path / "root", tmp_path / "other"
    assert make_below(root, root / "a" / "b") == root / "a" / "b"
    assert make_below(root, root / "a" / "b").is_dir()
    other.mkdir()
    (root / "out").symlink_to(other)
    (root / "up").symlink_to("..")
    (root / "loop").symlink_to(root / "loop")
    (root / "in").symlink_to(root / "a")
    for folder in (
        tmp_path,
        other,
        Path("/abs"),
        root / ".." / "other" / "x",
        root / "a" / ".." / "c",
        root / "out",
        root / "out" / "x",
        root / "up" / "other" / "x",
        root / "loop" / "x",
        root / "nul\0",
        tmp_path / "root2",
    ):
        with pytest.raises(StoreError, match="does not lie below"):
            make_below(root, folder)
    assert list(other.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "root"]
    assert make_below(root, root / "in" / "x").is_dir()
    (tmp_path / "linked").symlink_to(root)
    assert make_below(tmp_path / "linked", tmp_path / "linked" / "y").is_dir()
    assert require_below(root, root / "not" / "there") == root / "not" / "there"
    assert not (root / "not").exists()
