"""A list that lost most of its lines, files that are gone, and tests of a few videos: what a run and a board make of it."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.cli.command import Dfbench, write
from tests.cli.made_scores import celeb, score_without_work

import dfbench as public
from dfbench.types import Video

RUN = ("run", "-d", "chance", "--only", "celeb_df_v2")
BAD_LINE = "x Celeb-real/id0_0001.mp4"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where Celeb-DF is to be; whatever lies there is scored in a moment."""
    path = tmp_path / "celeb"
    monkeypatch.setenv("DFBENCH_DATA__ROOTS__CELEB_DF_V2", str(path))
    score_without_work(monkeypatch)
    return path


def record_of(runs: Path) -> dict[str, Any]:
    (path,) = runs.glob("*/run.json")
    record: dict[str, Any] = json.loads(path.read_text())
    return record


def test_a_short_list_is_told_in_the_record_the_table_the_json_and_python(
    dfbench: Dfbench, root: Path, tmp_path: Path
) -> None:
    celeb(root, reals=12, fakes=12, lines=(BAD_LINE,))
    told = "celeb_df_v2: listed 24 of 518 (12 of 178 real, 12 of 340 fake); 1 entry of its lists or folders cannot be used"
    ended = dfbench(*RUN)
    assert ended.code == 3
    assert f"warning: {told}" in " ".join(ended.out.split())
    assert "warning: celeb_df_v2 test: listed 24 of 518 (12 of 178 real, 12 of 340 fake)" in ended.err
    assert "line 25: 'x Celeb-real/id0_0001.mp4' has the label 'x'" in ended.err
    assert (
        "fewer than 95 % of the expected videos were scored: chance on celeb_df_v2: 24/518 (4.6%)"
        in ended.err
    )
    assert "its lists name too few: dfbench data check celeb_df_v2" in ended.err
    lists = record_of(tmp_path / "runs")["lists"]["celeb_df_v2"]
    assert (lists["listed"], lists["official"]) == ({"real": 12, "fake": 12}, {"real": 178, "fake": 340})
    assert (lists["n_problems"], len(lists["problems"])) == (1, 1)
    stored = pd.read_csv(next((tmp_path / "runs").glob("*/table.csv")))
    row = stored.iloc[0]
    assert (row["n_real"], row["n_fake"], row["n_scored_real"], row["n_unlisted_fake"]) == (178, 340, 12, 328)
    assert row["coverage"] == pytest.approx(24 / 518)
    assert told.endswith(row["note"])

    ended = dfbench(*RUN, "--json")
    assert ended.code == 3
    (first, *_) = json.loads(ended.out)
    assert (first["coverage"], first["n_real"]) == (pytest.approx(24 / 518), 178)
    assert told.endswith(first["note"])
    assert f"warning: {told}" in ended.err
    assert "has the label 'x'" in ended.err

    with pytest.warns(public.CoverageWarning, match="listed 24 of 518"):
        table = public.run("chance", only=("celeb_df_v2",))
    assert table["coverage"].tolist() == pytest.approx([24 / 518] * len(table))


@pytest.mark.slow
def test_a_short_list_is_not_ranked_and_a_complete_one_is(
    dfbench: Dfbench, root: Path, tmp_path: Path
) -> None:
    celeb(root, reals=178, fakes=340)
    assert dfbench(*RUN).code == 0
    celeb(root, reals=12, fakes=12)
    assert dfbench(*RUN, "--seed", "1").code == 3
    assert dfbench(*RUN, "--seed", "2").code == 3  # most entries are of the short list
    (rows,) = json.loads(dfbench("leaderboard", "--json").out).values()
    assert [row["rank"] for row in rows] == [1, None, None]
    assert [row["section"] for row in rows] == ["ranked", *["coverage below 95 %"] * 2]
    assert [(row["scored"], row["expected"]) for row in rows] == [(518, 518), (24, 518), (24, 518)]
    board = " ".join(dfbench("leaderboard").out.split())
    assert "not ranked: coverage below 95 %" in board
    assert "24/518 4.6%" in board
    assert "\u2021 celeb_df_v2: listed 24 of 518 (12 of 178 real, 12 of 340 fake)" in board
    text = next((tmp_path / "runs/leaderboards").glob("*/leaderboard.md")).read_text()
    assert "(not ranked: coverage below 95 %)" in text
    (rows,) = json.loads(dfbench("leaderboard", "--json", "--min-coverage", "0").out).values()
    assert [row["section"] for row in rows] == ["ranked", *["other list of videos"] * 2]
    assert dfbench("leaderboard", "--min-coverage", "2").code == 2


@pytest.mark.slow
def test_a_mended_list_is_no_longer_told_of(dfbench: Dfbench, root: Path, tmp_path: Path) -> None:
    celeb(root, reals=178, fakes=340, lines=(BAD_LINE,))
    ended = dfbench(*RUN)
    assert ended.code == 0
    assert "1 entry of its lists or folders cannot be used" in " ".join(ended.out.split())
    board = " ".join(dfbench("leaderboard").out.split())
    assert "\u2021 celeb_df_v2: 1 entry of its lists or folders cannot be used" in board
    celeb(root, reals=178, fakes=340)
    ended = dfbench(*RUN)
    assert "nothing to compute" in ended.err
    assert "cannot be used" not in ended.out
    assert record_of(tmp_path / "runs")["lists"]["celeb_df_v2"]["n_problems"] == 0
    assert "\u2021" not in dfbench("leaderboard").out


@pytest.mark.slow
def test_a_few_scored_videos_of_many_have_no_figure_and_no_rank(
    dfbench: Dfbench, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def most(video: Video) -> bool:
        return int(video.video_id.split("/id")[1].split("_")[0]) > 1

    score_without_work(monkeypatch, failed=most)
    celeb(root, reals=178, fakes=340)
    ended = dfbench(*RUN)
    assert ended.code == 3
    said = " ".join(ended.out.split())
    assert "too few to show: 2 real and 2 fake scored, 10 of each are needed" in said
    assert "2/178+2/340" in said
    assert "chance on celeb_df_v2: 4/518 (0.8%)" in ended.err
    table = pd.read_csv(next((tmp_path / "runs").glob("*/table.csv")))
    assert table[["auc", "auc_low", "ap", "eer", "accuracy", "balanced_accuracy"]].isna().all(axis=None)
    (rows,) = json.loads(dfbench("leaderboard", "--json").out).values()
    (row,) = rows
    assert (row["rank"], row["celeb_df_v2"], row["section"]) == (None, None, "coverage below 95 %")
    assert (
        "warning: chance (seed 0): celeb_df_v2: not scored: 176 real, 338 fake; too few to show"
        in " ".join(dfbench("leaderboard").out.split())
    )


def test_one_manipulation_with_too_few_is_named_and_blank(
    dfbench: Dfbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [f"real/{n}.mp4,real,,{n}," for n in range(12)]
    rows += [f"fake/{n}.mp4,fake,,{n},Swap" for n in range(12)] + ["fake/x.mp4,fake,,x,Rare"]
    plugin_root = tmp_path / "own"
    plugin_root.mkdir()
    (plugin_root / "videos.csv").write_text("\n".join(["path,label,split,group,manipulation", *rows]))
    monkeypatch.setenv("DFBENCH_DATA__ROOTS__KODF", str(plugin_root))  # read in the layout of `folder`
    score_without_work(monkeypatch, failed=lambda video: video.video_id in {"fake/0.mp4", "fake/1.mp4"})
    ended = dfbench("run", "-d", "chance", "-p", "cross-dataset-full", "--only", "kodf")
    assert ended.code == 3
    assert "chance on kodf: 23/25 (92.0%); chance on kodf, Swap: 22/24 (91.7%)" in ended.err
    assert "Rare" not in ended.err
    assert "kodf, Rare: too few to show: 12 real and 1 fake scored" in " ".join(ended.out.split())
    table = pd.read_csv(next((tmp_path / "runs").glob("*/table.csv"))).set_index("manipulation")
    assert table["auc"].isna().to_dict() == {"all": False, "Swap": False, "Rare": True}


def test_python_says_nothing_of_a_complete_test(root: Path) -> None:
    celeb(root, reals=12, fakes=12, card=(12, 12))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = public.run("chance", only=("celeb_df_v2",))
    assert table["note"].tolist() == ["", ""]
    assert table["coverage"].tolist() == [1.0, 1.0]


@pytest.mark.slow
def test_a_short_list_of_training_videos_is_told_before_a_training(
    dfbench: Dfbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = {"train": ["071", "054"], "val": ["720", "672"], "test": ["953", "974"]}
    files = {f"splits/{split}.json": json.dumps([pair]).encode() for split, pair in pairs.items()}
    numbers = [number for pair in pairs.values() for number in pair]
    files |= {f"original_sequences/youtube/c23/videos/{number}.mp4": b"" for number in numbers}
    monkeypatch.setenv("DFBENCH_DATA__ROOTS__FFPP", str(write(tmp_path / "ffpp", files)))
    ended = dfbench("train", "-d", "fakestormer", "--recipe", "small")
    assert ended.code == 1  # there is no video in it
    assert "warning: ffpp train: listed 10 of 3600 (2 of 720 real, 8 of 2880 fake)" in ended.err
    assert "warning: ffpp val: listed 10 of 700 (2 of 140 real, 8 of 560 fake)" in ended.err
