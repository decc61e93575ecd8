"""What of a detector's spec follows from its method."""

from __future__ import annotations

from dfbench import DetectorSpec
from dfbench.hooks.spec_faults import detector_fault


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
