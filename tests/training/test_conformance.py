"""What dfbench trains passes the checks of a training, the manual's example too; what misbehaves is found."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.training.lines import METHOD, Line, LineRecipe
from torch import Tensor

from dfbench import DetectorSpec, UsageError
from dfbench.hooks.host import Host
from dfbench.hooks.registry import Registry
from dfbench.training.conformance import check_training

DOCS = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text(encoding="utf-8")
# What makes the networks of bundled methods small. A method that is not named here is trained as its recipe says.
SMALL = {
    "fakestormer": {"size": "32", "patch": "8", "width": "24", "heads": "2", "train_crop": "64"},
    "effort": {"size": "28", "train_crop": "28", "width": "24", "heads": "2", "rank": "4"},
    "gend": {"size": "28", "train_crop": "28", "width": "24", "heads": "2"},
    "frame_cnn": {"size": "64", "train_crop": "80"},
    "xception": {"size": "32", "train_crop": "32", "width": "0.02"},
    "f3net": {"size": "32", "train_crop": "32", "width": "0.02"},
    **{
        name: {"size": "64", "train_crop": "64"}
        for name in (
            "timm:test_resnet",
            "probe:test_resnet",
            "efficientnet_b4",
            "resnet50",
            "convnext_tiny",
            "vit_b16",
            "swin_small",
        )
    },
    "srm": {"size": "32", "train_crop": "32", "width": "0.02"},
    "spsl": {"size": "32", "train_crop": "32", "width": "0.02"},
    "meso4": {"size": "32", "train_crop": "32"},
    "sbi": {"size": "64", "train_crop": "80"},
    "mesoinception4": {"size": "32", "train_crop": "32"},
    "timesformer": {"size": "32", "patch": "8", "width": "24", "heads": "2", "train_crop": "64"},
    "videomae": {"size": "32", "train_crop": "32", "width": "24", "heads": "2"},
    "slowfast_r50": {"size": "32", "train_crop": "32", "width": "0.125"},
    **{
        name: {"size": "32", "train_crop": "32", "width": "0.0625"}
        for name in ("x3d_s", "x3d_m", "slow_r50", "r2plus1d_r50", "csn_r101", "mvit_base_16x4", "i3d_r50")
    },
}
_BUNDLED = Host.load().registry
TRAINED = [spec for name in _BUNDLED.names("detector") if (spec := _BUNDLED.detector(name)).method]
TRAINED += [_BUNDLED.detector(name) for name in ("timm:test_resnet", "probe:test_resnet")]  # of families


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Host.load().registry


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.parametrize("spec", TRAINED, ids=lambda spec: spec.name)
def test_every_method_trains_and_scores(spec: DetectorSpec, registry: Registry) -> None:
    results = check_training(spec, registry, overrides=SMALL.get(spec.name))
    assert len(results) >= 12
    assert [result for result in results if not result.passed] == []


@pytest.mark.slow
def test_the_manuals_detector_that_trains_does(
    tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = DOCS.partition("## A detector that trains")[2]
    blocks = [re.search(rf"```{kind}\n(.*?)```", section, re.DOTALL) for kind in ("python", "toml")]
    source, recipe = (block.group(1) for block in blocks if block is not None)
    package = tmp_path / "site" / "my_package"
    (package / "recipes").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "method.py").write_text(source)
    (package / "recipes" / "standard.toml").write_text(recipe)
    monkeypatch.syspath_prepend(package.parent)
    named = re.search(r"`(DetectorSpec\(.*?\))`", section)
    assert named is not None
    spec: DetectorSpec = eval(named.group(1), {"DetectorSpec": DetectorSpec})
    assert [result for result in check_training(spec, registry) if not result.passed] == []


def careless(recipe: LineRecipe, *, seed: int) -> Line:
    return Line(recipe)


def beside_others(net: Line, clips: Tensor) -> Tensor:
    logits: Tensor = net(clips)[:, 0]
    return logits - logits.mean()


def broken(recipe: LineRecipe, *, seed: int) -> Line:
    raise ZeroDivisionError("no network today")


CARELESS = replace(METHOD, network=careless)
BESIDE_OTHERS = replace(METHOD, logit=beside_others)
BROKEN = replace(METHOD, network=broken)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "found"),
    [
        ("METHOD", []),
        ("CARELESS", ["trains the same again", "goes on after a cut to the same weights"]),
        ("BESIDE_OTHERS", ["same score alone and in any batch"]),
        ("BROKEN", ["trains"]),
    ],
)
def test_what_misbehaves_is_named(method: str, found: list[str], registry: Registry) -> None:
    spec = DetectorSpec(name="line", summary="A line.", method=f"{__name__}:{method}", recipes=("demo",))
    results = check_training(spec, registry)
    assert [result.name for result in results if not result.passed] == found
    if method == "BROKEN":
        assert "no network today" in results[0].detail


def test_a_detector_that_is_not_trained_is_refused(registry: Registry) -> None:
    with pytest.raises(UsageError, match="'chance' cannot be trained"):
        check_training(registry.detector("chance"), registry)
