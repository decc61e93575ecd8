"""Names of files and folders that are not UTF-8, through every command that names them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from tests.cli.command import Dfbench, write

from dfbench.settings import load_settings

ROOT = os.fsdecode(b"videos \xfe")
ODD = os.fsdecode(b"caf\xe9 \xff.mp4")
SHOWN = r"caf\xe9 \xff.mp4"


@pytest.fixture(autouse=True)
def _odd_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two datasets in a folder of such a name."""
    root = tmp_path / ROOT
    names = (f"real/{ODD}", f"fake/caf\udce9/{'y' * 251}.mp4", "Celeb-real/id0_0000.mp4")
    write(
        root, dict.fromkeys(names, b"no video") | {"List_of_testing_videos.txt": b"1 Celeb-real/id0_0000.mp4"}
    )
    for dataset in ("FOLDER", "CELEB_DF_V2"):
        monkeypatch.setenv(f"DFBENCH_DATA__ROOTS__{dataset}", str(root))
    monkeypatch.setenv("DFBENCH_WORKERS", "1")


def test_names_are_listed_and_checked(dfbench: Dfbench, tmp_path: Path) -> None:
    listed = {one["dataset"]: one["root"] for one in json.loads(dfbench("data", "list", "--json").out)}
    assert listed["folder"] == str(tmp_path / r"videos \xfe")
    checked = dfbench("data", "check", "folder", "--deep", "--json")
    assert checked.code == 1
    assert (
        rf"{tmp_path}/videos \xfe/real/{SHOWN}: not a readable video"
        in json.loads(checked.out)["inspection"]["unreadable"][0]
    )
    added = dfbench("data", "add", "folder", tmp_path / ROOT)
    assert (added.code, added.out.splitlines()[-1]) == (2, "complete")
    assert r"videos \xfe" in dfbench("doctor").out


@pytest.mark.slow
def test_a_terminal_that_takes_nothing_but_utf8() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", "from dfbench.cli import main; main()", "data", "list"],
        env={**os.environ, "PYTHONIOENCODING": "ascii:strict"},
        capture_output=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert ended.stdout.isascii()


@pytest.mark.slow
def test_names_are_prepared_and_scored(dfbench: Dfbench, tmp_path: Path) -> None:
    prepared = dfbench("data", "prepare", "folder", "-d", "chance")
    assert (prepared.code, prepared.out) == (1, "undecodable\t2\n")
    status = dfbench("data", "status", "folder", "-d", "chance").out
    assert f"real/{SHOWN}\tundecodable\t{tmp_path}/videos \\xfe/real/{SHOWN}: not a readable video" in status
    rows = json.loads(dfbench("data", "status", "folder", "-d", "chance", "--json").out)
    assert [row["video"] for row in rows] == [f"real/{SHOWN}", rf"fake/caf\xe9/{'y' * 251}.mp4"]
    assert dfbench("run", "-d", "chance", "--only", "celeb_df_v2").code == 3
    (table,) = load_settings().runs.rglob("scores.parquet")
    (reason,) = pd.read_parquet(table)["reason"]
    assert reason.startswith("Celeb-real/id0_0000.mp4: ")  # below the root, whose folder is nobody's affair


@pytest.mark.parametrize("folder", ["CACHE", "RUNS"])
def test_what_is_written_needs_a_name_that_is_utf8(
    dfbench: Dfbench, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    monkeypatch.setenv(f"DFBENCH_{folder}", ROOT)
    assert dfbench("data", "list").code == 2
