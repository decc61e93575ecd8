"""VideoMAE: the numbers of the public network, the names of its weights, and what a training starts from."""

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
from dfbench.hooks.host import Host
from dfbench.hooks.recipe_names import recipe_names
from dfbench_baselines.videomae import METHOD, VideoMaeRecipe
from dfbench_baselines.videomae_net import VideoMae
from dfbench_baselines.videomae_weights import from_transformers

VIDEO = stored("videomae.npz")
SHAPES = json.loads((GOLDEN / "keys_videomae_tiny.json").read_text())["keys"]
QKV = "videomae.encoder.layer.0.attention.attention."


def tiny() -> VideoMae:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return VideoMae(frames=4, size=32, tubelet=2, patch=8, width=48, depth=2, heads=4)


def public_state() -> dict[str, Tensor]:
    """The weights of the rule under the names of the Hugging Face hub, with a head of two classes."""
    return {
        key: torch.from_numpy(
            drawn(f"videomae_tiny/{key}", tuple(shape), gain=2 if key == "classifier.weight" else 1)
        )
        for key, shape in SHAPES
    }


@pytest.mark.parametrize(
    ("dtype", "kind", "by"), [(torch.float64, "f64", 1e-9), (torch.float32, "f32", 1e-5)]
)
def test_it_computes_what_the_public_network_does(dtype: torch.dtype, kind: str, by: float) -> None:
    pixels = images("input/timesformer", count=4, size=32)
    assert zlib.crc32(pixels.tobytes()) == VIDEO["input_crc32"]
    state = from_transformers(public_state())
    head = [state.pop(key).to(dtype) for key in ("classifier.weight", "classifier.bias")]
    net = tiny().eval()
    assert net.load_state_dict(state, strict=False).missing_keys == ["head.weight", "head.bias"]
    with torch.inference_mode():
        tokens = net.to(dtype).tokens(network_input(pixels).to(dtype).transpose(0, 1)[None])
        # There, this norm alone has torch's own epsilon, 1e-5.
        norm = F.layer_norm(tokens.mean(dim=1), (48,), net.fc_norm.weight, net.fc_norm.bias, 1e-5)
        logits = F.linear(norm, *head)
    torch.testing.assert_close(tokens, torch.from_numpy(VIDEO[f"{kind}/last_hidden"]), rtol=0, atol=by)
    torch.testing.assert_close(logits, torch.from_numpy(VIDEO[f"{kind}/out"]), rtol=0, atol=by)


def test_it_starts_from_the_weights_of_the_hub_and_of_the_authors(tmp_path: Path) -> None:
    own = {key: value for key, value in from_transformers(public_state()).items() if "classifier" not in key}
    before = {key: value for key, value in own.items() if not key.startswith("fc_norm.")}
    decoder = {"decoder.blocks.0.norm1.weight": torch.ones(9), "mask_token": torch.zeros(1, 1, 9)}
    of_hub = {key: value for key, value in public_state().items() if key.startswith("videomae.")}
    files = {
        "finetuned.safetensors": (public_state(), own),
        "pretrained.safetensors": (of_hub | decoder, before),
        "authors.pth": ({f"encoder.{key}": value for key, value in before.items()} | decoder, before),
        "authors_finetuned.pth": (
            own | {"head.weight": torch.ones(400, 48), "head.bias": torch.ones(400)},
            own,
        ),
    }
    for name, (content, expected) in files.items():
        path = tmp_path / name
        save_file(content, path) if path.suffix == ".safetensors" else torch.save({"model": content}, path)
        net = tiny()
        fresh = {key: value.clone() for key, value in net.state_dict().items()}
        started = METHOD.begin(net, StartWeights(path))
        assert "its last layer begins anew" in started.says
        assert (started.trained_on, started.corpora) == (frozenset(), frozenset())  # knows no deepfake
        for key, value in net.state_dict().items():
            assert torch.equal(value, expected.get(key, fresh[key])), (name, key)
        assert expected.keys() <= fresh.keys()


def test_whole_weights_without_a_header_are_of_unknown_data(tmp_path: Path) -> None:
    save_file(tiny().state_dict(), tmp_path / "whole.safetensors")
    net = tiny()
    assert METHOD.begin(net, StartWeights(tmp_path / "whole.safetensors")).trained_on == frozenset(
        {"unknown"}
    )


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    state = public_state()
    del state[f"{QKV}key.weight"]
    save_file(state, tmp_path / "cut.safetensors")
    with pytest.raises(
        WeightsError, match=r"does not fit: blocks\.0\.attn\.qkv\.weight is 96x48 and should be 144x48"
    ):
        METHOD.begin(tiny(), StartWeights(tmp_path / "cut.safetensors"))


def test_without_weights_the_standard_recipe_says_where_they_are() -> None:
    with pytest.raises(WeightsError, match="starts from weights of VideoMAE") as caught:
        METHOD.trainer("standard", {}).require_start()
    assert "MCG-NJU/videomae-base" in caught.value.hints[0]
    METHOD.trainer("standard", {"pretrained": "none"}).require_start()
    METHOD.trainer("demo", {}).require_start()


def test_the_demo_network_gives_each_clip_its_own_logit() -> None:
    recipe = VideoMaeRecipe.load("demo")
    net = METHOD.network(recipe, seed=0).eval()
    drawing = torch.Generator().manual_seed(1)
    clips = torch.randn(2, 3, recipe.frames, recipe.size, recipe.size, generator=drawing)
    with torch.inference_mode():
        logits = METHOD.logit(net, clips)
        torch.testing.assert_close(logits[1:], METHOD.logit(net, clips[1:]), rtol=0, atol=1e-5)
    assert logits.shape == (2,)
    assert logits[0] != logits[1]
    again, other = (METHOD.network(recipe, seed=seed).state_dict()["head.weight"] for seed in (0, 1))
    assert torch.equal(again, net.state_dict()["head.weight"])
    assert not torch.equal(again, other)


def test_the_spec_has_both_recipes() -> None:
    spec = Host.load().registry.detector("videomae")
    assert recipe_names(spec).names == ("demo", "standard")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"frames": "3"}, "a tubelet has 2"),
        ({"size": "100"}, "no multiple of patch"),
        ({"heads": "7"}, "no multiple of heads"),
        ({"frames": "600"}, "at most 4096"),
        ({"width": "1000000"}, "width"),
    ],
)
def test_a_network_that_cannot_be_is_refused(changes: dict[str, str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        VideoMaeRecipe.load("demo", changes)
