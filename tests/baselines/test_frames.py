"""The frame detector: what its logit is, what it starts from, and what it takes of timm."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

import dfbench_baselines.frames
from dfbench import StartWeights, UsageError, WeightsError
from dfbench.hooks.host import Host
from dfbench.hooks.recipe_names import recipe_names
from dfbench_baselines.frames import METHOD, FrameRecipe
from dfbench_fakestormer.recipe import FakeSTormerRecipe

DEMO = FrameRecipe.load("demo")


def test_the_demo_recipe_is_found() -> None:
    spec = Host.load().registry.detector("frame_cnn")
    recipes = recipe_names(spec)
    assert (recipes.names, recipes.default, recipes.demo) == (("demo",), "demo", "demo")


def test_the_demo_scores_and_validates_by_faces_that_others_prepare_too() -> None:
    frames = DEMO.clips().frame_choice()
    assert frames == Host.load().registry.detector("chance").clips.frame_choice()
    assert frames == FakeSTormerRecipe.load("demo").clips().frame_choice()
    needs = DEMO.needs()
    assert needs.prepare_validation.frames == frames
    assert (needs.labels, needs.validation_labels) == (frozenset({0, 1}), frozenset({0, 1}))


def test_a_frame_detector_takes_forty_lines() -> None:
    assert len(Path(dfbench_baselines.frames.__file__).read_text().splitlines()) <= 40


def test_the_logit_of_a_clip_is_the_mean_of_those_of_its_frames() -> None:
    net = METHOD.network(DEMO, seed=3).eval()
    clips = torch.randn(3, 3, 2, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        alone = torch.stack([net(clips[:, :, frame])[:, 0] for frame in range(2)])
        torch.testing.assert_close(METHOD.logit(net, clips), alone.mean(dim=0))


def test_the_seed_decides_the_weights() -> None:
    first, again, other = (METHOD.network(DEMO, seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["conv1.0.weight"], other["conv1.0.weight"])


def test_an_unknown_network_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="timm has no network 'resnet1000'"):
        METHOD.network(FrameRecipe.load("demo", {"backbone": "resnet1000"}), seed=0)


def test_it_starts_from_a_checkpoint_of_timm_but_for_the_last_layer(tmp_path: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(9)
        photographs = timm.create_model("test_resnet")  # names one of a thousand things
    save_file(photographs.state_dict(), tmp_path / "timm.safetensors")
    net = METHOD.network(DEMO, seed=0)
    own = {name: value.clone() for name, value in net.state_dict().items()}
    started = METHOD.begin(net, StartWeights(tmp_path / "timm.safetensors"))
    assert "its last layer begins anew" in started.says
    assert (started.trained_on, started.corpora) == (frozenset(), frozenset())  # knows no deepfake
    for name, value in net.state_dict().items():
        expected = own[name] if name.startswith("fc.") else photographs.state_dict()[name]
        assert torch.equal(value, expected), name
    headless = {name: value for name, value in photographs.state_dict().items() if not name.startswith("fc.")}
    save_file(headless, tmp_path / "headless.safetensors")
    assert METHOD.begin(net, StartWeights(tmp_path / "headless.safetensors")).trained_on == frozenset()


def test_weights_of_the_whole_network_that_do_not_tell_are_of_unknown_data(tmp_path: Path) -> None:
    given = METHOD.network(DEMO, seed=5)
    save_file(given.state_dict(), tmp_path / "whole.safetensors")
    net = METHOD.network(DEMO, seed=0)
    started = METHOD.begin(net, StartWeights(tmp_path / "whole.safetensors"))
    assert (started.trained_on, started.corpora) == (frozenset({"unknown"}), None)
    assert torch.equal(net.state_dict()["fc.weight"], given.state_dict()["fc.weight"])


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        other = timm.create_model("test_efficientnet")
    save_file(other.state_dict(), tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match="does not fit"):
        METHOD.begin(METHOD.network(DEMO, seed=0), StartWeights(tmp_path / "other.safetensors"))
