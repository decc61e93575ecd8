"""TimeSformer: the numbers of the public network, the names of its weights, and what a training starts from."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tests.baselines.golden import GOLDEN, drawn, images, network_input, stored
from torch import Tensor
from torch.nn import functional as F

from dfbench import StartWeights, UsageError, WeightsError
from dfbench_fakestormer.model import Block, ModelConfig
from dfbench_fakestormer.recipe import load_recipe
from dfbench_fakestormer.timesformer import METHOD, TimeSformerRecipe
from dfbench_fakestormer.timesformer_net import TimeSformerNet
from dfbench_fakestormer.timesformer_weights import from_transformers, start_from

VIDEO = stored("video.npz")
SHAPES = json.loads((GOLDEN / "keys_timesformer_tiny.json").read_text())["keys"]
TINY = ModelConfig(frames=4, size=32, patch=8, width=48, depth=2, heads=4, mlp_ratio=2, drop_path=0)


def public_state() -> dict[str, Tensor]:
    """The weights of the rule under the names of the Hugging Face hub, with a head of two classes."""
    return {
        key: torch.from_numpy(
            drawn(f"timesformer_tiny/{key}", tuple(shape), gain=2 if key == "head.weight" else 1)
        )
        for key, shape in SHAPES
    }


@pytest.mark.parametrize(
    ("dtype", "kind", "by"), [(torch.float64, "f64", 1e-9), (torch.float32, "f32", 1e-5)]
)
def test_it_computes_what_the_public_network_does(dtype: torch.dtype, kind: str, by: float) -> None:
    pixels = images("input/timesformer", count=4, size=32)
    assert zlib.crc32(pixels.tobytes()) == VIDEO["timesformer/input_crc32"]
    state = from_transformers(public_state())
    head = {key: state.pop(key).to(dtype) for key in ("head.weight", "head.bias")}
    net = TimeSformerNet(TINY).eval()
    assert net.load_state_dict(state, strict=False).missing_keys == ["head.weight", "head.bias"]
    with torch.inference_mode():
        tokens = net.to(dtype).tokens(network_input(pixels).to(dtype).transpose(0, 1)[None])
    expected = torch.from_numpy(VIDEO[f"timesformer_tiny/{kind}/last_hidden"])
    torch.testing.assert_close(tokens, expected, rtol=0, atol=by)
    logits = F.linear(tokens[:, 0], head["head.weight"], head["head.bias"])
    torch.testing.assert_close(
        logits, torch.from_numpy(VIDEO[f"timesformer_tiny/{kind}/out"]), rtol=0, atol=by
    )


def test_it_starts_from_the_weights_of_the_hub_and_of_the_authors(tmp_path: Path) -> None:
    own = from_transformers(public_state())
    torch.save(
        {"model_state": {f"model.{key}": value for key, value in own.items()}}, tmp_path / "authors.pyth"
    )
    save_file(public_state(), tmp_path / "hub.safetensors")
    for name in ("authors.pyth", "hub.safetensors"):
        net = TimeSformerNet(TINY, seed=3)
        head = net.head.weight.detach().clone()
        started = start_from(net, StartWeights(tmp_path / name))
        assert "its last layer begins anew" in started.says
        assert (started.trained_on, started.corpora) == (frozenset(), frozenset())  # knows no deepfake
        state = net.state_dict()
        assert all(
            torch.equal(state[key], value) for key, value in own.items() if not key.startswith("head.")
        )
        assert torch.equal(state["head.weight"], head)


def test_embeddings_of_places_and_times_are_resized(tmp_path: Path) -> None:
    save_file(public_state(), tmp_path / "hub.safetensors")
    other = ModelConfig(frames=2, size=64, patch=8, width=48, depth=2, heads=4, mlp_ratio=2, drop_path=0)
    net = TimeSformerNet(other)
    start_from(net, StartWeights(tmp_path / "hub.safetensors"))
    times = public_state()["backbone.embeddings.time_embeddings"]
    assert torch.equal(net.time_embed.detach(), times[:, [0, 2]])
    assert net.pos_embed.shape == (1, 65, 48)


def test_of_an_image_transformer_time_plays_no_part_at_first(tmp_path: Path) -> None:
    state = from_transformers(public_state())
    of_images = {
        k: v for k, v in state.items() if "temporal_" not in k and k not in ("time_embed", "head.bias")
    }
    save_file(of_images, tmp_path / "vit.safetensors")
    net = TimeSformerNet(TINY, seed=1)
    assert "time and the head begin anew" in start_from(net, StartWeights(tmp_path / "vit.safetensors")).says
    clip = torch.randn(1, 3, 4, 32, 32, generator=torch.Generator().manual_seed(4))
    with torch.inference_mode():
        torch.testing.assert_close(net(clip), net(clip[:, :, [2, 0, 3, 1]]), rtol=0, atol=1e-5)


def test_whole_weights_without_a_header_are_of_unknown_data(tmp_path: Path) -> None:
    given = TimeSformerNet(TINY, seed=5).state_dict()
    save_file(given, tmp_path / "whole.safetensors")
    net = TimeSformerNet(TINY)
    assert start_from(net, StartWeights(tmp_path / "whole.safetensors")).trained_on == frozenset({"unknown"})
    assert torch.equal(net.head.weight, given["head.weight"])


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    save_file(public_state(), tmp_path / "hub.safetensors")
    deeper = ModelConfig(frames=4, size=32, patch=8, width=48, depth=3, heads=4, mlp_ratio=2)
    with pytest.raises(WeightsError, match=r"does not fit: blocks\.2\.\S+ is missing"):
        start_from(TimeSformerNet(deeper), StartWeights(tmp_path / "hub.safetensors"))


def test_dropped_rows_change_training_alone() -> None:
    net = TimeSformerNet(ModelConfig(frames=4, size=32, patch=8, width=48, depth=2, heads=4, drop_path=0.9))
    clip = torch.randn(1, 3, 4, 32, 32, generator=torch.Generator().manual_seed(4))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        first, second = net(clip), net(clip)
    assert not torch.equal(first, second)
    assert torch.equal(net.eval()(clip), net(clip))
    assert isinstance(net.blocks[0], Block)


def test_the_spec_and_its_recipes_are_those_of_fakestormer_without_the_branches() -> None:
    for ours, theirs in (("standard", "base_c23"), ("demo", "demo")):
        plain, full = TimeSformerRecipe.load(ours), load_recipe(theirs)
        for name in ("frames", "size", "patch", "width", "depth", "heads", "mlp_ratio", "drop_path", "stem"):
            assert getattr(plain, name) == getattr(full, name), name
        assert plain.clips() == full.clips()
        assert plain.needs() == full.needs()  # both take the faces that are prepared for either


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"size": "150"}, "no multiple of patch"),
        ({"heads": "7"}, "no multiple of heads"),
        ({"patch": "12"}, "power of two"),
        ({"frames": "600"}, "at most 4096"),
        ({"width": "1000000"}, "width"),
    ],
)
def test_a_network_that_cannot_be_is_refused(changes: dict[str, str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        TimeSformerRecipe.load("demo", changes)


def test_the_demo_network_gives_one_logit_a_clip() -> None:
    recipe = TimeSformerRecipe.load("demo")
    net = METHOD.network(recipe, seed=0).eval()
    clips = torch.randn(
        2, 3, recipe.frames, recipe.size, recipe.size, generator=torch.Generator().manual_seed(1)
    )
    with torch.inference_mode():
        logits = METHOD.logit(net, clips)
        torch.testing.assert_close(logits[1:], METHOD.logit(net, clips[1:]), rtol=0, atol=1e-5)
    assert logits.shape == (2,)
    assert logits[0] != logits[1]
