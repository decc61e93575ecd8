"""Weights that a stranger's trainer leaves: found again under any name, told apart, and prepared for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open
from tests.cli.command import Dfbench
from tests.cli.toy_lab import CUT, FITTED, FOUND, HEARD, open_lab

import dfbench
from dfbench.errors import ScoreError
from dfbench.results.boards.rows import VALIDATION
from dfbench.runs.evidence.recorded import open_run, weights_of
from dfbench.runs.records.trained import TRAINING_FILE
from dfbench.runs.scoring import evaluation
from dfbench.settings import load_settings

TASK = ("-d", "lab", "-p", "own-splits")


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dfbench: Dfbench) -> Dfbench:
    """The plugin, installed, and own videos of three splits: eight frames each, real ones dark."""
    open_lab(tmp_path / "videos", monkeypatch)
    return dfbench


def lines_of(log: Path) -> int:
    return len(log.read_text().splitlines()) if log.is_file() else 0


def records() -> dict[str, dict[str, Any]]:
    return {path.parent.name: json.loads(path.read_text()) for path in Path("runs").glob("*/run.json")}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["model.pt", "weights.safetensors", "best/epoch=3"])
def test_weights_are_trained_once_whatever_they_are_called(lab: Dfbench, tmp_path: Path, name: str) -> None:
    train = ("train", *TASK, "--set", f"file={name}", "--seed", "3")
    first = lab(*train)
    assert first.code == 0, first.err
    path = Path(first.out.strip())
    assert path.as_posix().endswith(name)
    again = lab(*train)
    assert (again.code, again.out) == (0, first.out)
    assert "using the weights trained before" in again.err
    ran = lab("run", *TASK, "--set", f"file={name}", "--seed", "3")
    assert ran.code == 0, ran.err
    assert lines_of(FITTED) == 1
    (record,) = records()
    assert weights_of(open_run(record, load_settings()), load_settings(), None) == path


@pytest.mark.slow
def test_weights_that_a_trainer_returns_are_written_with_a_header_and_found_again(lab: Dfbench) -> None:
    train = ("train", *TASK, "--set", "returns=trained", "--seed", "3")
    first = lab(*train)
    assert first.code == 0, first.err
    path = Path(first.out.strip())
    with safe_open(path, framework="np") as file:
        header = file.metadata()
    assert (header["format"], header["trained_on"]) == ("dfbench-lab", '["folder"]')
    assert json.loads(header["recipe"])["returns"] == "trained"
    provenance = json.loads(header["provenance"])
    assert provenance["training"] == {"step": 7}
    assert (provenance["identity"]["seed"], provenance["identity"]["corpus"]) == (3, "own")
    assert lab(*train).out == first.out
    assert lines_of(FITTED) == 1
    ran = lab("run", *TASK, "--set", "returns=trained", "--seed", "3")
    assert ran.code == 0, ran.err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("returns", "says"),
    [
        ("none", "returned None and no path of weights"),
        ("empty", "wrote an empty file"),
        ("absent", "there is no such file"),
    ],
)
@pytest.mark.parametrize("command", ["train", "run"])
def test_a_trainer_that_leaves_no_weights_is_named(
    lab: Dfbench, command: str, returns: str, says: str
) -> None:
    if command == "run":  # which trains only where the data are made
        assert lab("train", *TASK, "--set", f"returns={returns}").code == 1
    ended = lab(command, *TASK, "--set", f"returns={returns}")
    assert ended.code == 1
    assert (says if command == "train" else "no trained weights for detector 'lab'") in ended.err
    assert ("the trainer of detector 'lab' (tests.cli.toy_lab:Trainer)" in ended.err) is (command == "train")
    assert records() == {}


@pytest.mark.slow
@pytest.mark.parametrize("command", ["run", "train"])
def test_a_protocol_without_a_training_set_trains_nothing(lab: Dfbench, command: str) -> None:
    ended = lab(command, "-d", "lab", "-p", "own-test")
    assert ended.code == 2
    words = "detector 'lab' cannot be trained by protocol 'own-test', which names no training set"
    assert words in ended.err
    (known,) = [line for line in ended.err.splitlines() if "protocols that train: " in line]
    assert "own-splits" in known
    assert "own-test" not in known
    assert (lines_of(FOUND), lines_of(FITTED), records()) == (0, 0, {})


@pytest.mark.slow
def test_a_protocol_without_a_training_set_scores_what_needs_no_training(lab: Dfbench) -> None:
    weights = Path(lab("train", *TASK).out.strip())
    given = lab("run", "-d", "lab", "-p", "own-test", "--weights", weights)
    assert given.code == 0, given.err
    untrained = lab("run", "-d", "chance", "-p", "own-test")
    assert untrained.code == 0, untrained.err
    assert {record["protocol"] for record in records().values()} == {"own-test"}
    board = lab("leaderboard", "--protocol", "own-test", "--json").out
    assert ("chance" in board, "lab (folder" in board) == (True, True)
    assert lab("runs", "list").code == 0


@pytest.mark.slow
def test_each_session_of_a_training_is_kept(lab: Dfbench) -> None:
    CUT.touch()
    assert lab("train", *TASK).code == 1
    ended = lab("train", *TASK)
    assert ended.code == 0, ended.err
    weights = Path(ended.out.strip())
    note = json.loads((weights.parent / TRAINING_FILE).read_text())
    first, second = note["sessions"]
    assert first["started"] < first["finished"] < second["started"] < second["finished"]
    assert [(one["device"], one["threads"]) for one in (first, second)] == [("cpu", 1)] * 2
    assert note["environment"] == first["environment"]
    assert (note["weights"], note["identity"]["corpus"]) == ("model.pt", "own")


@pytest.mark.slow
def test_seed_and_corpus_are_those_of_the_training(lab: Dfbench, tmp_path: Path) -> None:
    weights = Path(lab("train", *TASK, "--seed", "3").out.strip())
    assert lab("run", *TASK, "--seed", "3").code == 0
    given = lab("run", *TASK, "--weights", weights, "--seed", "7")
    assert given.code == 0, given.err
    assert "--seed 7 does not change weights that are given" in given.err
    name = "lab (folder of the own corpus, faces by whole, seed 3)"
    found = list(records().values())
    assert [one["entry"] for one in found] == [name, name]
    for one in found:
        assert (one["corpus"], one["training_corpora"], one["training_seed"]) == ("own", ["own"], 3)
        assert [(s["device"], s["threads"]) for s in one["sessions"]] == [("cpu", 1)]
    board = json.loads(lab("leaderboard", "-p", "own-splits", "--json").out)
    assert [row["entry"] for row in board["own"]] == [name]

    # Another file, of which nobody knows where it comes from: another entry, which says so.
    (tmp_path / "other.pt").write_text(json.dumps({"frames": 1, "scale": -1}))
    other = lab("run", *TASK, "--weights", tmp_path / "other.pt")
    assert other.code == 0, other.err
    assert "*** lab: it is not known of which corpus the training data of these weights were" in other.err
    # And one of the same name.
    (tmp_path / "third.pt").write_text(json.dumps({"frames": 1, "scale": 5}))
    assert lab("run", *TASK, "--weights", tmp_path / "third.pt").code == 0
    board = json.loads(lab("leaderboard", "-p", "own-splits", "--json").out)
    unknown = "lab (folder of an unknown corpus, faces by whole, weights "
    hashes = {
        one["detector"]["weights_sha256"][:8] for one in records().values() if one["training_seed"] is None
    }
    assert len(hashes) == 2
    assert {row["entry"] for row in board["own"]} == {name, *(f"{unknown}{one})" for one in hashes)}


@pytest.mark.slow
@pytest.mark.parametrize("by", ["recipe", "weights"])
def test_a_run_prepares_nothing_that_was_prepared_for_its_recipe_or_weights(lab: Dfbench, by: str) -> None:
    fields = ("--set", "frames=3")
    weights = Path(lab("train", *TASK, *fields).out.strip())
    told = ("--weights", weights) if by == "weights" else fields
    prepare = ("folder", "-d", "lab", "--split", "test", *told)
    prepared = lab("data", "prepare", *prepare)
    assert (prepared.code, "ok\t4\n" in prepared.out) == (0, True), prepared.err
    assert lab("data", "status", *prepare).out.startswith("ok\t4\n")
    seen = lines_of(FOUND)
    assert seen == 4 * 2 + 4 * 6  # the frames of training and validation, then six of each test video
    ran = lab("run", *TASK, *told)
    assert ran.code == 0, ran.err
    assert lines_of(FOUND) == seen
    (record,) = records().values()
    assert record["clips"]["frames"] == 3


def test_what_cannot_be_prepared_for_is_refused(lab: Dfbench, tmp_path: Path) -> None:
    for options, code, says in (
        (("-d", "lab", "--weights", tmp_path / "absent.pt"), 1, "no such weights file"),
        (("-d", "lab", "--weights", tmp_path / "w.pt", "--for", "training"), 2, "goes with scoring"),
        (("-d", "lab", "--recipe", "plian"), 2, "did you mean 'plain'?"),
        (("-d", "lab", "--weights", tmp_path / "w.pt", "--recipe", "plain"), 2, "leave out --recipe"),
        (("-d", "chance", "--set", "frames=2"), 2, "has no recipe"),
    ):
        (tmp_path / "w.pt").write_text(json.dumps({"frames": 2, "scale": 1}))
        ended = lab("data", "prepare", "folder", *options)
        assert (ended.code, says in ended.err) == (code, True), ended.err
    assert not FOUND.exists()


@pytest.mark.slow
def test_a_file_is_scored_by_the_weights_that_a_run_finds(lab: Dfbench, tmp_path: Path) -> None:
    path = tmp_path / "videos" / "7"
    ended = lab("predict", path, *TASK)
    assert ended.code == 1
    assert "no trained weights for detector 'lab' on folder" in ended.err
    assert lab("train", *TASK).code == 0
    assert lab("run", *TASK).code == 0
    (run,) = records()
    scores = dfbench.scores(Path("runs") / run)
    (row,) = dfbench.predict(path, detector="lab", protocol="own-splits").to_dict("records")
    assert row["logit"] == scores["logit"][scores["video_id"] == "7"].mean()
    assert row["weights_sha256"] == records()[run]["detector"]["weights_sha256"]
    assert lines_of(FITTED) == 1


@pytest.mark.slow
def test_a_plugin_is_told_of_every_run_and_training(lab: Dfbench, monkeypatch: pytest.MonkeyPatch) -> None:
    HEARD.clear()
    train = ("train", *TASK, "--seed", "3")
    started = ("training started", "lab", "plain", 3, 2, 2)
    CUT.touch()
    assert lab(*train).code == 1
    assert list(HEARD) == [started, ("training failed", 3, HEARD[1][2])]
    assert "power cut" in str(HEARD[1][2])
    HEARD.clear()
    assert lab(*train).code == 0
    round_one = ("training round", "own", 1, {"loss": 0.5})
    assert list(HEARD) == [started, round_one, ("training finished", True, True, {})]
    HEARD.clear()
    run = ("run", *TASK, "--seed", "3")
    scored = vars(evaluation)["score_videos"]

    def broken(detector: object, videos: list[object], **rest: object) -> None:
        scored(detector, videos[:1], **rest)
        raise ScoreError("the detector returned NaN")

    monkeypatch.setattr(evaluation, "score_videos", broken)
    assert lab(*run).code == 1
    monkeypatch.setattr(evaluation, "score_videos", scored)
    assert lab(*run).code == 0
    (folder,) = (path.resolve() for path in Path("runs").iterdir())
    entry = json.loads((folder / "run.json").read_text())["entry"]
    assert list(HEARD) == [
        ("run started", entry, folder),
        ("run failed", entry, folder, "the detector returned NaN"),
        ("run started", entry, folder),
        ("run finished", "complete", folder, True, 2),
    ]
    HEARD.clear()
    assert (lab(*train).code, lab(*run).code) == (0, 0)  # both are complete: nothing happens
    assert not HEARD


@pytest.mark.slow
def test_a_validation_set_is_scored_with_the_same_weights_and_never_ranked(lab: Dfbench) -> None:
    trained = lab("train", "-d", "lab", "-p", "own-validation")
    assert trained.code == 0, trained.err
    assert lab("run", *TASK).code == 0
    chosen = lab("run", "-d", "lab", "-p", "own-validation")
    assert chosen.code == 0, chosen.err
    assert lines_of(FITTED) == 1
    purposes = {record["protocol"]: record.get("purpose") for record in records().values()}
    assert purposes == {"own-splits": None, "own-validation": "validation"}
    ((row,),) = json.loads(lab("leaderboard", "-p", "own-validation", "--json").out).values()
    assert (row["section"], row["rank"]) == (VALIDATION, None)
