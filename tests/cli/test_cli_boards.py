"""Boards of runs that are somebody else's, damaged, or never ended; and runs for which there is no place."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from tests.cli.command import Dfbench
from tests.cli.made_scores import celeb, score_without_work
from tests.data.unprivileged import obeying

from dfbench.errors import RunError, ScoreError
from dfbench.runs.planning import opening
from dfbench.runs.scoring import evaluation

RUN = ("run", "-d", "chance", "--only", "celeb_df_v2")


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def one_run(dfbench: Dfbench, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a complete run of "chance" on twelve reals and twelve fakes."""
    root = celeb(tmp_path / "celeb", reals=12, fakes=12, card=(12, 12))
    monkeypatch.setenv("DFBENCH_DATA__ROOTS__CELEB_DF_V2", str(root))
    score_without_work(monkeypatch)
    ended = dfbench(*RUN)
    assert ended.code == 0, ended.err
    (folder,) = runs.iterdir()
    return folder


@pytest.fixture
def read_only(one_run: Path, runs: Path) -> Iterator[Path]:
    """The runs of a colleague: they may be read and not written."""
    for folder in (one_run, runs):
        folder.chmod(0o555)
    yield runs
    for folder in (one_run, runs):
        folder.chmod(0o755)


def test_the_board_of_a_colleague_is_shown_and_can_be_written_elsewhere(
    dfbench: Dfbench, read_only: Path, tmp_path: Path
) -> None:
    ended = obeying(lambda: dfbench("leaderboard", "--runs", read_only))
    assert ended.code == 0, ended.err
    assert "chance (seed 0)" in ended.out
    assert "written to" not in ended.out
    assert "not written: cannot write" in ended.err
    assert "Permission denied" in ended.err
    assert "--out FOLDER" in ended.err
    ended = obeying(lambda: dfbench("leaderboard", "--runs", read_only, "--out", tmp_path / "mine"))
    assert (ended.code, ended.err) == (0, "")
    assert (tmp_path / "mine/cross-dataset-mine/leaderboard.md").is_file()
    assert sorted(path.name for path in read_only.iterdir()) == [
        path.name for path in read_only.iterdir() if path.name.startswith("chance")
    ]
    again = obeying(lambda: dfbench("leaderboard", "--runs", read_only, "--out", read_only / "boards"))
    assert again.code == 1
    assert "error: cannot write" in again.err


def test_a_complete_run_of_a_colleague_is_shown_and_a_new_one_refused(
    dfbench: Dfbench, read_only: Path
) -> None:
    for changed in (False, True):
        if changed:  # a table of another version, say
            (next(read_only.glob("*/table.csv"))).unlink()
        ended = obeying(lambda: dfbench(*RUN))
        assert ended.code == 0, ended.err
        assert "nothing to compute" in ended.err
    ended = obeying(lambda: dfbench(*RUN, "--seed", "1"))
    assert ended.code == 1
    assert "cannot be made: Permission denied" in ended.err
    assert "DFBENCH_RUNS" in ended.err


def test_nothing_is_rendered_or_trained_for_a_run_that_cannot_be_stored(
    dfbench: Dfbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runs: Path
) -> None:
    made: list[str] = []

    def data_source(*_: object, **__: object) -> object:
        made.append("corpora")
        raise RunError("the corpora would be rendered now")

    monkeypatch.setattr(opening, "data_source", data_source)
    runs.mkdir(mode=0o555)
    demo = ("-d", "fakestormer", "--data", "demo")
    ended = obeying(lambda: dfbench("run", *demo))
    assert (ended.code, made) == (1, [])
    assert f"no run can be stored in the folder of runs {runs}: {runs}: Permission denied" in ended.err
    assert "DFBENCH_RUNS" in ended.err
    for command in (("train", *demo), ("run", "-d", "chance", "--data", "demo")):  # it may be complete
        ended = obeying(partial(dfbench, *command))
        assert "would be rendered now" in ended.err
    assert list(runs.iterdir()) == []
    runs.chmod(0o755)
    assert "would be rendered now" in dfbench("run", *demo).err


@pytest.mark.parametrize("place", ["file", "file/below/it", "closed/below"])
def test_a_folder_of_runs_that_cannot_be_made_is_refused_before_any_work(
    dfbench: Dfbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "closed").mkdir(mode=0o555)
    monkeypatch.setenv("DFBENCH_RUNS", str(tmp_path / place))
    ended = obeying(lambda: dfbench("run", "-d", "chance", "--data", "demo", "--size", "small"))
    assert ended.code == 1
    assert f"the folder of runs {tmp_path / place} cannot be made" in ended.err
    assert "Traceback" not in ended.err
    assert not (tmp_path / "cache").exists()  # no demo corpus was rendered
    told = obeying(lambda: dfbench("doctor"))
    assert f"broken  runs: {tmp_path / place} cannot be made: " in told.out
    assert told.code == 1


def test_a_damaged_record_is_named_and_written_anew(
    dfbench: Dfbench, one_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = one_run / "run.json"
    whole = json.loads(path.read_text())
    path.write_text("{")
    board = dfbench("leaderboard")
    assert board.code == 1
    assert "there is no complete run of protocol 'cross-dataset'" in board.err
    assert f"{one_run.name}: run.json is damaged" in board.err
    explained = dfbench("explain", "--run", one_run.name, "--video", "x")
    assert (explained.code, f"{path} is damaged" in explained.err) == (1, True), explained.err
    monkeypatch.setattr(evaluation, "opened_scorer", None)  # all was scored: no detector is needed
    again = dfbench(*RUN)
    assert again.code == 0, again.err
    assert f"warning: {path} is damaged" in again.err
    assert "what was scored already is kept" in again.err
    mended = json.loads(path.read_text())
    of_sessions = dict.fromkeys(("started", "finished", "environment", "sessions", "record_sha256"))
    assert {**mended, **of_sessions} == {**whole, **of_sessions}


def test_one_bad_run_never_takes_the_board_down(dfbench: Dfbench, one_run: Path, runs: Path) -> None:
    for name in ("record", "table", "folder", "link"):
        shutil.copytree(one_run, runs / name)
    (runs / "record/run.json").write_text("{")
    (runs / "table/table.parquet").write_bytes(b"PAR1")
    for name in ("folder", "link"):
        (runs / name / "run.json").unlink()
    (runs / "folder/run.json").mkdir()
    (runs / "link/run.json").symlink_to("/nowhere/run.json")
    (runs / "closed").mkdir()
    (runs / "closed/run.json").write_text("{}")
    (runs / "closed").chmod(0)
    (runs / "no run").mkdir()
    for flag in ("--runs=runs", "--over-seeds"):
        ended = obeying(partial(dfbench, "leaderboard", flag))
        assert ended.code == 0, ended.err
        assert "chance (seed 0)" in ended.out
        said = " ".join(ended.out.split())
        for name in ("record", "folder", "link", "closed"):
            assert f"left out: {name}: run.json" in said, said
        assert "no run:" not in said
    told = dfbench("leaderboard", "--json")
    assert len(json.loads(told.out)["mine"]) == 1
    assert "left out: record: run.json is damaged" in told.err
    (runs / "closed").chmod(0o755)


def test_a_run_that_ends_by_an_error_says_so_and_one_without_a_score_leaves_nothing(
    dfbench: Dfbench, one_run: Path, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored = vars(evaluation)["score_videos"]

    def broken(detector: object, videos: list[object], **rest: object) -> None:
        scored(detector, videos[:kept], **rest)
        raise ScoreError("the detector returned NaN")

    monkeypatch.setattr(evaluation, "score_videos", broken)
    kept = 0
    assert dfbench(*RUN, "--seed", "5").code == 1
    assert list(runs.iterdir()) == [one_run]
    kept = 3
    assert dfbench(*RUN, "--seed", "6").code == 1
    ended = dfbench("leaderboard")
    said = " ".join(ended.out.split())
    assert (
        "failed: the detector returned NaN; give the same command again to go on, or remove"
        in said.replace("ScoreError: ", "")
    )
    (written,) = (runs / "leaderboards").glob("*/leaderboard.md")
    assert "left out: chance-" in (text := written.read_text(encoding="utf-8"))
    assert str(runs) not in text
    monkeypatch.setattr(evaluation, "score_videos", scored)
    assert dfbench(*RUN, "--seed", "6").code == 0
    assert "left out" not in dfbench("leaderboard").out


def test_a_run_that_nobody_waits_for_any_more_is_not_listed(
    dfbench: Dfbench, one_run: Path, runs: Path
) -> None:
    older = runs / "older"
    shutil.copytree(one_run, older)
    record = json.loads((older / "run.json").read_text())
    begun = {**record, "status": "running", "finished": ""}
    (older / "run.json").write_text(json.dumps(begun))
    assert "left out" not in dfbench("leaderboard").out
    (older / "run.json").write_text(json.dumps({**begun, "started": "2999-01-01T00:00:00+00:00"}))
    assert "left out: older: not complete" in " ".join(dfbench("leaderboard").out.split())
