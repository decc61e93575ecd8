"""A training from a request to its weights, with a trainer that takes a moment: what is refused, told and kept."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.cli.command import Dfbench
from tests.cli.toy_lab import FITTED, open_lab

import dfbench as package
from dfbench import RunError, UsageError, WeightsError
from dfbench.progress import SilentProgress

TASK: dict[str, Any] = {"detector": "lab", "protocol": "own-splits"}


class Notes(SilentProgress):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, message: str) -> None:
        self.said.append(message)


@pytest.fixture
def videos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the lab's videos: 0 and 1 to train on, 2 and 3 to validate, the other four to test; even ones are real."""
    return open_lab(tmp_path / "videos", monkeypatch)


def record_of(weights: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(
        (weights.parent / "dfbench-training.json").read_text(encoding="utf-8")
    )
    return record


def runs_folder() -> Path:
    return Path(os.environ["DFBENCH_RUNS"])


def break_video(folder: Path) -> None:
    for image in folder.iterdir():
        image.write_bytes(b"no image")


@pytest.mark.slow
def test_without_a_usable_video_nothing_is_trained(videos: Path) -> None:
    for number in (0, 1):
        break_video(videos / str(number))
    with pytest.raises(RunError, match="no usable train video"):
        package.train(**TASK)
    assert not FITTED.exists()


def test_a_video_that_cannot_be_used_is_told_and_left_out(videos: Path) -> None:
    break_video(videos / "2")
    progress = Notes()
    weights = package.train(**TASK, progress=progress)
    assert "warning: 1 of 2 validation videos cannot be used" in progress.said
    assert record_of(weights)["trained_on"] == ["folder"]


@pytest.mark.slow
def test_people_of_the_test_set_are_told_and_stored_with_the_weights(videos: Path) -> None:
    listing = videos / "videos.csv"
    listing.write_text(listing.read_text().replace("person 6", "person 0").replace("person 3", "person 1"))
    progress = Notes()
    weights = package.train(**TASK, progress=progress)
    leaks = [
        "leak: 1 group is in training and in validation: person 1",
        "leak: 1 group is in training and in test: person 0",
    ]
    assert record_of(weights)["leaks"] == {"folder": leaks}
    assert {f"*** warning: folder: {leak}" for leak in leaks} <= set(progress.said)
    with pytest.warns(package.CoverageWarning, match="leak: 1 group is in training and in test: person 0"):
        table = package.run(**TASK)
    assert all("; ".join(leaks) in note for note in table["note"])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::dfbench.CoverageWarning")
def test_a_plugin_that_trained_the_weights_stands_in_the_record_of_a_run(videos: Path) -> None:
    weights = package.train(**TASK)
    (noted,) = record_of(weights)["plugins"]
    offers = ["detector lab", "face finder whole", "protocol own-splits"]
    trained = [f"{offer} (in the training)" for offer in offers]
    assert sorted(noted["offers"]) == trained
    package.run(**TASK)
    (record,) = (json.loads(path.read_text()) for path in runs_folder().glob("*/run.json"))
    assert noted in record["plugins"]
    assert [sorted(plugin["offers"]) for plugin in record["plugins"]] == [
        offers,
        trained,
    ]
    package.run("chance", protocol="own-splits")  # which nobody trained
    (other,) = (json.loads(path.read_text()) for path in runs_folder().glob("chance-*/run.json"))
    assert all("(in the training)" not in offer for plugin in other["plugins"] for offer in plugin["offers"])


@pytest.mark.slow
def test_weights_to_start_from_make_another_training(videos: Path, tmp_path: Path) -> None:
    first = package.train(**TASK)
    start = Path(shutil.copy(first, tmp_path / "start.pt"))
    second = package.train(**TASK, start=str(start))
    assert first.parent != second.parent
    identity = record_of(second)["identity"]
    assert identity["start"]["sha256"] == record_of(first)["sha256"]
    assert "start" not in record_of(first)["identity"]
    start.write_text(start.read_text() + " ")  # other weights under the same name
    assert package.train(**TASK, start=str(start)).parent not in {first.parent, second.parent}
    with pytest.raises(WeightsError, match="there is no weights file"):
        package.train(**TASK, start=str(tmp_path / "gone.pt"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"detector": "chance"}, "detector 'chance' cannot be trained"),
        ({"recipe": "plane"}, "no recipe 'plane' in detector 'lab'"),
        ({"synthesizer": "self_blended_video"}, "takes no --synthesizer"),
        ({"seed": -1}, "--seed -1 is no seed"),
        ({"devices": 0}, "--devices 0: at least 1 is needed"),
        ({"nodes": 0}, "--nodes 0: at least 1 is needed"),
        ({"device": "quantum"}, "unknown device 'quantum'"),
    ],
)
def test_what_cannot_be_trained_is_refused_at_once(
    videos: Path, tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        package.train(**{**TASK, **options})
    assert not (tmp_path / "cache").exists()


def test_processes_that_leave_no_weights_are_told(videos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dfbench.training.distributed.launch", lambda *_, **__: None)
    with pytest.raises(RunError, match="ended, and left no weights in "):
        package.train(**TASK, device="cpu", devices=2)


@pytest.mark.slow
def test_the_command_for_another_machine_trains_what_was_asked(
    videos: Path, dfbench: Dfbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []

    def launch(words: Sequence[str], *, asked: Sequence[str], devices: int, nodes: int) -> None:
        assert (words[0], devices, nodes) == ("train", 2, 1)
        shown.extend(asked)

    monkeypatch.setattr("dfbench.training.distributed.launch", launch)
    options: dict[str, Any] = {"recipe": "plain", "overrides": {"file": "a b.pt", "frames": "2"}, "seed": 5}
    with pytest.raises(RunError, match="left no weights in ") as caught:
        package.train(**TASK, **options, device="cpu", devices=2)
    folder = Path(caught.value.message.rpartition(" in ")[2])
    at = shown.index("--devices")
    assert shown[at + 1] == "2"
    ended = dfbench(*shown[:at], *shown[at + 2 :])
    assert ended.code == 0, ended.err
    assert Path(ended.out.strip()) == folder / "a b.pt"
    assert (
        package.train(**TASK, **options, device="cpu", devices=2) == folder / "a b.pt"
    )  # nothing is started
