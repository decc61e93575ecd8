"""A method's trainer around its loop: what is refused before it, what an error in it means, and what it returns after it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.runs.toy_runs import Notes
from tests.training.lines import METHOD, faces_of, line_recipe, network, request
from torch import nn

from dfbench import FaceFile, RunError, StartWeights, TrainingRequest, WeightsError, World
from dfbench.exchanged import Started
from dfbench.training import trainer as module
from dfbench.training.loaders import Library
from dfbench.training.loop import FitResult
from dfbench.training.method import Method
from dfbench.training.record import FitPlan
from dfbench.training.trainer import MethodTrainer

Faces = tuple[list[FaceFile], list[FaceFile]]


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Faces:
    folder = tmp_path_factory.mktemp("faces")
    return faces_of(folder, reals=2, fakes=2, seed=1), faces_of(folder, reals=2, fakes=2, seed=2)


class Loop:
    """Takes the place of the loop: raises `error`, or returns a result, and keeps what it was handed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, error: BaseException | None = None) -> None:
        self.error = error
        self.plan: FitPlan | None = None
        self.handed: dict[str, Any] = {}
        self.resumed: tuple[int, ...] = ()
        monkeypatch.setattr(module, "fit_module", self._fit)

    def _fit(self, trained: nn.Module, *, plan: FitPlan, **handed: Any) -> FitResult:
        self.plan, self.handed = plan, handed
        if self.error is not None:
            raise self.error
        state = {
            name: value.double() if value.is_floating_point() else value
            for name, value in trained.state_dict().items()
        }
        if any(name.startswith("average.") for name in state):  # which is what counts then
            state |= {name: value + 1 for name, value in state.items() if name.startswith("net.")}
        return FitResult(state, 0.75, 6, self.resumed)


def asked(faces: Faces, folder: Path, **changes: Any) -> TrainingRequest:
    return request(*faces, folder, **changes)


def trainer(method: Method = METHOD, **fields: Any) -> MethodTrainer:
    return MethodTrainer(method, line_recipe(**fields))


@pytest.mark.parametrize("ema_decay", [0.0, 0.5])
def test_the_weights_are_those_of_the_network_in_single_precision(
    faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ema_decay: float
) -> None:
    Loop(monkeypatch)
    found = trainer(ema_decay=ema_decay).fit(asked(faces, tmp_path))
    own = network(line_recipe(), seed=1).state_dict()
    assert found.state.keys() == own.keys()
    assert {value.dtype for value in found.state.values()} == {torch.float32, torch.int64}
    assert all(torch.equal(found.state[name].float(), value.float()) for name, value in own.items())
    assert (found.family, found.started) == ("line", None)


def test_how_a_training_went_is_told_with_where_it_was_resumed(
    faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = Loop(monkeypatch)
    plain = trainer(best_by="clip_accuracy").fit(asked(faces, tmp_path, seed=9)).outcome
    assert plain == {
        "best_by": "clip_accuracy",
        "validation_clip_accuracy": 0.75,
        "validation_fakes": "real",
        "step": 6,
        "seed": 9,
        "processes": 1,
    }
    loop.resumed = (2, 4)
    assert trainer().fit(asked(faces, tmp_path)).outcome["resumed_at"] == [2, 4]


def test_the_plan_counts_in_rounds_of_this_recipe(
    faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = Loop(monkeypatch)
    told: list[int] = []
    fields: dict[str, Any] = {
        "epochs": 4,
        "checkpoint_steps": 1,
        "validate_every": 2,
        "patience": 3,
        "batch": 4,
    }
    trainer(**fields, precision="bf16").fit(
        asked(faces, tmp_path, on_round=lambda step, _: told.append(step))
    )
    plan = loop.plan
    assert plan is not None
    whole = plan.rounds * plan.steps
    assert (plan.rounds % 4, plan.validate_every, plan.patience) == (0, 2 * plan.rounds // 4, 3)
    assert (plan.monitor, plan.precision, plan.samples, plan.device) == ("val_auc", "bf16", 4, "cpu")
    assert whole > 0
    loop.handed["on_round"](5, {})
    assert told == [5]
    assert loop.handed["title"] == "train line (demo)"
    rare = trainer(**{**fields, "validate_every": 9})
    rare.fit(asked(faces, tmp_path))
    assert loop.plan is not None
    assert loop.plan.validate_every == loop.plan.rounds  # at the end, at the latest


@pytest.mark.parametrize(
    ("error", "words", "hint"),
    [
        (
            torch.cuda.OutOfMemoryError("CUDA out of memory"),
            "training ran out of memory on cpu with batch 4",
            "--set",
        ),
        (RuntimeError("can't allocate memory: you tried"), r"batch 4 a device in 1 part\(s\)", "--set"),
        (
            torch._dynamo.exc.TorchDynamoException("no graph"),
            "torch.compile with backend 'none' failed: no graph",
            "--set compile=none",
        ),
    ],
)
def test_what_torch_cannot_do_is_told_with_the_way_out(
    faces: Faces,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    words: str,
    hint: str,
) -> None:
    Loop(monkeypatch, error)
    with pytest.raises(RunError, match=words) as caught:
        trainer().fit(asked(faces, tmp_path))
    assert caught.value.__cause__ is error
    assert hint in caught.value.hints[0]


def test_other_errors_of_a_network_are_its_own(
    faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Loop(monkeypatch, RuntimeError("shapes do not fit"))
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        trainer().fit(asked(faces, tmp_path))


def needs_weights(recipe: object) -> None:
    raise WeightsError("give it ImageNet's")


def test_who_needs_weights_to_start_from_is_refused_without_and_not_with_them(
    faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Loop(monkeypatch)
    begun: list[str] = []

    def start(net: nn.Module, weights: StartWeights) -> Started:
        begun.append(weights.path.name)
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.fill_(0.5)
        return Started("starting from a", frozenset({"ffpp"}), None)

    needing = replace(METHOD, needs_start=needs_weights, start=start)
    with pytest.raises(WeightsError, match="give it ImageNet's"):
        trainer(needing).require_start()
    with pytest.raises(WeightsError, match="give it ImageNet's"):
        trainer(needing).fit(asked(faces, tmp_path))
    trainer().require_start()  # which needs none
    notes = Notes()
    given = StartWeights(tmp_path / "a.pt")
    found = trainer(needing).fit(asked(faces, tmp_path, start=given, progress=notes))
    assert found.started is not None
    assert found.started.trained_on == frozenset({"ffpp"})
    assert notes.said == ["starting from a"]
    assert float(found.state["line.bias"]) == 0.5
    trainer(needing).check_start(given)
    assert begun == ["a.pt", "a.pt"]


def test_a_synthesizer_that_is_needed_has_to_be_there(faces: Faces, tmp_path: Path) -> None:
    pseudo = trainer(fakes="pseudo", validation_fakes="pseudo", synthesizer="any")
    with pytest.raises(RunError, match="training line needs the synthesizer 'any', and got none"):
        pseudo.fit(asked(faces, tmp_path))


def test_processes_of_a_machine_share_its_memory_for_faces(
    faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[int] = []

    class Counting(Library):
        def __init__(self, paths: Any, *, cache_bytes: int) -> None:
            kept.append(cache_bytes)
            super().__init__(paths, cache_bytes=cache_bytes)

    monkeypatch.setattr(module, "Library", Counting)
    Loop(monkeypatch)
    for local in (1, 2):
        trainer().fit(asked(faces, tmp_path, world=World(0, local, local)))
    assert kept == [1 << 30, 1 << 30, 1 << 29, 1 << 29]


def test_a_trainer_says_what_its_recipe_says() -> None:
    recipe = line_recipe(clips_per_video=7)
    made = MethodTrainer(METHOD, recipe)
    assert made.recipe() == recipe.identity()
    assert made.needs() == recipe.needs()
    assert made.clips() == recipe.clips()
