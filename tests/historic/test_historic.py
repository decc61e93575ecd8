"""What an earlier dfbench wrote is found, read and shown: nothing of it is computed anew, and nothing is refused.

README.md beside this file says which files these are. A test here that fails says that users would lose what they computed.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.cli.command import Dfbench, in_process
from tests.historic.make import TRAINING, install, settings
from tests.historic.toy import BOX, FOUND

import dfbench as package
from dfbench.data.store.face_files import read_faces
from dfbench.data.store.specs_kept import KEPT
from dfbench.results.tables import read_table
from dfbench.runs.records.verification import record_findings

HERE = Path(__file__).parent
TIMES = sorted(path.parent.name for path in HERE.glob("*/runs"))  # the commits that wrote files
DEMO = (
    "--recipe",
    "demo",
    *(word for name, value in TRAINING.items() for word in ("--set", f"{name}={value}")),
)
KEY = ["dataset", "video_id", "clip"]


@pytest.fixture(params=TIMES)
def home(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what a commit wrote, as the cache and the runs of a user who comes back to it on another machine."""
    home = tmp_path / "home"
    shutil.copytree(HERE / request.param, home)
    for name, value in settings(home / "videos", home).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "path", [*sys.path])
    install(tmp_path / "plugin")
    return home


@pytest.fixture
def dfbench(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Dfbench:
    return in_process(monkeypatch, capsys)


def run_of(home: Path, detector: str) -> Path:
    (folder,) = (home / "runs").glob(f"{detector}-historic-own-*")
    return folder


def content(folder: Path) -> Mapping[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def record_of(folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    return record


def test_there_are_files_of_before_and_they_are_small() -> None:
    assert "017e8e7" in TIMES
    for time in TIMES:
        assert sum(map(len, content(HERE / time).values())) < 500_000


@pytest.mark.parametrize(("detector", "options"), [("chance", ()), ("fakestormer", DEMO)])
def test_a_complete_run_is_found_as_it_is(
    dfbench: Dfbench, home: Path, detector: str, options: tuple[str, ...]
) -> None:
    folder = run_of(home, detector)
    before, table = content(home / "cache"), read_table(folder / "table.parquet")
    scores = (folder / "scores.parquet").read_bytes()
    again = dfbench("run", "-d", detector, "-p", "historic", *options, "--json")
    assert again.code == 0, again.err
    assert f"{detector}: this run is complete, nothing to compute ({folder})" in " ".join(again.err.split())
    assert "has changed since" not in again.err
    shown = pd.DataFrame(json.loads(again.out))
    pd.testing.assert_frame_equal(
        shown[["entry", "dataset", "auc", "n_scored_fake", "coverage"]],
        table[["entry", "dataset", "auc", "n_scored_fake", "coverage"]],
        check_dtype=False,
    )
    assert (folder / "scores.parquet").read_bytes() == scores
    assert [path.name for path in (home / "runs").iterdir() if path.name.startswith(detector)] == [
        folder.name
    ]
    after = content(home / "cache")
    assert {name: after[name] for name in before} == before
    assert not FOUND.exists()


def test_an_interrupted_run_goes_on(dfbench: Dfbench, home: Path) -> None:
    folder = run_of(home, "historic_brightness")
    done = package.scores(folder)
    assert 0 < done["video_id"].nunique() < 21
    ended = dfbench("run", "-d", "historic_brightness", "-p", "historic")
    assert ended.code == 0, ended.err
    assert not FOUND.exists()
    record = record_of(folder)
    assert record["status"] == "complete"
    assert len(record["sessions"]) == 2
    scores = package.scores(folder)
    assert scores["video_id"].nunique() == 21
    kept = done[KEY].merge(scores, on=KEY, how="left")
    pd.testing.assert_frame_equal(kept[done.columns], done)
    assert not any(finding.problem for finding in record_findings(record))


def test_weights_are_found_and_score_as_they_did(dfbench: Dfbench, home: Path) -> None:
    """With their run removed, so that it is scored once more: by the weights and on the faces that are there."""
    folder = run_of(home, "fakestormer")
    before, weights = package.scores(folder), content(home / "cache" / "weights")
    sha256 = record_of(folder)["detector"]["weights_sha256"]
    shutil.rmtree(folder)
    trained = dfbench("train", "-d", "fakestormer", "-p", "historic", *DEMO)
    assert trained.code == 0, trained.err
    assert "using the weights trained before" in " ".join(trained.err.split())
    ended = dfbench("run", "-d", "fakestormer", "-p", "historic", *DEMO)
    assert ended.code == 0, ended.err
    assert run_of(home, "fakestormer").name == folder.name
    record = record_of(folder)
    assert record["detector"]["weights_sha256"] == sha256
    assert (record["trained_on"], record["training_corpora"], record["training_seed"]) == (
        ["folder"],
        ["own"],
        0,
    )
    after = package.scores(folder)
    assert after[[*KEY, "status"]].equals(before[[*KEY, "status"]])
    np.testing.assert_allclose(after["logit"], before["logit"], atol=1e-4)
    assert content(home / "cache" / "weights") == weights
    assert not FOUND.exists()


def test_weights_of_another_training_are_named_with_what_differs(dfbench: Dfbench, home: Path) -> None:
    (weights,) = (home / "cache" / "weights").rglob("weights.safetensors")
    longer = ["epochs=2" if word == "epochs=1" else word for word in DEMO]
    ended = dfbench("run", "-d", "fakestormer", "-p", "historic", *longer, "--seed", "7")
    assert ended.code == 1
    told = " ".join(ended.err.split())
    assert "no trained weights for detector 'fakestormer' on folder" in told
    assert (
        f"weights of another training lie beside, {weights}: recipe.epochs is 1, not 2; seed is 0, not 7"
        in told
    )


def test_faces_are_found_and_read(dfbench: Dfbench, home: Path) -> None:
    files = [*(home / "cache" / "faces").rglob("*.faces")]
    assert len(files) == 24
    for path in files:
        faces = read_faces(path)
        assert len(faces.crops) == len(faces.track.boxes) > 0
        np.testing.assert_allclose(
            faces.track.boxes, np.tile(np.array(BOX, np.float32), (len(faces.crops), 1))
        )
    before = content(home / "cache" / "faces")
    needs = (
        ("chance", "scoring", "test"),
        ("fakestormer", "training", "train"),
        ("fakestormer", "validation", "val"),
    )
    for detector, purpose, split in needs:
        recipe = DEMO if detector == "fakestormer" else ()
        prepared = dfbench(
            "data", "prepare", "folder", "-d", detector, "--for", purpose, "--split", split, *recipe
        )
        assert prepared.code == 0, prepared.err
    after = content(home / "cache" / "faces")
    assert {name: after[name] for name in before} == before
    new = {Path(name).name for name in set(after) - set(before)}
    assert new <= {"tracks.parquet", KEPT}
    assert not FOUND.exists()


def test_runs_are_listed_checked_and_on_their_board(dfbench: Dfbench, home: Path) -> None:
    listed = json.loads(dfbench("runs", "list", "--json").out)
    assert [(run["run"].partition("-")[0], run["status"]) for run in listed] == [
        ("chance", "complete"),
        ("fakestormer", "complete"),
        ("historic_brightness", "failed"),
    ]
    checked = json.loads(dfbench("runs", "verify", "--json").out)
    assert [(run["state"], run["problems"]) for run in checked] == [
        ("follows", []),
        ("follows", []),
        ("unfinished", []),
    ]
    board = dfbench("leaderboard", "-p", "historic", "--json")
    assert board.code == 0, board.err
    ((corpus, rows),) = json.loads(board.out).items()
    assert corpus == "own"
    tables = [read_table(path).iloc[0] for path in (home / "runs").glob("*/table.parquet")]
    assert sorted((row["entry"], row["folder"]) for row in rows) == sorted(
        (table["entry"], table["auc"]) for table in tables
    )


def test_a_result_table_says_the_same_in_both_forms(home: Path) -> None:
    paths = sorted((home / "runs").glob("*/table.parquet"))
    assert len(paths) == 2
    for path in paths:
        table = read_table(path)
        written = pd.read_csv(path.with_suffix(".csv"))
        assert list(table["auc"]) == list(written["auc"])
        assert list(table["entry"]) == list(written["entry"])
