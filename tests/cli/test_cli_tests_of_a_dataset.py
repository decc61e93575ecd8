"""A protocol that tests one data set several times: a row, a column and a list of videos for each test."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.cli.command import Dfbench
from tests.cli.made_scores import score_without_work
from tests.cli.toy_corpus import PER_SPLIT, Toy, ToyPlugin, write_toy

import dfbench as public
from dfbench.hooks.host import Host
from dfbench.runs.records.provenance import cpu_model
from dfbench.runs.records.run_manifest import expected_videos, read_manifest
from dfbench.runs.scoring import evaluation
from dfbench.settings import DEFAULT_FACE_FINDER


def fails(video: public.Video) -> bool:
    """One video of every test but the first of a protocol."""
    return (video.compression, video.video_id) in {("c40", "test/3"), ("c23", "val/3")}


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The toy data set, configured and offered, and scores that nobody computes."""
    load = Host.load
    monkeypatch.setattr(Host, "load", lambda: load([ToyPlugin()]))
    monkeypatch.setenv("DFBENCH_DATA__ROOTS__TOY", str(tmp_path / "toy"))
    score_without_work(monkeypatch, failed=fails)
    return write_toy(tmp_path / "toy")


def run(dfbench: Dfbench, protocol: str, *more: str) -> pd.DataFrame:
    ended = dfbench("run", "-d", "constant", "-p", protocol, "--json", *more)
    assert ended.code == 0, ended.err
    return pd.DataFrame(json.loads(ended.out))


def record_of(tmp_path: Path, protocol: str) -> tuple[Path, dict[str, Any]]:
    (folder,) = (tmp_path / "runs").glob(f"constant-{protocol}-*")
    return folder, json.loads((folder / "run.json").read_text())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("protocol", "keys"),
    [
        ("both", ["toy", "toy-c40"]),
        ("named", ["toy", "low-quality"]),
        ("splits", ["toy-test", "toy-val"]),
    ],
)
def test_each_test_of_a_data_set_has_its_rows_and_its_column(
    dfbench: Dfbench, toy: Path, tmp_path: Path, protocol: str, keys: list[str]
) -> None:
    table = run(dfbench, protocol)
    whole = table[table["manipulation"] == "all"]
    assert list(whole["test"]) == [*keys, "mean"]
    assert list(whole["dataset"]) == ["toy", "toy", "mean"]
    scored = whole["n_scored_real"] + whole["n_scored_fake"]
    assert list(scored) == [PER_SPLIT, PER_SPLIT - 1, 2 * PER_SPLIT - 1]
    folder, record = record_of(tmp_path, protocol)
    scores = public.scores(folder)
    assert scores.groupby("test", sort=False).size().to_dict() == dict.fromkeys(keys, PER_SPLIT)
    manifest = read_manifest(folder)
    assert manifest is not None
    expected = expected_videos(manifest)
    assert list(expected) == list(record["datasets"]) == list(record["lists"]) == keys
    if protocol == "both":
        places = {key: str(videos[0].path) for key, videos in expected.items()}
        assert places == {"toy": "c23/test/0.mp4", "toy-c40": "c40/test/0.mp4"}
    board = json.loads(dfbench("leaderboard", "-p", protocol, "--json").out)["official"]
    for key, auc in zip(keys, whole["auc"], strict=False):
        assert board[0][key] == pytest.approx(auc)
    assert dfbench("runs", "verify").code == 0
    assert dfbench("runs", "export", tmp_path / "given").code == 0
    assert dfbench("runs", "verify", tmp_path / "given").code == 0


def test_a_data_set_that_is_tested_once_is_stored_as_before(
    dfbench: Dfbench, toy: Path, tmp_path: Path
) -> None:
    run(dfbench, "once")
    _, record = record_of(tmp_path, "once")
    assert list(record["datasets"]) == ["toy"]
    assert set(record["datasets"]["toy"]) == {"manifest", "files", "videos"}


@pytest.mark.slow
def test_the_rows_of_a_test_are_those_of_that_test_alone(dfbench: Dfbench, toy: Path) -> None:
    both = run(dfbench, "both").drop(columns=["protocol"])
    for key, only in (("toy-c40", "toy-C40"), ("toy", "TOY")):
        one = run(dfbench, "both", "--only", only).drop(columns=["protocol"])
        assert set(one["test"]) == {key}
        measured = ["test", "dataset", "manipulation", "coverage", "n_real", "n_fake"]
        pd.testing.assert_frame_equal(
            one[measured].reset_index(drop=True),
            both.loc[both["test"] == key, measured].reset_index(drop=True),
        )
    ended = dfbench("run", "-d", "constant", "-p", "both", "--only", "toy-c4")
    assert (ended.code, "did you mean 'toy-c40' or 'toy'?" in ended.err) == (2, True), ended.err


@pytest.mark.slow
def test_an_interrupted_run_goes_on_with_the_test_that_it_was_at(
    dfbench: Dfbench, toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(video: public.Video) -> bool:
        if video.compression == "c40" and video.video_id == "test/20":
            raise KeyboardInterrupt
        return False

    score_without_work(monkeypatch, failed=breaks)
    monkeypatch.setattr(evaluation, "compute_threads", lambda: 3)
    assert dfbench("run", "-d", "constant", "-p", "both").code == 130
    folder, record = record_of(tmp_path, "both")
    assert record["status"] == "failed"
    (first,) = record["sessions"]
    assert public.scores(folder).groupby("test").size().to_dict() == {"toy": PER_SPLIT, "toy-c40": 20}
    score_without_work(monkeypatch)
    monkeypatch.setattr(evaluation, "compute_threads", lambda: 7)
    table = run(dfbench, "both")
    assert list(table.loc[table["manipulation"] == "all", "test"]) == ["toy", "toy-c40", "mean"]
    _, record = record_of(tmp_path, "both")
    assert record["sessions"][0] == first
    listed = {key: Toy(toy, compression=at).index().videos for key, at in (("toy", None), ("toy-c40", "c40"))}
    shutil.rmtree(toy)
    monkeypatch.delenv("DFBENCH_DATA__ROOTS__TOY")
    alone = public.open_run(folder)  # whatever became of the data, and of who made it
    assert [(one.device, one.threads) for one in alone.record.sessions] == [("cpu", 3), ("cpu", 7)]
    for session in alone.record.sessions:
        assert (session.precision, session.finder) == ("32", DEFAULT_FACE_FINDER)
        assert session.started < session.finished
        assert session.software.packages["torch"]
        assert session.software.python
        assert session.software.cpu == cpu_model()
    expected = alone.expected()
    assert expected is not None
    assert expected == {
        key: [replace(video, path=video.path.relative_to(toy)) for video in videos if video.split == "test"]
        for key, videos in listed.items()
    }
    assert {len(videos) for videos in expected.values()} == {PER_SPLIT}
    assert {video.group for video in expected["toy"]} == {f"test{pair}" for pair in range(PER_SPLIT // 2)}
    files = {(key, video.video_id) for key, videos in expected.items() for video in videos}
    assert set(alone.files()) == files
    assert public.scores(folder).groupby("test").size().to_dict() == dict.fromkeys(
        ["toy", "toy-c40"], PER_SPLIT
    )
