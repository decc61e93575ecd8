"""What of a request is refused before any data are touched, each with a way out, and what is let through."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.cli.toy_corpus import BUILT, ToyPlugin, ToyTrainer, write_toy

from dfbench.errors import (
    DfbenchError,
    MissingVideoError,
    PluginError,
    RunError,
    SettingsError,
    StoreError,
    UnknownNameError,
    UsageError,
    WeightsError,
)
from dfbench.hooks.host import Host
from dfbench.runs.planning import refusals
from dfbench.runs.planning.refusals import (
    MAX_SEED,
    check_data,
    check_explaining,
    check_maps,
    check_preparation,
    check_requests,
    check_scoring,
    check_selection,
    check_training,
    explaining_detectors,
    load_options,
    require_explainer,
)
from dfbench.runs.planning.requests import ScoringRequest, TrainingOptions
from dfbench.runs.planning.scored_clips import scored_clips
from dfbench.runs.planning.setup import Setup
from dfbench.settings import Settings
from dfbench.specs import DetectorSpec, VideoSelection
from dfbench.types import ClipSpec

HOST = Host.load([ToyPlugin()])
REGISTRY = HOST.registry
SCORED = ScoringRequest("constant", "both")
TRAINED = ScoringRequest("trained", "once")
TRAINING = TrainingOptions("trained", "once")


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    """The toy where it is configured; whoever reads its list is found out."""
    root = write_toy(tmp_path / "toy")
    BUILT.clear()
    return Setup(HOST, data={"roots": {"toy": root}}, runs=tmp_path / "runs", cache=tmp_path / "cache")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "weights.pt"
    torch.save({"a": torch.ones(1)}, path)
    return path


def of_spec(registry: Any, name: str, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> DetectorSpec:
    """Change the spec of a detector for this test; returns it."""
    spec: DetectorSpec = replace(registry.detector(name), **changes)
    detector = type(registry).detector
    monkeypatch.setattr(
        type(registry), "detector", lambda self, asked: spec if asked == name else detector(self, asked)
    )
    return spec


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({}, None, ""),
        ({"seed": MAX_SEED}, None, ""),
        ({"seed": MAX_SEED + 1}, UsageError, f"--seed {MAX_SEED + 1} is no seed"),
        ({"seed": -1}, UsageError, "--seed -1 is no seed"),
        ({"detector": "konstant"}, UnknownNameError, "'konstant'"),
        ({"protocol": "bothe"}, UnknownNameError, "'bothe'"),
        ({"device": "quantum"}, UsageError, "unknown device 'quantum'"),
        ({"precision": "int3"}, UsageError, "'constant' cannot score with --precision int3"),
        ({"only": ("tois",)}, UnknownNameError, "no test dataset 'tois'"),
        ({"size": "small"}, UsageError, "--size small is of a corpus that is made here"),
        ({"data": "nothing"}, UnknownNameError, "'nothing'"),
        ({"dataset": "toy", "only": ("toy",)}, UsageError, "--only picks tests of a protocol"),
        ({"dataset": "tois"}, UnknownNameError, "'tois'"),
        ({"splits": ("test",)}, UsageError, "--split goes with --dataset"),
        ({"compression": "c23"}, UsageError, "--compression goes with --dataset"),
        ({"dataset": "toy", "compression": "c99"}, DfbenchError, "c99"),
        ({"dataset": "celeb_df_v2"}, SettingsError, "no root is configured for dataset 'celeb_df_v2'"),
        ({"dataset": "toy", "data": "demo"}, SettingsError, "the corpus 'demo', .* has no dataset 'toy'"),
        ({"recipe": "plain"}, UsageError, "is not trained, so that --recipe plain changes nothing"),
        ({"train_compression": "c40"}, UsageError, "so that --train-compression c40 changes nothing"),
        ({"synthesizer": "none"}, UsageError, "so that --synthesizer none changes nothing"),
        ({"overrides": {"lr": "1"}}, UsageError, "so that --set lr=1 changes nothing"),
    ],
)
def test_a_request_is_refused_by_its_words(
    setup: Setup, change: dict[str, Any], error: type[Exception] | None, words: str
) -> None:
    request = replace(SCORED, **change)
    if error is None:
        check_scoring(request, setup)
    else:
        with pytest.raises(error, match=words):
            check_scoring(request, setup)
    assert not BUILT  # no list is read
    assert not setup.settings.runs.exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"train_compression": "c40"}, "--train-compression is of a training, and the weights are given"),
        ({"synthesizer": "none"}, "--synthesizer is of a training, and the weights are given"),
        ({"recipe": "plain"}, "--recipe plain cannot change weights that are given"),
        ({"overrides": {"lr": "1"}}, "--set lr=... cannot change weights that are given"),
    ],
)
def test_beside_given_weights_nothing_is_trained(
    setup: Setup, weights: Path, change: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        check_scoring(replace(TRAINED, weights=weights, **change), setup)
    with pytest.raises(WeightsError):
        check_scoring(replace(TRAINED, weights=weights.with_name("gone.pt")), setup)
    check_scoring(replace(TRAINED, weights=weights), setup)


def test_how_given_weights_are_read_is_what_the_detector_lets_be_said(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = replace(TRAINED, weights=weights, overrides={"pooling": "max"}, seed=4)
    spec = of_spec(REGISTRY, "trained", monkeypatch, scoring_fields=("pooling",))
    options = load_options(request, spec)
    assert (options.weights, options.seed, options.recipe, options.changes) == (
        *(weights, 4, "", {"pooling": "max"}),
    )
    with pytest.raises(UsageError, match="--set lr=") as caught:
        load_options(replace(request, overrides={"lr": "1"}), spec)
    assert caught.value.hints[0] == "what may be set for them: pooling"
    reads = replace(spec, recipe_for_weights=True)
    named = load_options(replace(request, recipe="plain", overrides={"lr": "1"}), reads)
    assert (named.recipe, named.changes) == ("plain", {"lr": "1"})  # which the detector itself looks at
    untold = load_options(replace(request, weights=None, recipe="plain"), reads)
    assert (untold.recipe, dict(untold.changes)) == ("", {})  # they are of the training


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({}, None, ""),
        ({"devices": 0}, UsageError, "--devices 0: at least 1 is needed"),
        ({"nodes": -2}, UsageError, "--nodes -2: at least 1 is needed"),
        ({"seed": -1}, UsageError, "--seed -1"),
        ({"detector": "constant"}, UsageError, "'constant' cannot be trained"),
        ({"recipe": "plane"}, DfbenchError, "no recipe 'plane'"),
        ({"synthesizer": "none"}, UsageError, "takes no --synthesizer"),
        ({"synthesizer": "nobody"}, UnknownNameError, "'nobody'"),
        ({"train_compression": "c99"}, DfbenchError, "c99"),
        ({"start": "gone.pt"}, WeightsError, "there is no weights file gone.pt"),
        ({"data": "demo", "size": "tiny"}, UnknownNameError, "'tiny'"),
    ],
)
def test_a_training_is_refused_by_its_words(
    setup: Setup, change: dict[str, Any], error: type[Exception] | None, words: str
) -> None:
    options = replace(TRAINING, **change)
    if error is None:
        check_training(options, setup)
    else:
        with pytest.raises(error, match=words):
            check_training(options, setup)
    assert not BUILT
    assert not setup.settings.cache.exists()


class Starts(ToyTrainer):
    """Cannot begin without weights, and takes only files of one name."""

    def check_start(self, start: Any) -> None:
        if start.path.name != "weights.pt":
            raise WeightsError(f"{start.path.name} is not for this network")

    def require_start(self) -> None:
        raise WeightsError("this recipe needs weights to start from")


def test_a_trainer_looks_at_where_it_starts_before_anything_is_prepared(
    setup: Setup, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_spec(setup.registry, "trained", monkeypatch, trainer=f"{__name__}:Starts")
    with pytest.raises(WeightsError, match="this recipe needs weights to start from"):
        check_training(TRAINING, setup)
    check_training(replace(TRAINING, start=str(weights)), setup)
    other = weights.rename(weights.with_name("other.pt"))
    with pytest.raises(WeightsError, match=r"other.pt is not for this network"):
        check_training(replace(TRAINING, start=str(other)), setup)


def test_weights_for_a_run_that_could_not_be_stored_are_not_trained(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(runs: Path) -> None:
        raise StoreError(f"no run can be stored in the folder of runs {runs}")

    monkeypatch.setattr(refusals, "refuse_unwritable", closed)
    check_scoring(TRAINED, setup)  # of configured data: nothing is trained for a run
    made = Setup(HOST, runs=setup.settings.runs, cache=setup.settings.cache)
    request = ScoringRequest("trained", "toy-demo")
    monkeypatch.setattr(refusals, "check_data", lambda *_: None)
    of_demo = replace(request, protocol="once")
    with pytest.raises(StoreError, match="no run can be stored"):
        check_scoring(of_demo, made)
    check_scoring(of_demo, made, purpose="explain")  # which stores none
    monkeypatch.setattr(refusals, "trained_weights", lambda *_: [Path("w.pt")])
    check_scoring(of_demo, made)  # the run may be complete


def test_one_recipe_for_several_detectors_is_that_of_those_that_train(setup: Setup) -> None:
    asked = [replace(one, recipe="plain", protocol="once") for one in (SCORED, TRAINED)]
    first, second = check_requests(asked, setup)
    assert (first.recipe, second.recipe) == ("", "plain")
    assert first == replace(asked[0], recipe="")
    with pytest.raises(UsageError, match="is not trained, so that --recipe plain"):
        check_requests(asked[:1], setup)


def test_a_protocol_that_is_not_fair_is_refused_for_its_training_too(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    unfair = replace(setup.registry.protocol("once"), tests=(VideoSelection("toys", ("train",)),))
    monkeypatch.setattr(type(setup.registry), "protocol", lambda *_: unfair)
    with pytest.raises(RunError, match="tests on what it trains on: toy train and toy train"):
        check_training(TRAINING, setup)
    with pytest.raises(RunError, match="tests on what it trains on: toy train and toy train"):
        check_scoring(TRAINED, setup)


def test_a_dataset_to_test_is_named_by_any_of_its_names(setup: Setup) -> None:
    alone = refusals.tested_dataset(replace(SCORED, dataset="toys", splits=("test",)), setup)
    assert alone is not None
    assert alone.name == "toy"
    assert refusals.tested_dataset(SCORED, setup) is None


@pytest.mark.parametrize(
    ("selection", "data", "size", "words"),
    [
        (VideoSelection("celeb_df_v2", ("test",)), "", "full", "no root is configured"),
        (VideoSelection("toy", compression="raw"), "", "full", "raw"),
        (VideoSelection("celeb_df_v2", ("tset",)), "demo", "full", "no split 'tset'"),
        (VideoSelection("toy"), "demo", "full", "has no dataset 'toy'"),
        (VideoSelection("toy"), "", "small", "--size small"),
    ],
)
def test_data_that_cannot_be_selected_are_refused_without_a_look(
    setup: Setup, selection: VideoSelection, data: str, size: str, words: str
) -> None:
    with pytest.raises(DfbenchError, match=words):
        check_data(data, size, [selection], setup.registry, setup.settings)
    with pytest.raises(DfbenchError, match=words):
        check_selection(
            selection.dataset,
            compression=selection.compression or "",
            splits=selection.splits,
            data=data,
            size=size,
            registry=setup.registry,
            settings=setup.settings,
        )
    check_data("", "full", [VideoSelection("toy", ("any",))], setup.registry, setup.settings)


def test_a_face_finder_that_is_not_there_is_refused_where_faces_are_found(setup: Setup) -> None:
    nobody = setup.with_settings(face_finder="nobody").settings
    with pytest.raises(UnknownNameError, match="'nobody'"):
        check_preparation(setup.registry, nobody)
    asked: dict[str, Any] = {"compression": "", "splits": (), "data": "", "size": "full"}
    with pytest.raises(UnknownNameError, match="'nobody'"):
        check_selection("toy", **asked, registry=setup.registry, settings=nobody)
    check_selection("toy", **asked, registry=setup.registry, settings=nobody, prepares=False)


def test_only_who_explains_is_asked_to() -> None:
    able = explaining_detectors(REGISTRY)
    assert "fakestormer" in able
    assert "constant" not in able
    with pytest.raises(UsageError, match="'constant' cannot explain itself") as caught:
        require_explainer(REGISTRY.detector("constant"), REGISTRY)
    assert "fakestormer" in caught.value.hints[0]
    spec = replace(REGISTRY.detector("constant"), explain="a:b", maps=("light", "shade"))
    require_explainer(spec, REGISTRY)
    check_maps(spec, ["light"])
    check_maps(replace(spec, maps=()), ["anything"])  # who names none is asked once it is open
    with pytest.raises(UnknownNameError, match="no map 'lite'"):
        check_maps(spec, ["shade", "lite"])


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({}, None, ""),
        ({"videos": [Path("gone.mp4")]}, MissingVideoError, "there is no file gone.mp4"),
        ({"videos": []}, None, ""),
        ({"maps": ["x"]}, UnknownNameError, "no map 'x'"),
        ({"device": "quantum"}, UsageError, "unknown device"),
        ({"data": "nothing"}, UnknownNameError, "'nothing'"),
        ({"weights": Path("gone.pt")}, WeightsError, "gone.pt"),
    ],
)
def test_what_cannot_be_explained_is_refused_before_weights_are_looked_for(
    tmp_path: Path, change: dict[str, Any], error: type[Exception] | None, words: str
) -> None:
    (tmp_path / "a.mp4").touch()
    asked: dict[str, Any] = {
        **{"videos": [Path("gone.mp4"), tmp_path / "a.mp4"], "maps": (), "data": "", "device": "auto"},
        **{"weights": None, "registry": REGISTRY, "settings": Settings()},
        **change,
    }
    spec = replace(REGISTRY.detector("constant"), explain="a:b", maps=("light",))
    if error is None:
        check_explaining(spec, **asked)
    else:
        with pytest.raises(error, match=words):
            check_explaining(spec, **asked)


class ChoosesByRecipe(ToyTrainer):
    def clips(self) -> ClipSpec:
        return ClipSpec(frames=int(self.recipe().get("frames", 9)), size=16)


def test_the_clips_of_a_run_are_known_before_there_are_weights(
    setup: Setup, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = setup.registry
    plain = registry.detector("trained").clips
    assert scored_clips(SCORED, registry, made=False) == registry.detector("constant").clips
    assert scored_clips(TRAINED, registry, made=False) == plain  # its trainer does not choose
    with pytest.raises(UsageError, match="'constant' cannot be trained, and has no recipe"):
        scored_clips(replace(SCORED, recipe="plain"), registry, made=False)
    of_spec(registry, "trained", monkeypatch, trainer=f"{__name__}:ChoosesByRecipe")
    asked = replace(TRAINED, overrides={"frames": "4"})
    assert scored_clips(asked, registry, made=False).frames == 4
    assert scored_clips(TRAINED, registry, made=True).frames == 9
    assert scored_clips(replace(TRAINED, weights=weights), registry, made=True) == plain
    of_spec(registry, "trained", monkeypatch, needs_weights=False, trainer=f"{__name__}:ChoosesByRecipe")
    assert scored_clips(TRAINED, registry, made=True) == plain  # it scores without a training
    assert scored_clips(asked, registry, made=True).frames == 4
    with pytest.raises(PluginError, match="0"):
        _fails(registry, monkeypatch)


def _fails(registry: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> ClipSpec:
        raise ZeroDivisionError("0 frames")

    monkeypatch.setattr(ChoosesByRecipe, "clips", broken)
    scored_clips(replace(TRAINED, recipe="plain"), registry, made=True)
