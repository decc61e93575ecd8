"""What an earlier dfbench wrote is found, read and shown: nothing of it is computed anew, and nothing is refused.

README.md beside this file says which files these are. A test here that fails says that users would lose what they computed.
"""

from __future__ import annotations

import json
import math
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.cli.command import Dfbench, Ended
from tests.historic.line import FITTED, METHOD
from tests.historic.make import TRAINING, install, settings
from tests.historic.toy import BOX, FOUND

import dfbench as package
from dfbench.data.store.face_files import read_faces
from dfbench.data.store.specs_kept import KEPT
from dfbench.results.tables import read_table
from dfbench.runs.records.record import RunRecord
from dfbench.runs.records.verification import record_findings

HERE = Path(__file__).parent
TIMES = sorted(path.parent.name for path in HERE.glob("*/runs"))  # the commits that wrote files
DEMO = (
    "--recipe",
    "demo",
    *(word for name, value in TRAINING.items() for word in ("--set", f"{name}={value}")),
)
KEY = ["dataset", "video_id", "clip"]


@dataclass(frozen=True, slots=True)
class Made:
    """What a commit wrote. `complete`: its complete runs, with the options that ask for them; `cut`: its interrupted run;
    `videos` and `faces`: how many videos a run expects, and how many face files there are; `tests`: the keys of its tests."""

    protocol: str
    complete: Mapping[str, tuple[str, ...]]
    cut: str
    trained: str
    epochs: int
    videos: int
    faces: int
    tests: tuple[str, ...]


FIRST = Made(
    protocol="historic",
    complete={"chance": (), "fakestormer": DEMO},
    cut="historic_brightness",
    trained="fakestormer",
    epochs=1,
    videos=21,
    faces=24,
    tests=("folder",),
)
LATER = Made(
    protocol="historic-twice",
    complete={"historic_line": ("--recipe", "small")},
    cut="historic_dim",
    trained="historic_line",
    epochs=2,
    videos=27,
    faces=34,
    tests=("folder-test", "later-ones"),
)
MADE = {time: FIRST if time == "017e8e7" else LATER for time in TIMES}
RUNS = [(time, detector) for time, made in MADE.items() for detector in made.complete]


@dataclass(frozen=True, slots=True)
class Home:
    """A copy of what a commit wrote, as the cache and the runs of a user who comes back to it on another machine."""

    folder: Path
    made: Made
    dfbench: Dfbench

    @property
    def runs(self) -> Path:
        return self.folder / "runs"

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    def run_of(self, detector: str) -> Path:
        (folder,) = self.runs.glob(f"{detector}-{self.made.protocol}-own-*")
        return folder

    def of(self, command: str, detector: str, *more: str) -> Ended:
        """Run `dfbench train` or `run` as it was when the files were made, with `more` options."""
        options = self.made.complete.get(detector, ())
        return self.dfbench(command, "-d", detector, "-p", self.made.protocol, *options, *more)


@pytest.fixture(params=TIMES)
def home(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    dfbench: Dfbench,
) -> Home:
    folder, commit = tmp_path / "home", request.param
    shutil.copytree(HERE / commit, folder)
    for name, value in settings(folder / "videos", folder).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "path", [*sys.path])
    install(tmp_path / "plugin")
    return Home(folder, MADE[commit], dfbench)


later = pytest.mark.parametrize("home", [time for time in TIMES if MADE[time] is LATER], indirect=True)


def content(folder: Path) -> Mapping[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def record_of(folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    return record


def test_there_are_files_of_before_and_they_are_small() -> None:
    assert {"017e8e7", "a23f86d"} <= {*TIMES}
    for time in TIMES:
        assert sum(map(len, content(HERE / time).values())) < 500_000


@pytest.mark.slow
@pytest.mark.parametrize(("home", "detector"), RUNS, indirect=["home"])
def test_a_complete_run_is_found_as_it_is(home: Home, detector: str) -> None:
    folder = home.run_of(detector)
    before, table = content(home.cache), read_table(folder / "table.parquet")
    scores, manifest = (folder / "scores.parquet").read_bytes(), (folder / "manifest.parquet").read_bytes()
    again = home.of("run", detector, "--json")
    assert again.code == 0, again.err
    assert f"{detector}: this run is complete, nothing to compute ({folder})" in " ".join(again.err.split())
    assert "has changed since" not in again.err
    shown = pd.DataFrame(json.loads(again.out))
    named = [name for name in ("test",) if name in table]
    columns = ["entry", "dataset", *named, "auc", "n_scored_fake", "coverage"]
    pd.testing.assert_frame_equal(shown[columns], table[columns], check_dtype=False)
    assert tuple(shown["test"].unique()) == home.made.tests
    assert (folder / "scores.parquet").read_bytes() == scores
    assert (folder / "manifest.parquet").read_bytes() == manifest
    assert [path.name for path in home.runs.iterdir() if path.name.startswith(detector)] == [folder.name]
    after = content(home.cache)
    assert {name: after[name] for name in before} == before
    assert not FOUND.exists()


def test_an_interrupted_run_goes_on(home: Home) -> None:
    detector = home.made.cut
    folder = home.run_of(detector)
    done = package.scores(folder)
    assert 0 < done["video_id"].nunique() < home.made.videos
    ended = home.of("run", detector)
    assert ended.code == 0, ended.err
    assert not FOUND.exists()
    record = record_of(folder)
    assert record["status"] == "complete"
    assert len(record["sessions"]) == 2
    scores = package.scores(folder)
    assert scores["video_id"].nunique() == home.made.videos
    kept = done[KEY].merge(scores, on=KEY, how="left")
    pd.testing.assert_frame_equal(kept[done.columns], done)
    assert not any(finding.problem for finding in record_findings(RunRecord.read(folder)))


@later
def test_an_interrupted_training_goes_on(home: Home) -> None:
    detector = home.made.trained
    (stopped,) = (path.parent for path in home.cache.rglob("last.ckpt"))
    log = (stopped / "log.csv").read_text(encoding="utf-8").splitlines()
    ended = home.of("train", detector, "--seed", "1")
    assert ended.code == 0, ended.err
    assert "going on after step 4 of 8" in ended.err
    assert FITTED.read_text(encoding="utf-8").split() == ["6", "8"]
    assert (stopped / "log.csv").read_text(encoding="utf-8").splitlines()[: len(log)] == log
    record = json.loads((stopped / "dfbench-training.json").read_text(encoding="utf-8"))
    assert len(record["sessions"]) == 2
    header = METHOD.header(stopped / record["weights"])
    assert header.provenance["training"]["resumed_at"] == [4]
    assert not FOUND.exists()


def test_weights_are_found_and_score_as_they_did(home: Home) -> None:
    """With their run removed, so that it is scored once more: by the weights and on the faces that are there."""
    detector = home.made.trained
    folder = home.run_of(detector)
    before, weights = package.scores(folder), content(home.cache / "weights")
    sha256 = record_of(folder)["detector"]["weights_sha256"]
    shutil.rmtree(folder)
    trained = home.of("train", detector)
    assert trained.code == 0, trained.err
    assert "using the weights trained before" in " ".join(trained.err.split())
    ended = home.of("run", detector)
    assert ended.code == 0, ended.err
    assert home.run_of(detector).name == folder.name
    record = record_of(folder)
    assert record["detector"]["weights_sha256"] == sha256
    assert (record["trained_on"], record["training_corpora"], record["training_seed"]) == (
        ["folder"],
        ["own"],
        0,
    )
    after = package.scores(folder)
    assert after[[*KEY, "test", "status"]].equals(before[[*KEY, "test", "status"]])
    np.testing.assert_allclose(after["logit"], before["logit"], atol=1e-4)
    assert content(home.cache / "weights") == weights
    assert not FOUND.exists()
    assert not FITTED.exists()


def test_weights_of_another_training_are_named_with_what_differs(home: Home) -> None:
    detector, epochs = home.made.trained, home.made.epochs
    (weights,) = (home.cache / "weights").rglob("weights.safetensors")
    fields = [word for word in home.made.complete[detector] if word not in ("--set", f"epochs={epochs}")]
    changes = [word for field in fields if "=" in field for word in ("--set", field)]
    recipe = [word for word in fields if "=" not in word]
    what = ("-d", detector, "-p", home.made.protocol, *recipe, *changes, "--set", "epochs=9", "--seed", "7")
    ended = home.dfbench("run", *what)
    assert ended.code == 1
    told = " ".join(ended.err.split())
    assert f"no trained weights for detector '{detector}' on folder" in told
    assert (
        f"weights of another training lie beside, {weights}: recipe.epochs is {epochs}, not 9; seed is 0, not 7"
        in told
    )


def test_faces_are_found_and_read(home: Home) -> None:
    files = [*(home.cache / "faces").rglob("*.faces")]
    assert len(files) == home.made.faces
    for path in files:
        faces = read_faces(path)
        assert len(faces.crops) == len(faces.track.boxes) > 0
        np.testing.assert_allclose(
            faces.track.boxes, np.tile(np.array(BOX, np.float32), (len(faces.crops), 1))
        )
    before = content(home.cache / "faces")
    trained, options = home.made.trained, home.made.complete[home.made.trained]
    needs = (
        (home.made.cut, "scoring", "test", ()),
        (trained, "training", "train", options),
        (trained, "validation", "val", options),
    )
    for detector, purpose, split, recipe in needs:
        what = ("folder", "-d", detector, "--for", purpose, "--split", split, *recipe)
        status = home.dfbench("data", "status", *what)
        assert "not prepared" not in status.out
        prepared = home.dfbench("data", "prepare", *what)
        assert prepared.code == 0, prepared.err
    after = content(home.cache / "faces")
    assert {name: after[name] for name in before} == before
    new = {Path(name).name for name in set(after) - set(before)}
    assert new <= {"tracks.parquet", KEPT}
    assert not FOUND.exists()


@later
def test_faces_that_were_made_otherwise_are_named(home: Home) -> None:
    told = home.dfbench("data", "status", "folder", "-d", home.made.cut, DFBENCH_FACE_FINDER="mtcnn").err
    assert "finder is historic_finder, not mtcnn" in " ".join(told.split())


def test_runs_are_listed_checked_and_on_their_board(home: Home) -> None:
    complete = [*home.made.complete]
    states = dict.fromkeys(complete, "complete") | {home.made.cut: "failed"}
    listed = json.loads(home.dfbench("runs", "list", "--json").out)
    assert {run["run"].partition("-")[0]: run["status"] for run in listed} == states
    checked = json.loads(home.dfbench("runs", "verify", "--json").out)
    assert {run["run"].partition("-")[0]: (run["state"], run["problems"]) for run in checked} == {
        **dict.fromkeys(complete, ("follows", [])),
        home.made.cut: ("unfinished", []),
    }
    board = home.dfbench("leaderboard", "-p", home.made.protocol, "--json")
    assert board.code == 0, board.err
    ((corpus, rows),) = json.loads(board.out).items()
    assert corpus == "own"
    tables = [read_table(path) for path in home.runs.glob("*/table.parquet")]
    for test in home.made.tests:
        found = {row["entry"]: row[test] for row in rows}
        expected = {
            row["entry"]: None if math.isnan(row["auc"]) else row["auc"]
            for table in tables
            for _, row in table.iterrows()
            if row.get("test", row["dataset"]) == test
        }
        assert found == expected
        assert len(found) == len(complete)


def test_a_result_table_says_the_same_in_both_forms(home: Home) -> None:
    paths = sorted(home.runs.glob("*/table.parquet"))
    assert len(paths) == len(home.made.complete)
    for path in paths:
        table = read_table(path)
        written = pd.read_csv(path.with_suffix(".csv"))
        np.testing.assert_array_equal(table["auc"], written["auc"])
        assert list(table["entry"]) == list(written["entry"])
