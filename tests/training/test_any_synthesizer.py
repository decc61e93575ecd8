"""Any detector that is trained, with any synthesizer: what `--synthesizer` makes of a recipe, and that each pair trains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training.lines import METHOD, LineRecipe, request
from tests.training.test_conformance import SMALL, TRAINED

from dfbench import (
    DetectorSpec,
    LoadOptions,
    Trained,
    Trainer,
    UnknownNameError,
    UsageError,
)
from dfbench.hooks.host import Host
from dfbench.hooks.recipe_names import recipe_names
from dfbench.hooks.registry import load_object
from dfbench.runs.planning.trainers import needs_of, synthesizer_of, trainer_of
from dfbench.training.conformance import SHORT, made_faces
from dfbench.training.method import Method
from dfbench.training.recipe import NO_SYNTHESIZER, fields_with_synthesizer
from dfbench.training.weights_file import write_trained

LINE = DetectorSpec(
    name="line", summary="A line.", method="tests.training.lines:METHOD", recipes=("demo", "pseudo")
)
REGISTRY = Host.load().registry
CHOICES = (*REGISTRY.names("synthesizer"), NO_SYNTHESIZER)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def trainer(
    spec: DetectorSpec, synthesizer: str, fields: Mapping[str, str] | None = None, recipe: str = ""
) -> Trainer:
    overrides = {
        **SHORT,
        "epochs": "1",
        "checkpoint_steps": "100",
        **SMALL.get(spec.name, {}),
        **(fields or {}),
    }
    return trainer_of(spec, REGISTRY, recipe, overrides, made=True, synthesizer=synthesizer)[1]


@pytest.mark.slow
@pytest.mark.parametrize("synthesizer", CHOICES)
@pytest.mark.parametrize("spec", [LINE, *TRAINED], ids=lambda spec: spec.name)
def test_every_detector_trains_with_every_synthesizer(
    spec: DetectorSpec, synthesizer: str, tmp_path: Path
) -> None:
    fields = {"train_crop": "48"} if spec is LINE else {}  # no face can be blended in 24 pixels
    chosen = trainer(spec, synthesizer, fields)
    needs = needs_of(spec, chosen)
    assert needs.synthesizer == ("" if synthesizer == NO_SYNTHESIZER else synthesizer)
    assert needs.labels == ({0, 1} if synthesizer == NO_SYNTHESIZER else {0})
    train, validation = made_faces(tmp_path, needs)
    made_by = synthesizer_of(needs, REGISTRY) if needs.synthesizer else None
    asked = request(train, validation, tmp_path / "training", synthesizer=made_by)
    asked.folder.mkdir()
    trained = chosen.fit(asked)
    assert isinstance(trained, Trained)
    weights = write_trained(trained, asked, detector=spec.name, recipe=chosen.recipe())
    method: Any = load_object(spec.method)
    assert isinstance(method, Method)
    card = method.describe(LoadOptions(weights))
    member = spec.name.partition(":")[2]  # of a family, whose recipes are for a network that the name says
    recipe = method.recipe.load(recipe_names(spec).demo, {"backbone": member} if member else {})
    own = recipe.made_by == synthesizer
    assert (f"synthesizer={synthesizer}" in card.recipe) is not own  # so that the entry says it
    clips = torch.randint(
        0, 256, (2, card.clips.frames, card.clips.size, card.clips.size, 3), dtype=torch.uint8
    )
    assert method.build(LoadOptions(weights)).score(clips).isfinite().all()


def test_another_synthesizer_changes_nothing_else_of_a_recipe_for_pseudo_fakes() -> None:
    own = LineRecipe.load("pseudo")
    assert LineRecipe.load("pseudo", synthesizer="brighter") == own  # its own: weights of before are found
    other = LineRecipe.load("pseudo", {"lr": "0.5"}, synthesizer="another")
    assert other.model_dump() == {**own.model_dump(), "synthesizer": "another", "lr": 0.5}
    assert other.label() == "pseudo with synthesizer=another lr=0.5"
    options = LineRecipe.load("pseudo", {"synthesizer_options": "kind=soft"})
    known = fields_with_synthesizer(options.model_dump(), "another")
    assert known["synthesizer_options"] == ""  # which are of the other one


def test_without_a_synthesizer_the_fakes_of_the_data_set_are_seen_as_often_as_its_reals() -> None:
    without = LineRecipe.load("pseudo", synthesizer="none")
    assert (without.fakes, without.validation_fakes, without.balance) == ("real", "real", "classes")
    assert not without.makes_fakes
    assert without.label() == "pseudo with synthesizer=none"
    assert without.needs().labels == without.needs().validation_labels == frozenset({0, 1})
    assert LineRecipe.load("demo", synthesizer="none") == LineRecipe.load("demo")


def test_with_a_synthesizer_no_deepfake_is_seen_unless_it_is_said() -> None:
    made = LineRecipe.load("demo", {"balance": "none"}, synthesizer="brighter")
    assert (made.fakes, made.validation_fakes, made.balance) == ("pseudo", "pseudo", "none")
    assert made.needs().labels == {0}
    assert made.needs().validation_labels is None
    assert made.label() == "demo with synthesizer=brighter"
    chosen_by_reals = LineRecipe.load("demo", {"validation_fakes": "real"}, synthesizer="brighter")
    assert chosen_by_reals.label() == "demo with synthesizer=brighter validation_fakes=real"
    assert chosen_by_reals.needs().validation_labels == frozenset({0, 1})
    parsed = LineRecipe.parse(made.identity())
    assert parsed == made  # what the weights store
    assert parsed.label() == made.label()


@pytest.mark.parametrize("field", ["fakes=real", "synthesizer=brighter"])
def test_two_words_on_where_fakes_come_from_are_refused(field: str) -> None:
    name, _, value = field.partition("=")
    with pytest.raises(UsageError, match=f"--synthesizer another and --set {name}="):
        LineRecipe.load("demo", {name: value}, synthesizer="another")


def test_the_label_of_a_recipe_that_keeps_its_synthesizer_is_that_of_before() -> None:
    fields = {"synthesizer": "brighter", "validation_fakes": "pseudo"}
    assert LineRecipe.load("demo", fields).label() == (
        "demo with synthesizer=brighter validation_fakes=pseudo"
    )
    assert LineRecipe.load("pseudo", {"synthesizer": "b"}).label() == "pseudo with synthesizer=b"


def test_an_unknown_synthesizer_is_named_before_anything_is_done() -> None:
    with pytest.raises(UnknownNameError, match="no synthesizer is called 'self_blended_vidoe'"):
        trainer(LINE, "self_blended_vidoe")
    name = trainer(LINE, "SELF_BLENDED_VIDEO").needs().synthesizer
    assert name == "self_blended_video"


def own_trainer(recipe: str, overrides: Mapping[str, str]) -> object:
    return METHOD.trainer(recipe, overrides)


def test_a_trainer_of_its_own_that_takes_no_synthesizer_says_so() -> None:
    spec = replace(LINE, trainer=f"{__name__}:own_trainer")
    assert trainer(spec, "")
    with pytest.raises(UsageError, match="which takes no --synthesizer"):
        trainer(spec, NO_SYNTHESIZER)
