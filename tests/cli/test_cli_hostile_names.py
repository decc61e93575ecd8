"""Names out of other people's files, through the commands that make folders: nothing is made outside of cache and runs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.cli.command import Dfbench, write
from tests.cli.made_scores import celeb, score_without_work

from dfbench.errors import StoreError
from dfbench.results.boards.stored import collect
from dfbench.runs.evidence.recorded import open_run
from dfbench.runs.planning.setup import Setup
from dfbench.settings import load_settings

NAMES = ["/../../../X", "official"]  # tests/data/test_inventory.py has more


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = celeb(tmp_path / "celeb", reals=12, fakes=12, card=(12, 12))
    monkeypatch.setenv("DFBENCH_DATA__ROOTS__CELEB_DF_V2", str(root))
    return root


def files(folder: Path) -> set[str]:
    return {os.path.join(path, name) for path, _, names in os.walk(folder) for name in names}  # noqa: PTH118


def test_a_hostile_corpus_file_is_refused_by_each_command(
    dfbench: Dfbench, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    score_without_work(monkeypatch)
    counts = {"test": {"real": 12, "fake": 12}}
    before = files(tmp_path)
    for name in (*NAMES, str(tmp_path / "abs")):
        (root / "dfbench-corpus.json").write_text(json.dumps({"corpus": name, "official": counts}))
        for command in (
            ("data", "check", "celeb_df_v2"),
            ("data", "prepare", "celeb_df_v2", "-d", "chance"),
            ("run", "-d", "chance", "--dataset", "celeb_df_v2"),
        ):
            ended = dfbench(*command)
            told = " ".join(ended.err.split())
            assert (ended.code, "dfbench-corpus.json cannot be used" in told) == (1, True), (name, command)
            assert "complete" not in ended.out
    assert files(tmp_path) == before


def test_a_hostile_record_is_left_out_of_the_board(
    dfbench: Dfbench, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    score_without_work(monkeypatch)
    for seed in "01":
        assert dfbench("run", "-d", "chance", "--dataset", "celeb_df_v2", "--seed", seed).code == 0
    path, _ = sorted(Path("runs").glob("*/run.json"))
    record = json.loads(path.read_text())
    before = files(tmp_path)
    for name in ("/abs", "/../../../X", "..", "\u043efficial", str(tmp_path / "abs")):
        hostile: list[dict[str, Any]] = [
            {"corpus": name},
            {"protocol": f"dataset:{name}"},
            {"detector": {**record["detector"], "name": name}},
            {"datasets": {name: {}}},
        ]
        for fields in hostile:
            path.write_text(json.dumps({**record, **fields}))
            (problem,) = [run.problem for run in collect(Path("runs"), Setup()) if run.problem]
            assert problem.startswith("run.json is damaged: ")
            assert ascii(name) in problem or len(name) > 64
            with pytest.raises(StoreError, match=r"run\.json is damaged"):
                open_run(str(path.parent), load_settings())
    ended = dfbench("leaderboard", "--dataset", "celeb_df_v2")
    assert (ended.code, "left out: " in " ".join(ended.out.split())) == (0, True), ended.err
    made = {Path(one).relative_to(tmp_path).parts[:3] for one in files(tmp_path) - before}
    assert made == {("runs", "leaderboards", "dataset=celeb_df_v2-mine")}


def test_boards_are_not_written_through_a_link(
    dfbench: Dfbench, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    score_without_work(monkeypatch)
    assert dfbench("run", "-d", "chance", "--dataset", "celeb_df_v2").code == 0
    victim = write(tmp_path / "victim", {"leaderboard.csv": b"mine"})
    (Path("runs") / "leaderboards").symlink_to(victim)
    ended = dfbench("leaderboard", "--dataset", "celeb_df_v2")
    assert (ended.code, "chance (seed 0)" in ended.out) == (0, True), ended.err
    assert "write it elsewhere: --out FOLDER" in ended.err
    assert files(victim) == {str(victim / "leaderboard.csv")}
    assert (victim / "leaderboard.csv").read_bytes() == b"mine"


def test_faces_are_not_written_through_a_link(dfbench: Dfbench, root: Path, tmp_path: Path) -> None:
    cache, victim = tmp_path / "cache", tmp_path / "victim"
    (cache / "faces").mkdir(parents=True)
    victim.mkdir()
    (cache / "faces" / "mine").symlink_to(victim)
    ended = dfbench("data", "prepare", "celeb_df_v2", "-d", "chance")
    assert (ended.code, "does not lie below" in " ".join(ended.err.split())) == (1, True)
    assert files(victim) == set()
