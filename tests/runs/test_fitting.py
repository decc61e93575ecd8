"""A training in process, from its plan to the note beside its weights: who is refused when, what is handed on, what is kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.cli.toy_corpus import PER_SPLIT, ToyTrainer, write_toy
from tests.runs.toy_runs import Notes, Prepared, Scoring, open_toy, toy_setup

from dfbench.errors import PluginError, RunError, StoreError, WeightsError
from dfbench.exchanged import Trained, TrainingRequest
from dfbench.hooks.third_party import PluginFacts
from dfbench.identity import differences
from dfbench.progress import SilentProgress
from dfbench.runs.planning.opening import open_training
from dfbench.runs.planning.requests import ScoringRequest, TrainingOptions
from dfbench.runs.planning.session import Session
from dfbench.runs.planning.setup import Setup
from dfbench.runs.records.provenance import file_sha256
from dfbench.runs.records.trained import TRAINING_FILE, finished_weights
from dfbench.runs.trainings import fitting, processes, weights
from dfbench.runs.trainings.beside import weights_beside
from dfbench.runs.trainings.fitting import train_here
from dfbench.runs.trainings.plan import TrainingPlan, plan_training
from dfbench.runs.trainings.processes import train_detector
from dfbench.runs.trainings.weights import find_weights
from dfbench.training.weights_file import BEST, LAST
from dfbench.types import Status, World

OPTIONS = TrainingOptions("trained", "once", device="cpu")
REQUEST = ScoringRequest("trained", "once")
Fit = Callable[[TrainingRequest], Any]


@pytest.fixture
def setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Setup:
    monkeypatch.setenv("DFBENCH_DATA__ROOTS__TOY", str(write_toy(tmp_path / "toy")))
    monkeypatch.setenv("DFBENCH_WORKERS", "5")
    Scoring().install(monkeypatch)
    return toy_setup()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[TrainingRequest]:
    """The requests that the trainer got."""
    seen: list[TrainingRequest] = []
    fit = ToyTrainer.fit

    def noted(self: ToyTrainer, request: TrainingRequest) -> Path:
        seen.append(request)
        return fit(self, request)

    monkeypatch.setattr(ToyTrainer, "fit", noted)
    return seen


def by(monkeypatch: pytest.MonkeyPatch, fit: Fit) -> None:
    """Train by this function."""
    monkeypatch.setattr(ToyTrainer, "fit", lambda _, request: fit(request))


def train(setup: Setup, options: TrainingOptions = OPTIONS, *, progress: Any = None) -> Path:
    return train_detector(options, setup, progress=progress or SilentProgress())


def plan_of(setup: Setup, options: TrainingOptions = OPTIONS) -> TrainingPlan:
    return plan_training(options, open_training(options, setup, SilentProgress()))


def note_of(folder: Path) -> dict[str, Any]:
    note: dict[str, Any] = json.loads((folder / TRAINING_FILE).read_text(encoding="utf-8"))
    return note


def test_a_trainer_is_handed_all_that_was_asked(setup: Setup, asked: list[TrainingRequest]) -> None:
    train(setup, replace(OPTIONS, seed=7))
    (request,) = asked
    assert (request.seed, request.device, request.workers) == (7, "cpu", 5)
    assert [len(request.train), len(request.validation)] == [PER_SPLIT, PER_SPLIT]
    assert {file.video.split for file in request.train} == {"train"}
    assert {file.video.split for file in request.validation} == {"val"}
    assert (request.start, request.synthesizer, request.world) == (None, None, World())
    assert request.folder == plan_of(setup, replace(OPTIONS, seed=7)).folder


def test_what_is_noted_of_a_training_is_what_made_its_weights(
    setup: Setup, asked: list[TrainingRequest]
) -> None:
    path = train(setup)
    note, plan = note_of(path.parent), plan_of(setup)
    assert note["weights"] == path.name
    assert note["sha256"] == file_sha256(path)
    assert note["identity"] == plan.identity.to_json()
    assert (note["trained_on"], note["train_compression"], note["leaks"]) == (["toy"], "c23", {})
    (session,) = note["sessions"]
    assert session["device"] == "cpu"
    assert session["finished"] >= session["started"]
    assert json.loads(json.dumps(asked[0].provenance))["identity"] == note["identity"]
    assert note["identity"]["needs"]["labels"] == "frozenset({0, 1})"  # as all versions have stored it


def test_plugins_of_others_that_took_part_are_noted_as_of_the_training(
    setup: Setup, asked: list[TrainingRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = PluginFacts("lab", "lab-plugin", "1", "ab", ("detector trained (in the training)",))
    monkeypatch.setattr(fitting, "plugins_of_training", lambda *_, **__: (facts,))
    assert note_of(train(setup).parent)["plugins"] == [facts.to_json()]
    assert asked[0].provenance["plugins"] == [facts.to_json()]
    monkeypatch.setattr(fitting, "plugins_of_training", lambda *_, **__: ())
    assert "plugins" not in note_of(train(setup, replace(OPTIONS, seed=1)).parent)


def test_a_training_that_was_cut_off_goes_on_in_its_folder_and_counts_its_sessions(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders: list[Path] = []

    def cut(request: TrainingRequest) -> Path:
        folders.append(request.folder)
        (request.folder / LAST).touch()
        raise RunError("power cut")

    with monkeypatch.context() as patch:
        by(patch, cut)
        for _ in range(2):
            with pytest.raises(RunError, match="power cut"):
                train(setup)
    assert finished_weights(folders[0]) is None
    assert (folders[0] / LAST).exists()  # what a training goes on from is kept
    path = train(setup)
    assert {*folders, path.parent} == {path.parent}
    sessions = note_of(path.parent)["sessions"]
    assert len(sessions) == 3
    assert all(session["finished"] for session in sessions)
    assert not (path.parent / LAST).exists()
    assert not (path.parent / BEST).exists()


def test_weights_that_are_returned_are_written_by_dfbench(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    by(monkeypatch, lambda _: Trained({"scale": torch.tensor(2.0)}, {"step": 9}))
    path = train(setup)
    assert path.name == "weights.safetensors"
    assert finished_weights(path.parent) == path
    from safetensors import safe_open

    with safe_open(path, framework="np") as file:
        metadata = file.metadata()
    assert metadata["format"] == "dfbench-trained"
    assert json.loads(metadata["recipe"]) == {"recipe": "plain"}
    assert json.loads(metadata["provenance"])["training"] == {"step": 9}


@pytest.mark.parametrize(
    "returned", ["nothing", "another place", "an empty file", "a file that is not there"]
)
def test_a_trainer_that_leaves_no_weights_is_named_and_nothing_is_finished(
    setup: Setup, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, returned: str
) -> None:
    def fit(request: TrainingRequest) -> object:
        (tmp_path / "elsewhere.pt").write_text("1")
        (request.folder / "empty.pt").touch()
        return {
            "nothing": None,
            "another place": tmp_path / "elsewhere.pt",
            "an empty file": request.folder / "empty.pt",
            "a file that is not there": request.folder / "gone.pt",
        }[returned]

    by(monkeypatch, fit)
    with pytest.raises(PluginError, match="the trainer of detector 'trained'"):
        train(setup)
    folder = plan_of(setup).folder
    assert finished_weights(folder) is None
    assert note_of(folder)["sessions"][0]["finished"]


class Picky(ToyTrainer):
    """Takes no weights to start from, and cannot begin without any."""

    def check_start(self, start: Any) -> None:
        raise WeightsError(f"{start.path.name} is not for this network")

    def require_start(self) -> None:
        raise WeightsError("needs weights to start from")


def test_where_it_starts_is_looked_at_before_any_video_is_prepared(
    setup: Setup, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By each process, as another may have changed the file since the command was checked."""
    start = tmp_path / "start.pt"
    torch.save({"a": torch.ones(1)}, start)
    monkeypatch.setattr(Session, "prepare", lambda *_, **__: pytest.fail("videos were prepared"))
    for options, words in (
        (OPTIONS, "needs weights to start from"),
        (replace(OPTIONS, start=str(start)), "start.pt is not for this network"),
    ):
        session = open_training(options, setup, SilentProgress())
        plan = plan_training(options, session)
        picky = replace(plan, trainer=Picky("plain", {}))
        with pytest.raises(WeightsError, match=words):
            train_here(options, World(), lambda _: (session, picky), progress=SilentProgress())  # noqa: B023
    assert not plan.folder.exists()


def test_videos_that_cannot_be_used_are_counted_in_a_note(
    setup: Setup, asked: list[TrainingRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = Notes()

    class Lossy(Prepared):
        @property
        def videos(self) -> Any:
            first, *rest = super().videos
            return [replace(first, status=Status.NO_FACE), *rest]

    monkeypatch.setattr(Session, "prepare", lambda _, videos, *__, **___: Lossy(videos))
    train(setup, progress=notes)
    for part in ("train", "validation"):
        assert f"warning: 1 of {PER_SPLIT} {part} videos cannot be used" in notes.said
    assert len(asked[0].train) == PER_SPLIT - 1


def test_only_the_first_rank_writes_and_tells(
    setup: Setup, asked: list[TrainingRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dfbench.training.distributed.rank_zero_first", lambda _: nullcontext())
    told: list[str] = []

    def tell(_: object, hook: str, __: object) -> tuple[str, ...]:
        told.append(hook)
        return ()

    monkeypatch.setattr(type(setup.host), "tell", tell)
    session = open_training(OPTIONS, setup, SilentProgress())
    plan = plan_training(OPTIONS, session)
    by_rank = World(rank=1, size=2, local=2)
    returned = train_here(OPTIONS, by_rank, lambda _: (session, plan), progress=SilentProgress())
    assert told == []
    assert not (plan.folder / TRAINING_FILE).exists()
    assert returned == plan.folder / "weights.pt"  # as its trainer said
    assert (asked[0].workers, asked[0].world) == (2, by_rank)
    train_here(OPTIONS, World(rank=0, size=2, local=2), lambda _: (session, plan), progress=SilentProgress())
    assert told == ["dfbench_training_started", "dfbench_training_finished"]
    assert finished_weights(plan.folder) == plan.folder / "weights.pt"


def test_finished_weights_are_used_without_a_training(setup: Setup, asked: list[TrainingRequest]) -> None:
    notes = Notes()
    first = train(setup)
    assert train(setup, progress=notes) == first
    assert len(asked) == 1
    assert notes.said == [f"trained: using the weights trained before ({first})"]
    first.write_text("")  # as after a full disk: they are trained again
    assert train(setup) == first
    assert len(asked) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 3},
        {"overrides": {"lr": "1"}},
        {"train_compression": "c40"},
        {"protocol": "splits"},
    ],
)
def test_another_training_has_a_folder_of_its_own_and_lies_beside(
    setup: Setup, asked: list[TrainingRequest], change: dict[str, Any]
) -> None:
    path = train(setup)
    other = replace(OPTIONS, **change)
    plan = plan_of(setup, other)
    assert plan.folder != path.parent
    (beside,) = weights_beside(setup.settings.cache, "trained", plan.identity.to_json())
    assert beside.weights == path
    assert beside.differs
    assert weights_beside(setup.settings.cache, "trained", plan_of(setup).identity.to_json()) == []
    notes = Notes()
    train(setup, other, progress=notes)
    assert sum("weights of another training lie beside" in said for said in notes.said) == 1
    assert len(asked) == 2


@pytest.mark.parametrize("change", [{"device": "auto"}, {"devices": 2}, {"data": ""}])
def test_where_it_is_trained_is_no_part_of_what_is_trained(setup: Setup, change: dict[str, Any]) -> None:
    same = plan_of(setup, replace(OPTIONS, **change))
    assert same.identity == plan_of(setup).identity
    assert same.folder == plan_of(setup).folder


def test_the_nearest_of_other_trainings_is_named_first(setup: Setup) -> None:
    near = train(setup, replace(OPTIONS, seed=1))
    far = train(setup, replace(OPTIONS, seed=2, overrides={"a": "1", "b": "2", "c": "3", "d": "4"}))
    wanted = plan_of(setup).identity.to_json()
    found = weights_beside(setup.settings.cache, "trained", wanted)
    assert [one.weights for one in found] == [near, far]
    assert len(found[0].differs) < len(found[1].differs)
    assert found[0].in_words().startswith(f"{near}: ")
    assert "seed" in found[0].in_words()
    assert "more" in found[1].in_words()
    identity = note_of(near.parent)["identity"]
    assert tuple(differences(identity, wanted)) == found[0].differs


def looked_for(setup: Setup, request: ScoringRequest = REQUEST, **options: Any) -> Path:
    return find_weights(request, open_toy(setup, request), **options)


def test_weights_of_configured_data_are_looked_up_and_never_trained(
    setup: Setup, asked: list[TrainingRequest]
) -> None:
    with pytest.raises(WeightsError, match="no trained weights for detector 'trained' on toy") as caught:
        looked_for(setup)
    assert "dfbench train --detector trained --protocol once" in caught.value.hints[0]
    assert caught.value.hints[-1].startswith("or try the demo data")
    assert asked == []
    others = [train(setup, replace(OPTIONS, seed=seed)) for seed in (1, 2, 3)]
    with pytest.raises(WeightsError) as caught:
        looked_for(setup)
    beside = [hint for hint in caught.value.hints if "lie beside" in hint]
    assert len(beside) == 2  # no more are named
    assert len({str(other) for other in others if any(str(other) in hint for hint in beside)}) == 2
    path = train(setup)
    assert looked_for(setup) == path
    assert looked_for(setup, replace(REQUEST, seed=2)) == others[1]


def test_weights_for_data_that_are_made_here_are_trained(setup: Setup, asked: list[TrainingRequest]) -> None:
    session = open_toy(setup, REQUEST)
    made = replace(session, source=replace(session.source, made=True))
    path = find_weights(REQUEST, made)
    assert len(asked) == 1
    assert find_weights(REQUEST, made) == path
    assert len(asked) == 1


def test_weights_for_a_run_that_cannot_be_stored_are_not_trained(
    setup: Setup, asked: list[TrainingRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    session = open_toy(setup, REQUEST)
    made = replace(session, source=replace(session.source, made=True))
    monkeypatch.setattr(weights, "unwritable", lambda _: "no space")
    monkeypatch.setattr("dfbench.runs.records.run_file.unwritable", lambda _: "no space")
    with pytest.raises(StoreError, match=r"no run can be stored in the folder of runs .*: no space"):
        find_weights(REQUEST, made, stored=True)
    assert asked == []
    path = find_weights(REQUEST, made)  # for what is stored nowhere
    assert find_weights(REQUEST, made, stored=True) == path  # the run may be complete


def test_who_scores_videos_of_their_own_need_not_have_the_training_set(
    setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own" / "real").mkdir(parents=True)
    (tmp_path / "own" / "real" / "a.mp4").touch()
    monkeypatch.delenv("DFBENCH_DATA__ROOTS__TOY")
    monkeypatch.setenv("DFBENCH_DATA__ROOTS__FOLDER", str(tmp_path / "own"))
    own = Setup(setup.host)
    request = replace(REQUEST, dataset="folder", splits=("all",))
    opened = open_toy(own, ScoringRequest("constant", dataset="folder"))
    registry = own.registry
    session = replace(opened, spec=registry.detector("trained"), protocol=registry.protocol("once"))
    with pytest.raises(WeightsError) as caught:
        find_weights(request, session)
    assert "no trained weights for detector 'trained' on toy" in str(caught.value)
    assert any("dfbench train --detector trained --data demo" in hint for hint in caught.value.hints)


def test_processes_are_started_for_what_is_not_trained_and_get_it_as_a_file(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    several = replace(OPTIONS, devices=2, overrides={"lr": "0.1"})
    launched: list[tuple[TrainingOptions, list[str]]] = []

    def launch(arguments: list[str], *, asked: list[str], devices: int, nodes: int) -> None:
        assert (devices, nodes) == (2, 1)
        assert arguments[:3] == ["train", "--detector", "trained"]
        options = TrainingOptions.read(Path(arguments[-1]))
        launched.append((options, asked))
        train(setup, replace(options, devices=1))  # as the first of them does

    monkeypatch.setattr("dfbench.training.distributed.launch", launch)
    monkeypatch.setattr(processes, "started", lambda: None)
    notes = Notes()
    path = train(setup, several, progress=notes)
    ((options, words),) = launched
    assert options == several
    assert words[:3] == ["train", "--detector", "trained"]
    assert notes.said[-1] == f"trained: the weights are {path}"
    assert train(setup, several) == path
    assert len(launched) == 1
