"""Networks of timm on frames: what each is, what it starts from, and what timm cannot build."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from dfbench import StartWeights, UsageError, WeightsError
from dfbench.hooks.host import Host
from dfbench.hooks.registry import load_object
from dfbench.training import Method
from dfbench_baselines import timm_frames
from dfbench_baselines.timm_frames import (
    CONVNEXT_TINY,
    EFFICIENTNET_B4,
    RESNET50,
    SWIN_SMALL,
    VIT_B16,
    MemberRecipe,
    TimmRecipe,
)

METHODS = [EFFICIENTNET_B4, RESNET50, CONVNEXT_TINY, VIT_B16, SWIN_SMALL]
each = pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)


def recipe_of(method: Method, name: str, **changes: str) -> TimmRecipe:
    recipe = method.recipe.load(name, changes)
    assert isinstance(recipe, TimmRecipe)
    return recipe


@each
def test_a_recipe_normalises_as_the_weights_that_it_starts_from_want(method: Method) -> None:
    recipe = recipe_of(method, "standard")
    known = timm.get_pretrained_cfg(recipe.pretrained)
    assert known.architecture == recipe.backbone
    # DeepfakeBench normalises EfficientNet by 0.5, whatever its weights were trained with.
    if method is not EFFICIENTNET_B4:
        assert (recipe.mean, recipe.std) == (known.mean, known.std)
    assert not known.fixed_input_size or known.input_size == (3, recipe.size, recipe.size)


@each
def test_without_weights_it_says_which_to_get(method: Method) -> None:
    recipe = recipe_of(method, "standard")
    with pytest.raises(WeightsError, match="and none are given") as caught:
        method.trainer("standard", {}).require_start()
    assert f"https://huggingface.co/timm/{recipe.pretrained} (model.safetensors)" in caught.value.hints[0]
    method.trainer("demo", {}).require_start()


@each
def test_the_logit_of_a_clip_is_the_mean_of_those_of_its_frames(method: Method) -> None:
    net = method.network(recipe_of(method, "demo", size="64", train_crop="64"), seed=0).eval()
    clips = torch.randn(2, 3, 2, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        alone = torch.stack([net(clips[:, :, frame])[:, 0] for frame in range(2)])
        torch.testing.assert_close(method.logit(net, clips), alone.mean(dim=0), rtol=1e-4, atol=1e-4)


def test_it_starts_from_a_file_of_timm_but_for_the_last_layer(tmp_path: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        photographs = timm.create_model("test_resnet")
    save_file(photographs.state_dict(), tmp_path / "timm.safetensors")
    for read_as in ("", "timm:test_resnet"):
        net = RESNET50.network(recipe_of(RESNET50, "demo"), seed=0)
        head = net.state_dict()["fc.weight"].clone()
        RESNET50.begin(net, StartWeights(tmp_path / "timm.safetensors", read_as))
        assert torch.equal(net.state_dict()["fc.weight"], head)
        for name, value in photographs.state_dict().items():
            assert name.startswith("fc.") or torch.equal(net.state_dict()[name], value), name
    with pytest.raises(UsageError, match="cannot understand --start keras="):
        RESNET50.begin(net, StartWeights(tmp_path / "timm.safetensors", "keras"))
    with pytest.raises(UsageError, match="timm has no network 'test_resnett'"):
        RESNET50.begin(net, StartWeights(tmp_path / "timm.safetensors", "timm:test_resnett"))


def test_another_network_is_another_detector() -> None:
    with pytest.raises(UsageError, match="another network is the detector timm:resnet18"):
        recipe_of(RESNET50, "standard", backbone="resnet18")


def test_a_network_whose_input_is_not_square_is_refused() -> None:
    recipe = recipe_of(RESNET50, "demo").model_copy(update={"backbone": "vit_base_patch16_sapiens2"})
    with pytest.raises(UsageError, match="takes images of 768 x 1024 px and 3 channels"):
        timm_frames.network(recipe, seed=0)


def test_what_timm_cannot_build_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="timm cannot build test_vit for frames of 100 px"):
        VIT_B16.network(recipe_of(VIT_B16, "demo", arguments="depths=3", size="100"), seed=0)
    with pytest.raises(UsageError, match="arguments"):
        recipe_of(VIT_B16, "demo", arguments="depth=__import__")


def member(name: str) -> Method:
    method = load_object(Host.load().registry.detector(f"timm:{name}").method)
    assert isinstance(method, Method)
    return method


def test_any_network_of_timm_is_a_detector_with_the_input_that_timm_publishes() -> None:
    method = member("test_vit.r160_in1k")
    trainer = method.trainer("standard", {})
    assert (trainer.clips().size, trainer.recipe()["train_crop"]) == (160, 160)
    assert (trainer.recipe()["mean"], trainer.recipe()["pretrained"]) == ([0.5] * 3, "test_vit.r160_in1k")
    with pytest.raises(WeightsError, match=r"timm:test_vit\.r160_in1k starts from"):
        trainer.require_start()
    assert method.name == "timm:test_vit.r160_in1k"


def test_its_label_does_not_repeat_the_network() -> None:
    recipe = MemberRecipe.load("demo", {"backbone": "test_resnet"})
    assert recipe.label() == "demo"
    changed = MemberRecipe.load("demo", {"backbone": "test_resnet", "lr": "0.1", "size": "64"})
    assert changed.label() == "demo with size=64 lr=0.1"
    assert MemberRecipe.parse(recipe.model_dump()) == recipe


def test_the_name_of_the_detector_alone_says_the_network() -> None:
    with pytest.raises(UsageError, match="timm:test_resnet is the name of test_resnet"):
        member("test_resnet").trainer("demo", {"backbone": "test_vit"})


def test_a_misspelt_or_oblong_network_is_refused() -> None:
    with pytest.raises(UsageError, match="timm has no network 'resnett18'") as caught:
        member("resnett18")
    assert "did you mean 'resnet18'" in caught.value.hints[0]
    with pytest.raises(UsageError, match="768 x 1024 px"):
        member("vit_base_patch16_sapiens2")
