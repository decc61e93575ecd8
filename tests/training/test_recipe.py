"""Recipes: fields are parsed and refused by name, identities forget what has no effect, and needs follow from the fields."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.training.lines import LineRecipe, line_recipe

from dfbench.errors import UnknownNameError, UsageError
from dfbench.training.recipe import fields_with_synthesizer, pairs_of
from dfbench.types import Pooling

DEMO, PSEUDO = LineRecipe.load("demo"), LineRecipe.load("pseudo")
FIELDS = LineRecipe.model_fields
# Values that fit the recipe `demo`, whatever the others are.
OTHERS: dict[str, Any] = {
    "dropout": 0.25,
    "clips_per_video": 9,
    "pooling": "max",
    "train_stride": 2,
    "train_clips": 4,
    "balance": "classes",
    "augmentation": "flip=0.5",
    "patience": 3,
    "lr": 0.5,
    "optimizer": "sgd",
    "momentum": 0.5,
    "sam_rho": 0.1,
    "clip_norm": 1.0,
    "ema_decay": 0.9,
    "epochs": 7,
    "batch": 2,
    "accumulate": 2,
    "precision": "bf16",
    "frozen_epochs": 1,
}
CHANGES = st.lists(st.sampled_from(sorted(OTHERS)), unique=True, max_size=5).map(
    lambda names: {name: OTHERS[name] for name in names}
)


@given(changes=CHANGES)
@settings(max_examples=20, deadline=None)
def test_words_of_the_command_line_are_parsed_by_the_type_of_their_field(changes: dict[str, Any]) -> None:
    told = LineRecipe.load("demo", {name: str(value) for name, value in changes.items()})
    assert told == line_recipe(**changes)
    for name, value in changes.items():
        assert getattr(told, name) == value


@given(changes=CHANGES)
@settings(max_examples=20, deadline=None)
def test_the_label_names_what_was_changed_and_nothing_else(changes: dict[str, Any]) -> None:
    label = line_recipe(**changes).label()
    first, *rest = label.split(" with ")
    assert first == "demo"
    said = dict(pair.split("=", 1) for pair in rest[0].split()) if rest else {}
    assert said == {name: str(getattr(line_recipe(**changes), name)) for name in changes}


@given(changes=CHANGES)
@settings(max_examples=20, deadline=None)
def test_an_identity_holds_what_is_required_and_what_differs_from_its_default(
    changes: dict[str, Any],
) -> None:
    recipe = line_recipe(**changes)
    identity = recipe.identity()
    assert LineRecipe.parse(identity) == recipe  # nothing is lost
    for name, field in FIELDS.items():
        has_default = not field.is_required() and getattr(recipe, name) == field.default
        assert (name in identity) is not has_default, name
    assert set(changes) <= set(identity)


def test_a_field_that_is_added_with_its_default_is_in_no_identity() -> None:
    class Later(LineRecipe):
        warp: float = 0

    later = Later.parse(DEMO.model_dump())
    assert later.identity() == DEMO.identity()
    assert Later.parse({**DEMO.model_dump(), "warp": 0.5}).identity() == {**DEMO.identity(), "warp": 0.5}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"lrr": "1"}, r"unknown recipe field 'lrr' \(did you mean 'lr'\?\)"),
        ({"lr": "0"}, r"lr: .*greater than 0.* \(got '0'\)"),
        ({"lr": "nan"}, "lr: "),
        ({"lr": "fast"}, r"lr: .*\(got 'fast'\)"),
        ({"epochs": str(10**12)}, "epochs: "),
        ({"batch": "x" * 500}, r"batch: .*\(got 'x{79}\.\.\.\)"),
        ({"optimizer": "lion"}, "optimizer: "),
        ({"clip_margin": "0.3"}, "clip_margin must not exceed train_margin"),
        ({"fakes": "pseudo"}, "pseudo-fakes need a synthesizer"),
        ({"schedule": "ramp_decay", "start_decay": "1"}, "start_decay leaves no epoch for the decay"),
        ({"synthesizer_options": "a=b c"}, "synthesizer_options: "),
    ],
)
def test_what_is_no_field_or_no_value_is_named(fields: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        LineRecipe.load("demo", fields)


def test_all_faults_of_a_recipe_are_named_at_once() -> None:
    with pytest.raises(UsageError, match=r"lr: .*; epochs: "):
        LineRecipe.load("demo", {"lr": "-1", "epochs": "0"})
    with pytest.raises(UsageError, match="unknown recipe field 'a', 'b'"):
        LineRecipe.load("demo", {"a": "1", "b": "2"})


def test_a_recipe_keeps_the_name_of_its_file() -> None:
    with pytest.raises(UsageError, match="a recipe's name cannot be overridden"):
        LineRecipe.load("demo", {"name": "mine"})
    with pytest.raises(UnknownNameError, match=r"has no recipe 'demoo' \(did you mean 'demo'\?\)") as caught:
        LineRecipe.load("demoo")
    assert caught.value.hints == ("use one of: demo, pseudo",)
    assert LineRecipe.names() == ("demo", "pseudo")  # what serves to be extended is none
    with pytest.raises(UnknownNameError):
        LineRecipe.load("_base")


def test_a_recipe_of_no_file_is_called_by_its_name_alone() -> None:
    assert LineRecipe.parse({**DEMO.model_dump(), "name": "theirs", "lr": 1}).label() == "theirs"
    assert LineRecipe.parse({**DEMO.model_dump(), "name": "theirs", "lr": 1}).label(DEMO) == (
        "theirs with name=theirs lr=1.0"
    )


def test_balance_beside_pseudo_fakes_changes_nothing_and_is_refused() -> None:
    with pytest.raises(UsageError, match="a pseudo-fake stands beside each real clip"):
        LineRecipe.load("pseudo", {"balance": "classes"})


def test_what_is_prepared_follows_from_where_the_fakes_come_from() -> None:
    real, pseudo = DEMO.needs(), PSEUDO.needs()
    assert (real.labels, real.validation_labels) == (frozenset({0, 1}), frozenset({0, 1}))
    assert (pseudo.labels, pseudo.validation_labels) == (frozenset({0}), None)
    assert (real.synthesizer, pseudo.synthesizer) == ("", "brighter")
    assert (real.prepare.landmarks, pseudo.prepare.landmarks) == (False, True)
    assert (real.prepare_validation.landmarks, pseudo.prepare_validation.landmarks) == (False, True)
    assert real.prepare_validation == DEMO.clips().prepare()  # validated as it is scored
    mixed = line_recipe(validation_fakes="pseudo", synthesizer="brighter", synthesizer_options="units=pixels")
    needs = mixed.needs()
    assert (needs.labels, needs.validation_labels) == (frozenset({0, 1}), frozenset({0}))
    assert (needs.prepare.landmarks, needs.prepare_validation.landmarks) == (False, True)
    assert needs.synthesizer_options == {"units": "pixels"}


def test_frames_between_detections_are_of_successive_ones_alone() -> None:
    spread = line_recipe(train_sampling="uniform", detect_every=4)
    first = line_recipe(train_sampling="successive", detect_every=4)
    assert (spread.prepare().detect_every, first.prepare().detect_every) == (1, 4)
    assert (spread.prepare().frames.how, first.prepare().frames.how) == ("uniform", "first")
    assert (spread.most_offset(), first.most_offset()) == (0, first.frames - 1)
    assert line_recipe(frames=3, train_stride=2).reach() == 5


@pytest.mark.parametrize("name", ["demo", "pseudo"])
@pytest.mark.parametrize("synthesizer", ["none", "other", "brighter"])
def test_another_synthesizer_changes_what_follows_from_it_alone(name: str, synthesizer: str) -> None:
    plain, changed = LineRecipe.load(name), LineRecipe.load(name, synthesizer=synthesizer)
    assert changed.made_by == synthesizer
    differing = {field for field in FIELDS if getattr(plain, field) != getattr(changed, field)}
    assert differing <= {"fakes", "synthesizer", "synthesizer_options", "balance", "validation_fakes"}
    assert (differing == set()) is (plain.made_by == synthesizer)
    if synthesizer == "none":
        assert (changed.fakes, changed.validation_fakes) == ("real", "real")
        assert changed.balance == ("none" if name == "demo" else "classes")
    else:
        assert (changed.fakes, changed.validation_fakes, changed.balance) == ("pseudo", "pseudo", "none")
    if differing:
        assert changed.label() == f"{name} with synthesizer={synthesizer}"


def test_options_of_another_synthesizer_are_dropped() -> None:
    fields = {"fakes": "pseudo", "synthesizer": "a", "synthesizer_options": "units=pixels"}
    assert fields_with_synthesizer(fields, "a") == {}
    assert fields_with_synthesizer(fields, "b")["synthesizer_options"] == ""
    assert fields_with_synthesizer(fields, "none")["synthesizer_options"] == ""


@given(
    pairs=st.dictionaries(st.from_regex(r"\A[a-z_]{1,5}\Z"), st.from_regex(r"\A[a-z0-9.]{1,5}\Z"), max_size=4)
)
@settings(max_examples=20, deadline=None)
def test_pairs_are_read_as_they_are_written(pairs: dict[str, str]) -> None:
    text = ",".join(f"{name}={value}" for name, value in pairs.items())
    assert pairs_of(text) == pairs
    assert LineRecipe.load("demo", {"synthesizer_options": text}).options() == pairs


def test_scoring_follows_the_recipe() -> None:
    recipe = line_recipe(pooling="mean_prob", clip_margin=0.1, size=16, frames=3)
    clips = recipe.clips()
    assert (clips.frames, clips.size, clips.margin, clips.per_video) == (3, 16, 0.1, 3)
    assert recipe.pooling is Pooling.MEAN_PROB
    assert (recipe.margins(), recipe.smaller(), recipe.validates_anew) == ({}, (), False)
