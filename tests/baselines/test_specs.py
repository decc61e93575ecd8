"""What every bundled detector says of itself: its recipes resolve; tests/results/test_detector_cards.py looks at its card.

`tests/training/test_conformance.py` trains each of them at its smallest size, and scores with it.
"""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from dfbench import DetectorSpec
from dfbench.hooks.host import Host
from dfbench.hooks.recipe_names import recipe_names
from dfbench.hooks.registry import load_object

REGISTRY = Host.load().registry
SPECS = [REGISTRY.detector(name) for name in REGISTRY.names("detector")]
TRAINED = [spec for spec in SPECS if spec.method]
TRAINED.append(REGISTRY.detector("pytorchvideo:x3d_xs"))  # a member of a family


@pytest.mark.parametrize("spec", TRAINED, ids=lambda spec: spec.name)
def test_every_recipe_resolves(spec: DetectorSpec) -> None:
    method: Any = load_object(spec.method)
    assert method.name == spec.name
    assert recipe_names(spec).demo == "demo"
    for name in recipe_names(spec).names:
        recipe = method.recipe.load(name)
        assert recipe.clips().fault() == ""
        assert recipe.label() == name
        assert method.recipe.parse(recipe.model_dump()) == recipe
        # Data workers that are not forked, as of Python 3.14, are sent it.
        assert pickle.loads(pickle.dumps(recipe)) == recipe


@pytest.mark.parametrize("spec", TRAINED, ids=lambda spec: spec.name)
def test_a_demo_needs_no_weights_of_others(spec: DetectorSpec) -> None:
    method: Any = load_object(spec.method)
    method.trainer("demo", {}).require_start()
