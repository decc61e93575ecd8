"""`dfbench detectors`: what is said of each is what its recipes and its weights say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.command import Dfbench

from dfbench.errors import PluginError, UsageError
from dfbench.hooks.cards import Card, card_of_work
from dfbench.hooks.recipe_names import recipe_names
from dfbench.hooks.registry import Kind
from dfbench.runs.planning.setup import Setup
from dfbench.specs import DetectorSpec
from dfbench.training import Recipe


def test_every_detector_is_listed_with_the_recipes_that_it_has(dfbench: Dfbench) -> None:
    ended = dfbench("detectors", "list", "--json")
    assert ended.code == 0, ended.err
    listed: dict[str, Any] = {one["name"]: one for one in json.loads(ended.out)}
    registry = Setup().registry
    names = registry.names(Kind.DETECTOR)
    assert set(listed) == {*names, *(f"{family}:NAME" for family in registry.families())}
    for name in names:
        spec = registry.detector(name)
        assert listed[name]["recipe_names"] == list(recipe_names(spec).names)
        assert listed[name]["needs_weights"] == spec.needs_weights
        assert [one["name"] for one in listed[name]["recipes"]] in ([], listed[name]["recipe_names"])
        assert not listed[name]["problem"]


def test_the_table_says_what_they_see_and_learn_from(dfbench: Dfbench) -> None:
    lines = dfbench("detectors", "list").out.splitlines()
    (xception,) = (line for line in lines if "xception" in line)
    assert "1 frame of 256 px" in xception
    assert "real and fake videos" in xception
    (sbi,) = (line for line in lines if " sbi " in line)
    assert "1 frame of 380 px" in sbi
    assert "self_blended_image" in sbi
    assert "SBI's EfficientNet-B4" in sbi


def test_a_detector_is_shown_with_the_weights_that_its_training_begins_with(dfbench: Dfbench) -> None:
    ended = dfbench("detectors", "show", "xception")
    assert ended.code == 0, ended.err
    assert "recipe standard (the default)" in ended.out
    assert "recipe demo (for made data)" in ended.out
    assert "1 frame of 299 px, 100 a video; the crop is a square, margin 0.15" in ended.out
    assert (
        "dfbench train --detector xception --recipe ffpp --start timm:legacy_xception.tf_in1k=FILE"
        in ended.out
    )
    recipes = {
        one["name"]: one
        for one in json.loads(dfbench("detectors", "show", "xception", "--json").out)["recipes"]
    }
    assert recipes["demo"]["needs_start"] is None
    assert "legacy_xception.tf_in1k" in recipes["standard"]["needs_start"]["reason"]
    assert recipes["standard"]["lr"] == 2e-4


def test_the_card_of_a_detector_is_shown_with_its_figures(dfbench: Dfbench) -> None:
    said = dfbench("detectors", "show", "sbi").out
    assert (
        "  paper:           Shiohara, Yamasaki: Detecting Deepfakes with Self-Blended Images, CVPR 2022"
        in said
    )
    assert "  input:           1 frame of 380 px, RGB from 0 to 1, mean 0, standard deviation 1" in said
    assert "  replaced:        RetinaFace: dfbench's face finder" in said
    assert "CDF2 0.9287" in said
    shown = json.loads(dfbench("detectors", "show", "sbi", "--json").out)
    assert shown["card"]["papers"][0]["arxiv"] == "2204.08376"
    assert shown["figures"][0]["detector"] in shown["card"]["published_as"]
    listed = {one["name"]: one for one in json.loads(dfbench("detectors", "list", "--json").out)}
    assert all(listed["sbi"][field] == shown[field] for field in ("card", "figures", "files"))


def test_the_page_of_cards_is_that_of_the_docs(dfbench: Dfbench) -> None:
    page = Path(__file__).parents[2] / "docs" / "cards.md"
    assert dfbench("detectors", "cards").out == page.read_text(encoding="utf-8")


def test_a_member_of_a_family_has_the_size_of_its_network(dfbench: Dfbench) -> None:
    shown = json.loads(dfbench("detectors", "show", "timm:test_resnet", "--json").out)
    assert shown["name"] == "timm:test_resnet"
    recipes = {one["name"]: one for one in shown["recipes"]}
    assert recipes["standard"]["size"] == 160  # as timm publishes it
    assert recipes["standard"]["backbone"] == "test_resnet"
    assert "sees:          1 frame of 160 px" in dfbench("detectors", "show", "timm:test_resnet").out


def test_a_detector_that_learns_nothing_needs_no_weights(dfbench: Dfbench) -> None:
    ended = dfbench("detectors", "show", "chance")
    assert ended.code == 0, ended.err
    assert "none needed" in ended.out
    assert "recipe" not in ended.out


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("xcption", 2, "no detector is called 'xcption'"),
        ("timm", 2, "name one of them:  timm:NAME"),
        ("timm:resnet81", 2, "timm has no network 'resnet81'"),
    ],
)
def test_what_is_no_detector_is_refused(dfbench: Dfbench, name: str, code: int, said: str) -> None:
    ended = dfbench("detectors", "show", name)
    assert (ended.code, said in ended.err) == (code, True), ended.err
    assert "Traceback" not in ended.err


class _Method:
    """A method whose recipes cannot be read."""

    class recipe:  # noqa: N801 # as the field of a method is called
        @staticmethod
        def names() -> tuple[str, ...]:
            return ("demo",)

    def load_recipe(self, name: str) -> Recipe:
        raise UsageError(f"recipe {name} has no field 'lr'")


@pytest.mark.parametrize(
    ("method", "code", "said"),
    [
        (object(), 1, "of plugin 'baselines'"),  # no method at all
        (_Method(), 2, "recipe demo has no field 'lr'"),
    ],
)
def test_a_method_that_cannot_be_used_hides_no_other(
    dfbench: Dfbench, monkeypatch: pytest.MonkeyPatch, method: object, code: int, said: str
) -> None:
    monkeypatch.setattr("dfbench_baselines.f3net.METHOD", method)
    ended = dfbench("detectors", "list")
    assert ended.code == 0, ended.err
    assert "xception" in ended.out
    assert "f3net" in ended.out
    assert ended.err.startswith("warning: ")
    assert said in ended.err
    shown = dfbench("detectors", "show", "f3net")
    assert (shown.code, said in shown.err) == (code, True), shown.err


def test_a_card_that_cannot_be_read_hides_no_other_detector(
    dfbench: Dfbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(spec: DetectorSpec) -> Card:
        raise PluginError(f"the card of {spec.name} cannot be read")

    described = "dfbench.training.described.card_of_work"
    read = card_of_work
    monkeypatch.setattr(described, lambda spec: broken(spec) if spec.name == "srm" else read(spec))
    ended = dfbench("detectors", "list")
    assert (ended.code, ended.err) == (0, "warning: the card of srm cannot be read\n")
    assert " sbi " in ended.out
    shown = dfbench("detectors", "show", "srm")
    assert (shown.code, "the card of srm cannot be read" in shown.err) == (1, True)
    assert "srm" not in dfbench("detectors", "cards").out.split()
