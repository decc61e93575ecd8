"""What of a detector's spec follows from its method."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from dfbench import DetectorSpec, PluginError, UnknownNameError
from dfbench.hooks.recipe_names import recipe_names
from dfbench.hooks.spec_faults import detector_fault


def method(*names: str) -> Any:
    return SimpleNamespace(recipe=SimpleNamespace(names=lambda: names))


ONE, ONLY_DEMO, WITH_DEMO = method("large"), method("demo"), method("demo", "large")
SEVERAL, NONE, HOSTILE = method("demo", "large", "small"), method(), method("../large")


def spec(**fields: object) -> DetectorSpec:
    return DetectorSpec(name="toy", summary="A toy.", method="lab.toy:METHOD", **fields)  # type: ignore[arg-type]


def test_factories_and_the_default_recipe_are_those_of_the_method() -> None:
    found = spec(recipes=("large", "demo"))
    assert (found.build, found.describe, found.trainer) == (
        "lab.toy:METHOD.build",
        "lab.toy:METHOD.describe",
        "lab.toy:METHOD.trainer",
    )
    assert (found.default_recipe, found.demo_recipe, found.needs_weights) == ("large", "demo", True)
    assert spec(recipes=("large",)).demo_recipe == "large"
    assert not detector_fault(found)


def test_what_the_spec_says_itself_goes_first() -> None:
    found = spec(build="lab.own:build", recipes=("a", "b"), default_recipe="b")
    assert found.build == "lab.own:build"
    assert (found.default_recipe, found.demo_recipe) == ("b", "b")


def test_a_method_that_is_no_import_path_is_a_fault() -> None:
    broken = DetectorSpec(name="toy", summary="A toy.", method="lab.toy")
    assert "method 'lab.toy'" in detector_fault(broken)


@pytest.mark.parametrize(
    ("of", "fields", "expected"),
    [
        ("ONE", {}, ("large", "large")),
        ("ONLY_DEMO", {}, ("demo", "demo")),
        ("WITH_DEMO", {}, ("large", "demo")),
        ("SEVERAL", {"default_recipe": "small"}, ("small", "demo")),
        ("SEVERAL", {"default_recipe": "small", "demo_recipe": "large"}, ("small", "large")),
        ("SEVERAL", {"recipes": ("small", "large")}, ("small", "small")),  # which offers those alone
    ],
)
def test_recipes_that_the_spec_does_not_name_are_those_of_the_method(
    of: str, fields: dict[str, Any], expected: tuple[str, str]
) -> None:
    found = DetectorSpec(name="toy", summary="A toy.", method=f"{__name__}:{of}", **fields)
    assert not detector_fault(found)
    names = recipe_names(found)
    assert (names.default, names.demo) == expected
    assert names.names == fields.get("recipes", globals()[of].recipe.names())
    assert names.choose("", made=True) == expected[1]
    assert names.choose("", made=False) == expected[0]
    with pytest.raises(UnknownNameError, match="no recipe 'lage' in detector 'toy'"):
        names.choose("lage", made=False)


@pytest.mark.parametrize(
    ("of", "fields", "words"),
    [
        ("SEVERAL", {}, "has several recipes, and no default_recipe: demo, large, small"),
        ("ONE", {"default_recipe": "lage"}, "has default_recipe 'lage', which is none of its recipes: large"),
        ("ONE", {"demo_recipe": "demo"}, "has demo_recipe 'demo', which is none of its recipes: large"),
        ("NONE", {}, "has no recipe: there is no TOML file in its package of recipes"),
        ("HOSTILE", {}, "has a recipe '../large', which"),
    ],
)
def test_recipes_that_cannot_be_chosen_from_are_an_error_of_the_plugin(
    of: str, fields: dict[str, Any], words: str
) -> None:
    found = DetectorSpec(name="toy", summary="A toy.", method=f"{__name__}:{of}", **fields)
    with pytest.raises(PluginError, match=words):
        recipe_names(found)


def test_a_detector_that_does_not_train_has_no_recipe() -> None:
    names = recipe_names(DetectorSpec(name="toy", summary="A toy.", build="lab.toy:Toy"))
    assert names.names == ()
