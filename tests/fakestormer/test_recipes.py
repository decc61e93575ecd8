"""Recipes: what they say, how they are overridden, and that nothing unknown passes."""

from __future__ import annotations

from importlib import import_module

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakestormer.training_faces import make_trainer

from dfbench import ChoosesClips, UnknownNameError, UsageError
from dfbench.hooks.host import Host
from dfbench.hooks.recipe_names import recipe_names
from dfbench.runs.planning.requests import ScoringRequest
from dfbench.runs.planning.scored_clips import scored_clips
from dfbench_fakestormer.ablation import SWITCHES
from dfbench_fakestormer.recipe import FakeSTormerRecipe as Recipe
from dfbench_fakestormer.recipe import load_recipe, parse_recipe, released_margin
from dfbench_fakestormer.synthesis.self_blended import SelfBlendedOptions


def test_base_is_the_published_c23_configuration() -> None:
    base = load_recipe("base_c23")
    assert (base.width, base.depth, base.heads, base.patch, base.size, base.frames) == (
        768,
        12,
        12,
        16,
        224,
        4,
    )
    assert (base.optimizer, base.sam_rho, base.beta1, base.beta2, base.weight_decay) == (
        "sam_adam", 0.05, 0.9, 0.995, 1e-4,
    )  # fmt: skip
    assert (base.heatmap_weight, base.class_weight, base.temporal_weight, base.temperature) == (
        100,
        0.8,
        0.2,
        2,
    )
    assert (base.lr, base.lr_boost, base.epochs, base.start_decay, base.frozen_epochs) == (
        1e-7,
        500,
        200,
        4,
        5,
    )
    assert (base.temporal_token, base.embed_order, base.derivative) == ("learned", "mended", "mended")


def differences(name: str) -> dict[str, object]:
    """The fields of a recipe that differ from base_c23, but for the name."""
    base, other = load_recipe("base_c23").model_dump(), load_recipe(name).model_dump()
    return {field: other[field] for field in base if other[field] != base[field] and field != "name"}


def test_the_published_configurations_for_other_compressions() -> None:
    assert differences("base_c0") == {"epochs": 120}
    assert differences("base_c40") == {
        "class_weight": 0.9,
        "temporal_weight": 0.1,
        "lr": 5e-5,
        "lr_boost": 1.0,
        "epochs": 100,
        "start_decay": 2.5,
        "frozen_epochs": 3,
    }


def test_the_released_recipe_mends_nothing() -> None:
    found = differences("released")
    assert found.pop("temporal_token") == "patch0"
    assert found.pop("cells") == "point"
    assert found.pop("best_by") == "clip_accuracy"
    assert found.pop("sam_running_stats") == "twice"
    assert found.pop("clip_margin") == released_margin(15)
    assert found.pop("synthesizer_options") == "elastic=released,units=pixels"
    assert set(found.values()) == {"released"}
    mended = {switch.name for switch in SWITCHES if switch.name not in differences("released")}
    assert mended == set()
    options = SelfBlendedOptions.parse(load_recipe("released").options())
    assert options == SelfBlendedOptions(units="pixels", elastic="released")
    assert load_recipe("base_c23").options() == {}


@pytest.mark.parametrize("name", Recipe.names())
def test_every_recipe_is_whole_and_says_its_name(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    with pytest.raises(UsageError, match="name cannot be overridden"):
        load_recipe(name, {"name": "released"})


def test_specs_say_what_the_recipes_say() -> None:
    plugin = import_module("dfbench_fakestormer")
    detectors = {spec.name: spec for spec in plugin.dfbench_detectors()}
    recipes = recipe_names(detectors["fakestormer"])
    assert (recipes.default, recipes.demo) == ("base_c23", "demo")
    assert recipes.names == ("base_c0", "base_c23", "base_c40", "demo", "released", "small")
    assert detectors["fakestormer-untrained"].clips == load_recipe("demo").clips()
    assert detectors["fakestormer-untrained"].trained_on == frozenset()
    assert detectors["fakestormer"].trained_on is None
    assert [spec.name for spec in plugin.dfbench_synthesizers()] == [load_recipe("base_c23").synthesizer]


def test_overrides_are_parsed_by_their_fields_type() -> None:
    recipe = load_recipe("demo", {"lr": "1e-4", "epochs": "3", "stem": "patch"})
    assert (recipe.lr, recipe.epochs, recipe.stem) == (1e-4, 3, "patch")


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ({"learning_rte": "1"}, "unknown recipe field 'learning_rte'"),
        ({"epoch": "1"}, "did you mean 'epochs'?"),
        ({"lr": "fast"}, "lr: "),
        ({"lr": "nan"}, "lr: "),
        ({"epochs": "0"}, "epochs: "),
        ({"stem": "resnet"}, "stem: "),
        ({"size": "100"}, "size 100 is no multiple of patch 16"),
        ({"heads": "5"}, "width 96 is no multiple of heads 5"),
        ({"patch": "12"}, "a power of two"),
        ({"synthesizer_options": "elastic"}, "synthesizer_options: "),
        ({"clip_margin": "0.4"}, "clip_margin must not exceed train_margin"),
    ],
)
def test_what_does_not_fit_is_named(overrides: dict[str, str], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_recipe("demo", overrides)
    assert says in caught.value.message


def test_an_unknown_recipe_names_the_known_ones() -> None:
    with pytest.raises(UnknownNameError) as caught:
        load_recipe("dmo")
    assert "did you mean 'demo'?" in caught.value.message
    assert "base_c0, base_c23" in caught.value.hints[0]


@given(lr=st.floats(1e-9, 10), epochs=st.integers(1, 10_000), token=st.sampled_from(["learned", "patch0"]))
@settings(deadline=None, max_examples=25)
def test_a_recipe_survives_the_way_through_json(lr: float, epochs: int, token: str) -> None:
    recipe = load_recipe("demo", {"lr": repr(lr), "epochs": str(epochs), "temporal_token": token})
    assert parse_recipe(recipe.model_dump(mode="json")) == recipe
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


@pytest.mark.parametrize(
    ("recipe", "changes", "made", "expected"),
    [
        ("", {}, False, "base_c23"),
        ("", {}, True, "demo"),  # which `run` trains by on made data
        ("small", {}, True, "small"),
        ("", {"frames": "8", "clips_per_video": "2"}, False, "base_c23"),
    ],
)
def test_what_is_scored_is_what_the_recipe_says(
    recipe: str, changes: dict[str, str], made: bool, expected: str
) -> None:
    registry = Host.load().registry
    request = ScoringRequest("fakestormer", recipe=recipe, overrides=changes)
    assert scored_clips(request, registry, made=made) == load_recipe(expected, changes).clips()
    assert isinstance(make_trainer(expected, changes), ChoosesClips)
    untrained = ScoringRequest("fakestormer-untrained", recipe="demo")
    with pytest.raises(UsageError, match="fakestormer-untrained' cannot be trained"):
        scored_clips(untrained, registry, made=made)
