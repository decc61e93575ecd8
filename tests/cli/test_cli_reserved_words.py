"""Manipulations that are called as tables call things are refused where data are read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.command import Dfbench, frame, write
from tests.cli.made_scores import score_without_work


@pytest.mark.parametrize("word", ["all", "Mean", "REAL", "real "])
def test_a_folder_called_as_tables_call_things(
    dfbench: Dfbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    root = write(tmp_path / "own", {"real/a.mp4": b"x", f"fake/{word}/b.mp4": b"x", "fake/Swap/c.mp4": b"x"})
    monkeypatch.setenv("DFBENCH_DATA__ROOTS__KODF", str(root))  # read in the layout of `folder`
    score_without_work(monkeypatch)
    run = ("run", "-d", "chance", "-p", "cross-dataset-full", "--only", "kodf")
    for command in (run, ("data", "check", "kodf")):
        ended = dfbench(*command)
        assert ended.code == 1, ended.out
        assert (
            f"kodf cannot be used: {root}/fake/{word}/b.mp4 is fake, of the manipulation {word!r}"
            in ended.err
        )
        assert f"  rename {root}/fake/{word}" in ended.err
    assert not list((tmp_path / "runs").glob("*"))
    (row,) = (row for row in json.loads(dfbench("data", "list", "--json").out) if row["dataset"] == "kodf")
    assert row["state"] == "BROKEN"


def test_a_list_that_names_such_a_manipulation(
    dfbench: Dfbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = "path,label,manipulation\na,real,\nb,fake, Mean \n"
    root = write(tmp_path / "own", {"a/1.png": frame(1), "b/1.png": frame(2), "videos.csv": lines.encode()})
    monkeypatch.setenv("DFBENCH_DATA__ROOTS__FOLDER", str(root))
    ended = dfbench("data", "check", "folder")
    assert ended.code == 1
    assert f"folder cannot be used: {root}/b is fake, of the manipulation 'Mean'" in ended.err
    assert f"correct it in {root}/videos.csv" in ended.err
