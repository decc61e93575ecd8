"""What the checks of a training find, on a trainer that takes no time: each way to misbehave is told by its own check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dfbench import (
    DetectorCard,
    DetectorSpec,
    PrepareSpec,
    Trained,
    TrainingNeeds,
    TrainingRequest,
    UsageError,
)
from dfbench.data import read_faces
from dfbench.data.store.face_files import read_track
from dfbench.hooks.conformance import CheckResult
from dfbench.hooks.host import Host
from dfbench.training import conformance
from dfbench.training.conformance import check_training, made_faces
from dfbench.training.weights_file import WEIGHTS, write_trained
from dfbench.types import ClipSpec, FrameChoice, Label

CLIPS = ClipSpec(frames=2, size=16)
PREPARE = PrepareSpec(FrameChoice("first", 6, clip=2))
REGISTRY = Host.load().registry
NAMES = (
    "trains",
    "its weights say what it was trained on",
    "trains the same again",
    "goes on after a cut to the same weights",
)
CALLS: list[TrainingRequest] = []


class Careful:
    """Learns the mean of the first face of each video, in four steps, and goes on where it was."""

    fault = ""

    def __init__(self, recipe: str, fields: Mapping[str, str]) -> None:
        self._recipe = {"recipe": recipe, **fields}

    def recipe(self) -> Mapping[str, Any]:
        return self._recipe

    def needs(self) -> TrainingNeeds:
        return TrainingNeeds(PREPARE, PREPARE, frozenset({0, 1}))

    def fit(self, request: TrainingRequest) -> object:
        CALLS.append(request)
        if self.fault == "raises":
            raise ZeroDivisionError("no faces today")
        state = request.folder / "steps"
        done = int(state.read_text()) if state.exists() and self.fault != "begins anew" else 0
        with request.progress.task("train", 4) as task:
            for step in range(done, 4):
                state.write_text(str(step))
                task.advance()
        value = np.mean([read_faces(file.path).crops[0].mean() for file in request.train])
        if self.fault == "draws":
            value += len(CALLS)
        if self.fault == "forgets" and done:
            value += 1
        trained = Trained({"mean": torch.tensor(value)}, {"step": 4})
        if self.fault == "nothing":
            return None
        if self.fault == "a path":
            return write_trained(trained, request, detector="careful", recipe=self._recipe)
        return trained


def describe(weights: Path) -> DetectorCard:
    assert weights.name == WEIGHTS
    return DetectorCard(
        CLIPS, trained_on=frozenset({"other"} if Careful.fault == "says other" else {"made_up"})
    )


SPEC = DetectorSpec(
    name="careful",
    summary="The mean.",
    build="a:b",
    clips=CLIPS,
    needs_weights=True,
    describe=f"{__name__}:describe",
    trainer=f"{__name__}:Careful",
    recipes=("plain",),
    default_recipe="plain",
)


@pytest.fixture(autouse=True)
def _of_the_training_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    CALLS.clear()
    monkeypatch.setattr(conformance, "check_detector", lambda *_, **__: [CheckResult("scores", passed=True)])


def checked(monkeypatch: pytest.MonkeyPatch, fault: str = "", **options: Any) -> dict[str, str]:
    """The details of each check."""
    monkeypatch.setattr(Careful, "fault", fault)
    return {result.name: result.detail for result in check_training(SPEC, REGISTRY, **options)}


def test_a_trainer_that_behaves_passes_all(monkeypatch: pytest.MonkeyPatch) -> None:
    assert checked(monkeypatch) == dict.fromkeys([*NAMES, "scores"], "")
    assert [request.folder.name for request in CALLS] == ["first", "cut", "cut"]
    assert checked(monkeypatch, "a path") == dict.fromkeys([*NAMES, "scores"], "")


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ("draws", {"trains the same again", "goes on after a cut to the same weights"}),
        ("forgets", {"goes on after a cut to the same weights"}),
        ("says other", {"its weights say what it was trained on"}),
    ],
)
def test_each_fault_is_told_by_its_own_check(
    monkeypatch: pytest.MonkeyPatch, fault: str, found: set[str]
) -> None:
    results = checked(monkeypatch, fault)
    assert {name for name, detail in results.items() if detail} == found
    if fault != "says other":
        assert all(results[name] == "other weights came out, first in mean" for name in found)


@pytest.mark.parametrize(
    ("fault", "words"), [("raises", "no faces today"), ("nothing", "fit() returned None, neither `Trained`")]
)
def test_without_weights_there_is_nothing_more_to_check(
    monkeypatch: pytest.MonkeyPatch, fault: str, words: str
) -> None:
    results = checked(monkeypatch, fault)
    assert list(results) == ["trains"]
    assert words in results["trains"]


def test_who_begins_anew_after_a_cut_ends_with_the_same_weights_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It costs time, and no result."""
    assert not any(checked(monkeypatch, "begins anew").values())


def test_fields_of_a_recipe_reach_the_trainer_and_a_detector_without_one_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[Mapping[str, Any]] = []
    fit = Careful.fit

    def noted(self: Careful, request: TrainingRequest) -> object:
        seen.append(self.recipe())
        return fit(self, request)

    monkeypatch.setattr(Careful, "fit", noted)
    checked(monkeypatch, recipe="other", overrides={"lr": "1"})
    assert seen[0] == {"recipe": "other", "lr": "1"}
    with pytest.raises(UsageError, match="detector 'chance' cannot be trained"):
        check_training(REGISTRY.detector("chance"), REGISTRY)


@pytest.mark.parametrize("landmarks", [True, False])
@pytest.mark.parametrize("labels", [{0}, {0, 1}])
def test_made_up_faces_are_what_was_asked_for(tmp_path: Path, landmarks: bool, labels: set[int]) -> None:
    prepare = replace(PREPARE, landmarks=landmarks)
    needs = TrainingNeeds(prepare, PREPARE, frozenset(labels), validation_labels=frozenset({0, 1}))
    train, held_out = made_faces(tmp_path, needs)
    assert {int(file.video.label) for file in train} == labels
    assert {int(file.video.label) for file in held_out} == {0, 1}
    assert len({file.video.video_id for file in [*train, *held_out]}) == len(train) + len(held_out)
    assert all(file.video.path.is_file() for file in train)
    for file in train:
        track = read_track(file.path).track
        assert (np.diff(track.frame_indices) == 1).all()
        assert len(track.frame_indices) >= 2 * CLIPS.frames
        assert track.landmarks.shape[1] == (81 if landmarks else 0)
    first, second = (read_faces(file.path).crops[0] for file in train[:2])
    assert not np.array_equal(first, second)
    again, _ = made_faces(tmp_path, needs)
    assert np.array_equal(read_faces(again[0].path).crops[0], first)  # the same in every call
    assert train[0].video.label is Label.REAL
