"""One's own videos, scored without a protocol that knows of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import av
import pandas as pd
import pytest
from tests.cli.command import Dfbench

import dfbench as package


@pytest.fixture
def videos(face_video: Path, tmp_path: Path) -> Path:
    """Two reals and two fakes of one manipulation."""
    root = tmp_path / "my videos"
    for name in ("real/a.mp4", "real/b.mp4", "fake/Swap/c.mp4", "fake/Swap/d.mp4"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(face_video, root / name)
    return root


@pytest.mark.slow
def test_own_videos_from_the_folder_to_the_board(dfbench: Dfbench, videos: Path) -> None:
    added = dfbench("data", "add", "folder", videos)
    assert added.code == 0, added.err
    ran = dfbench("run", "-d", "chance", "--dataset", "folder", "--json")
    assert ran.code == 0, ran.err
    rows = pd.DataFrame(json.loads(ran.out))
    assert set(rows["protocol"]) == {"dataset:folder"}
    whole = rows[rows["manipulation"] == "all"].iloc[0]
    assert (whole["dataset"], whole["n_real"], whole["n_fake"], whole["coverage"]) == ("folder", 2, 2, 1.0)
    (record,) = Path("runs").glob("*/run.json")
    assert record.parent.name.startswith("chance-dataset=folder-")
    assert json.loads(record.read_text())["protocol"] == "dataset:folder"
    listed = dfbench("leaderboard", "--dataset", "own", "--json")
    assert listed.code == 0, listed.err
    ((corpus, board),) = json.loads(listed.out).items()
    assert [row["entry"] for row in board] == ["chance (seed 0)"]
    others = dfbench("leaderboard", "--json")
    assert "chance (seed 0)" not in others.out
    with pytest.warns(package.CoverageWarning, match="too few to show: 2 real and 2 fake scored"):
        again = package.run("chance", dataset="folder")
    assert again["n_scored_fake"].tolist() == rows["n_scored_fake"].tolist() == [2, 2]
    assert list(package.leaderboard(dataset="folder")["entry"]) == ["chance (seed 0)"]
    (found,) = package.boards(dataset="folder")
    assert (found.corpus, [row.entry for row in found.rows]) == (corpus, ["chance (seed 0)"])


def test_a_detector_without_weights_says_how_to_get_them(dfbench: Dfbench, videos: Path) -> None:
    assert dfbench("data", "add", "folder", videos).code == 0
    ended = dfbench("run", "-d", "fakestormer", "--dataset", "folder")
    assert ended.code == 1
    told = " ".join(ended.err.split())
    assert "no trained weights for detector 'fakestormer' on ffpp" in told
    assert "--weights PATH/TO/checkpoint" in told
    assert "dfbench train --detector fakestormer --data demo (prints their path)" in told


def test_splits_go_with_a_dataset(dfbench: Dfbench, videos: Path) -> None:
    ended = dfbench("run", "-d", "chance", "--split", "test")
    assert ended.code == 2
    assert "--split goes with --dataset" in ended.err
    assert dfbench("data", "add", "folder", videos).code == 0
    ended = dfbench("run", "-d", "chance", "--dataset", "folder", "--split", "tset")
    assert ended.code == 2
    assert "did you mean 'test'?" in ended.err


def stretched(source: Path, target: Path) -> None:
    """A copy with pixels that are not square."""
    with av.open(str(source)) as given, av.open(str(target), "w") as made:
        stream = made.add_stream("libx264", rate=25)
        stream.width = stream.height = 316
        stream.pix_fmt, stream.options = "yuv420p", {"preset": "veryfast", "x264-params": "sar=4/3"}
        for frame in given.decode(video=0):
            made.mux(stream.encode(frame))
        made.mux(stream.encode(None))


@pytest.mark.slow
def test_what_is_to_be_said_of_a_scored_video_reaches_its_scores(
    dfbench: Dfbench, videos: Path, face_video: Path
) -> None:
    stretched(face_video, videos / "real" / "a.mp4")
    note = "its pixels are not square (4:3): players show faces wider than they were scored"
    assert dfbench("data", "add", "folder", videos).code == 0
    ran = dfbench("run", "-d", "chance", "--dataset", "folder")
    assert ran.code == 0, ran.err
    assert f"folder: a note about 1 of 4 videos: real/a.mp4: {note}" in " ".join(ran.err.split())
    (scores,) = Path("runs").glob("*/scores.parquet")
    rows = pd.read_parquet(scores)
    assert set(rows["status"]) == {"ok"}
    assert set(rows.loc[rows["video_id"] == "real/a.mp4", "reason"]) == {note}
    assert set(rows.loc[rows["video_id"] != "real/a.mp4", "reason"]) == {""}
    status = dfbench("data", "status", "folder", "-d", "chance")
    assert f"real/a.mp4\tok\t{note}" in status.out


@pytest.mark.slow
def test_a_video_that_a_misspelt_split_leaves_out_is_told_in_the_record_the_table_and_the_board(
    dfbench: Dfbench, videos: Path
) -> None:
    rows = (
        "real/a.mp4,real,test",
        "real/b.mp4,real,TEST",
        "fake/Swap/c.mp4,fake,test",
        "fake/Swap/d.mp4,fake,tset",
    )
    (videos / "videos.csv").write_text("\n".join(("path,label,split", *rows)))
    assert dfbench("data", "add", "folder", videos).code == 0
    ran = dfbench("run", "-d", "chance", "--dataset", "folder", "--json")
    told = "1 video of the split 'tset' is left out"
    assert f"warning: folder test: {told}" in ran.err
    assert told in json.loads(ran.out)[0]["note"]
    (record,) = Path("runs").glob("*/run.json")
    assert json.loads(record.read_text())["lists"]["folder"]["misspelt"] == {"tset": 1}
    assert f"\u2021 folder: {told}" in " ".join(dfbench("leaderboard", "--dataset", "folder").out.split())
