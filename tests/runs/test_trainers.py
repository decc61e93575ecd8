"""The trainer of a detector: what it is made with, what it says that it needs, and what is wrong with what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.cli.toy_corpus import ToyPlugin, ToyTrainer

from dfbench.errors import PluginError, UnknownNameError, UsageError, WeightsError
from dfbench.exchanged import TrainingNeeds
from dfbench.hooks.host import Host
from dfbench.hooks.registry import Registry
from dfbench.runs.planning.recipes import parse_overrides
from dfbench.runs.planning.trainers import needs_of, start_weights, synthesizer_of, trainer_of
from dfbench.runs.trainings.plan import start_identity
from dfbench.specs import SynthesizerSpec
from dfbench.types import FrameChoice, PrepareSpec

REGISTRY = Host.load([ToyPlugin()]).registry
SPEC = REGISTRY.detector("trained")
PREPARE = PrepareSpec(FrameChoice("first", 1))
NEEDS = TrainingNeeds(PREPARE, PREPARE, frozenset({0}))


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("a.pt", "timm:x=a.pt"):
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.mark.parametrize(
    ("start", "path", "read_as"),
    [("a.pt", "a.pt", ""), ("timm:y=a.pt", "a.pt", "timm:y"), ("timm:x=a.pt", "timm:x=a.pt", "")],
)
def test_weights_to_start_from_are_a_file_or_a_way_to_read_it(
    files: Path, start: str, path: str, read_as: str
) -> None:
    """A file of that very name goes first."""
    del files
    found = start_weights(start)
    assert (found.path, found.read_as) == (Path(path), read_as)
    identity = start_identity(start)
    assert identity.read_as == read_as
    assert identity != start_identity("timm:z=a.pt")


@pytest.mark.parametrize("start", ["gone.pt", "timm:y=gone.pt", "=", ""])
def test_weights_that_are_not_there_are_named(files: Path, start: str) -> None:
    del files
    with pytest.raises(WeightsError, match="there is no weights file") as caught:
        start_weights(start)
    assert caught.value.hints == ("correct --start",)


class Takes(ToyTrainer):
    """Can be told whose fakes to learn from."""

    def __init__(self, recipe: str, fields: Mapping[str, str], *, synthesizer: str = "") -> None:
        super().__init__(recipe, {**fields, "by": synthesizer})


def made(synthesizer: str = "", *, trainer: str = f"{__name__}:Takes", **options: Any) -> Mapping[str, Any]:
    spec = replace(SPEC, trainer=trainer)
    given: dict[str, Any] = {"made": False, **options}
    name, found = trainer_of(spec, REGISTRY, "", {}, synthesizer=synthesizer, **given)
    return {"name": name, **found.recipe()}


def test_a_trainer_is_made_with_its_own_recipe_and_told_of_a_synthesizer_by_its_own_name() -> None:
    assert made() == {"name": "plain", "recipe": "plain", "by": ""}
    assert made("SELF_BLENDED_VIDEO")["by"] == "self_blended_video"
    assert made("none")["by"] == "none"  # the fakes of the data set, and no synthesizer
    with pytest.raises(UnknownNameError, match="'nobody'"):
        made("nobody")
    with pytest.raises(UsageError, match="'trained' is trained by a trainer of its own, which takes no"):
        made("none", trainer=SPEC.trainer)
    with pytest.raises(UsageError, match="'trained' cannot be trained"):
        made(trainer="")


def test_a_recipe_for_made_corpora_is_that_of_the_demo() -> None:
    fakestormer = REGISTRY.detector("fakestormer")
    names = [trainer_of(fakestormer, REGISTRY, "", {}, made=made)[0] for made in (True, False)]
    assert names[0] == "demo" != names[1]
    assert trainer_of(fakestormer, REGISTRY, names[1], {}, made=True)[0] == names[1]


class Broken(ToyTrainer):
    def __init__(self, recipe: str, fields: Mapping[str, str]) -> None:
        raise ZeroDivisionError(f"{recipe} with {len(fields)}")


def test_a_trainer_that_cannot_be_made_is_a_fault_of_its_plugin() -> None:
    with pytest.raises(PluginError, match=r"to make a trainer of recipe 'plain'.*ZeroDivisionError"):
        made(trainer=f"{__name__}:Broken")


class Needy(ToyTrainer):
    """Needs whatever it is given."""

    def __init__(self, needs: object) -> None:
        super().__init__("plain", {})
        self._needs = needs

    def needs(self) -> Any:
        if isinstance(self._needs, Exception):
            raise self._needs
        return self._needs


@pytest.mark.parametrize(
    ("needs", "words"),
    [
        (None, r"needs\(\) of its trainer returned NoneType, not TrainingNeeds"),
        ({"labels": {0}}, "returned dict, not TrainingNeeds"),
        (replace(NEEDS, prepare="faces"), "returned prepare, of which it is 'faces', not a PrepareSpec"),  # type: ignore[arg-type]
        (replace(NEEDS, prepare_validation=None), "returned prepare_validation, of which it is None"),  # type: ignore[arg-type]
        (ValueError("no idea"), "to say what its training needs.*no idea"),
    ],
)
def test_what_a_trainer_needs_is_looked_at_before_it_is_believed(needs: object, words: str) -> None:
    assert needs_of(SPEC, Needy(NEEDS)) == NEEDS
    with pytest.raises(PluginError, match=words):
        needs_of(SPEC, Needy(needs))


def test_frames_that_cannot_be_chosen_are_a_fault_of_the_trainer() -> None:
    bad = replace(PREPARE, margin=-1.0)
    assert bad.fault()
    with pytest.raises(PluginError, match="returned prepare, of which"):
        needs_of(SPEC, Needy(replace(NEEDS, prepare=bad)))


def test_a_synthesizer_is_built_with_the_options_of_the_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[Mapping[str, object]] = []

    def build(options: Mapping[str, object]) -> str:
        if "wrong" in options:
            raise ValueError("no such option")
        built.append(options)
        return "the synthesizer"

    spec = SynthesizerSpec(name="mine", summary="", build="a:b")
    monkeypatch.setattr(Registry, "synthesizer", lambda *_: spec)
    monkeypatch.setattr("dfbench.runs.planning.trainers.load_object", lambda _: build)
    needs = replace(NEEDS, synthesizer="mine", synthesizer_options={"units": "pixels"})
    found: object = synthesizer_of(needs, REGISTRY)
    assert (found, built) == ("the synthesizer", [{"units": "pixels"}])
    with pytest.raises(PluginError, match=r"when it was built.*no such option"):
        synthesizer_of(replace(needs, synthesizer_options={"wrong": "1"}), REGISTRY)
    monkeypatch.setattr("dfbench.runs.planning.trainers.load_object", lambda _: "text")
    with pytest.raises(PluginError, match="synthesizer 'mine': a:b is not callable"):
        synthesizer_of(needs, REGISTRY)


def test_fields_are_set_by_name() -> None:
    assert parse_overrides(["lr=1e-4", "file=a=b"]) == {"lr": "1e-4", "file": "a=b"}
    for wrong in ("lr", "=1"):
        with pytest.raises(UsageError):
            parse_overrides([wrong])
