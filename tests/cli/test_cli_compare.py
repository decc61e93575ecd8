"""`dfbench compare`: which of several stored runs are better."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.command import Dfbench
from tests.cli.made_scores import celeb, score_without_work


@pytest.fixture
def runs(dfbench: Dfbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of two complete runs of "chance" on twelve reals and twelve fakes."""
    root = celeb(tmp_path / "celeb", reals=12, fakes=12, card=(12, 12))
    monkeypatch.setenv("DFBENCH_DATA__ROOTS__CELEB_DF_V2", str(root))
    score_without_work(monkeypatch)
    for seed in ("0", "1"):
        ended = dfbench("run", "-d", "chance", "--only", "celeb_df_v2", "--seed", seed)
        assert ended.code == 0, ended.err
    return sorted(folder.name for folder in (tmp_path / "runs").iterdir() if folder.name != "leaderboards")


def test_runs_are_compared_by_name_and_by_folder(dfbench: Dfbench, runs: list[str], tmp_path: Path) -> None:
    ended = dfbench("compare", *runs, "--figure", tmp_path / "d.png")
    assert ended.code == 0, ended.err
    assert f"A: {runs[0]}" in ended.out
    assert f"B: {runs[1]}" in ended.out
    assert f"on celeb_df_v2, {runs[0]} and {runs[1]} cannot be told apart" in ended.out
    assert (tmp_path / "d.png").stat().st_size > 5000
    folders = [tmp_path / "runs" / name for name in runs]
    found = json.loads(dfbench("compare", *folders, "--json").out)
    (row,) = found
    assert (row["test"], row["first"], row["second"], row["videos"]) == ("celeb_df_v2", *runs, 24)
    assert row["told_apart"] is False


def test_what_cannot_be_compared_is_told(dfbench: Dfbench, runs: list[str], tmp_path: Path) -> None:
    for arguments, words in (
        ((runs[0],), "at least two runs"),
        ((runs[0], runs[0]), "a run is named twice"),
        ((*runs, "--test", "dfd"), "no two of the runs have the test dfd"),
        ((*runs, "--figure", "d.doc"), "cannot be written as d.doc"),
        ((runs[0], runs[1][:-1] + "zz"), "there is no run"),
    ):
        ended = dfbench("compare", *arguments)
        assert ended.code == 2, arguments
        assert words in ended.err
    scores = next((tmp_path / "runs" / runs[1]).glob("scores*.parquet"))
    scores.write_bytes(scores.read_bytes() + b"\0")
    ended = dfbench("compare", *runs)
    assert ended.code == 1
    assert f"{runs[1]} is not to be trusted" in ended.err
    assert f"dfbench runs verify {runs[1]}" in ended.err
