"""The clip networks of pytorchvideo: the numbers of the untouched library, what they start from, and what they refuse."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tests.baselines.golden import drawn, images, network_input, stored
from torch import Tensor, nn

from dfbench import StartWeights, TooShortError, UsageError, WeightsError, training
from dfbench.data.clips import clip_positions
from dfbench.hooks.host import Host
from dfbench.hooks.recipe_names import recipe_names
from dfbench.hooks.registry import load_object
from dfbench.training.state_files import read_pickle
from dfbench_baselines import clips
from dfbench_baselines.clips import ClipRecipe, build, last_layer, two_pathways

VIDEO = stored("video.npz")
METHODS = {name: clips.METHODS[name] for name in clips.NAMED}
# Name in the stored numbers, its images, the builder, the gain of drawn weights, and whether it has two pathways.
CASES = {
    "x3d_s/native": ("x3d_13x160", "x3d_s", 13, 160, 1.1),
    "x3d_s/small_logits": ("x3d_4x64", "x3d_s", 4, 64, 1.1),
    "slowfast_r50/small": ("slowfast_8x64", "slowfast_r50", 8, 64, 1.0),
    "i3d_r50/small": ("i3d_4x64", "i3d_r50", 4, 64, 1.0),
}


def drawn_network(name: str) -> tuple[nn.Module, Tensor]:
    """The network of a case with the weights of the rule, and its clip (1, 3, T, S, S) in float64."""
    pictures, builder, frames, size, gain = CASES[name]
    net = build(builder, frames=frames, size=size, outputs=2).eval()
    net.load_state_dict(
        {
            key: torch.from_numpy(
                drawn(f"{builder}/{key}", tuple(value.shape), gain=3 if key.endswith("proj.weight") else gain)
            )
            for key, value in net.state_dict().items()
        }
    )
    pixels = images(f"input/{pictures}", count=frames, size=size)
    assert zlib.crc32(pixels.tobytes()) == VIDEO[f"{pictures}/input_crc32"]
    clip = network_input(pixels, mean=clips.KINETICS[0], std=clips.KINETICS[1])
    return net, clip.transpose(0, 1)[None]


def both_outputs(net: nn.Module, clip: Tensor) -> Tensor:
    slow = clip[:, :, clips.slow_index(clip.shape[2])]
    outputs: Tensor = net([slow, clip])
    return outputs


def outputs(name: str, net: nn.Module, clip: Tensor) -> Tensor:
    """What the library returns in a case: probabilities where its own head has a softmax, which ours has not."""
    returned = both_outputs(net, clip) if name.startswith("slowfast") else net(clip)
    return returned.softmax(dim=1) if name == "x3d_s/native" else returned


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_it_computes_what_the_library_does(name: str) -> None:
    net, clip = drawn_network(name)
    seen: dict[str, Tensor] = {}

    def look(number: int) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor | list[Tensor]], None]:
        def keep(_module: nn.Module, _given: tuple[Tensor, ...], output: Tensor | list[Tensor]) -> None:
            for path, maps in enumerate(output if isinstance(output, list) else [output]):
                axes = tuple(range(2, maps.ndim))
                told = torch.stack([maps.mean(axes), maps.std(axes, correction=0)])
                seen[f"{number}_p{path}" if isinstance(output, list) else str(number)] = told

        return keep

    blocks = net.blocks
    assert isinstance(blocks, nn.ModuleList)
    with torch.inference_mode():
        single = outputs(name, net, clip.float())
        torch.testing.assert_close(single, torch.from_numpy(VIDEO[f"{name}/f32/out"]), rtol=0, atol=2e-5)
        for number, block in enumerate(blocks):
            block.register_forward_hook(look(number))
        double = outputs(name, net.double(), clip)
    torch.testing.assert_close(double, torch.from_numpy(VIDEO[f"{name}/f64/out"]), rtol=0, atol=1e-9)
    told = {
        key.removeprefix(f"{name}/f64/blocks").removesuffix("_mean_std"): value
        for key, value in VIDEO.items()
        if key.startswith(f"{name}/f64/blocks")
    }
    assert len(told) >= 5
    for key, expected in told.items():
        torch.testing.assert_close(seen[key], torch.from_numpy(expected), rtol=0, atol=1e-9)


@pytest.mark.slow
def test_the_first_output_of_slowfast_is_its_logit() -> None:
    net, clip = drawn_network("slowfast_r50/small")
    kept = clip.clone()
    with torch.inference_mode():
        logit = two_pathways(net.double(), clip)
    assert torch.equal(clip, kept)
    torch.testing.assert_close(
        logit, torch.from_numpy(VIDEO["slowfast_r50/small/f64/out"])[:, 0], rtol=0, atol=1e-9
    )
    expected = torch.from_numpy(VIDEO["slowfast_8x64/slow_index"])
    assert torch.equal(clips.slow_index(8), expected)


@pytest.mark.parametrize("name", METHODS)
def test_each_network_has_a_standard_and_a_demo_recipe(name: str) -> None:
    spec = Host.load().registry.detector(name)
    assert METHODS[name].recipe.load("standard").clips().frame_choice().count <= 160
    names = recipe_names(spec)
    assert (names.default, names.demo, names.names) == ("standard", "demo", ("demo", "standard"))


@pytest.mark.parametrize("name", METHODS)
def test_the_demo_network_gives_each_clip_its_own_logit(name: str) -> None:
    method = METHODS[name]
    recipe = method.recipe.load("demo")
    net = method.network(recipe, seed=1).eval()
    assert isinstance(recipe, ClipRecipe)
    drawing = torch.Generator().manual_seed(2)
    batch = torch.randn(2, 3, recipe.frames, recipe.size, recipe.size, generator=drawing)
    with torch.inference_mode():
        together = method.logit(net, batch)
        alone = method.logit(net, batch[1:])
    assert together.shape == (2,)
    assert together[0] != together[1]
    torch.testing.assert_close(together[1:], alone, rtol=0, atol=1e-4)
    assert not any(isinstance(module, nn.Softmax) for module in net.modules())  # logits in training, too


def test_the_seed_decides_the_weights() -> None:
    recipe = clips.X3D_S.recipe.load("demo")
    first, again, other = (clips.X3D_S.network(recipe, seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["blocks.5.proj.weight"], other["blocks.5.proj.weight"])


def kinetics(path: Path, *, classes: int = 400) -> dict[str, Tensor]:
    """Write a file as the library's zoo has them: the state of a network for 400 actions, as `model_state`."""
    with training.drawing_from(9):
        net = build("x3d_s", frames=4, size=112, width=0.5, outputs=classes)
    torch.save({"model_state": net.state_dict()}, path)
    return net.state_dict()


def test_it_starts_from_weights_of_kinetics_but_for_the_last_layer(tmp_path: Path) -> None:
    given = kinetics(tmp_path / "X3D_S.pyth")
    net = clips.X3D_S.network(clips.X3D_S.recipe.load("demo"), seed=0)
    own = {name: value.clone() for name, value in net.state_dict().items()}
    started = clips.X3D_S.begin(net, StartWeights(tmp_path / "X3D_S.pyth"))
    assert "its last layer begins anew" in started.says
    assert (started.trained_on, started.corpora) == (frozenset(), frozenset())  # knows no deepfake
    for name, value in net.state_dict().items():
        assert torch.equal(value, own[name] if name.startswith("blocks.5.proj.") else given[name]), name


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    kinetics(tmp_path / "X3D_S.pyth")
    net = clips.SLOW_R50.network(clips.SLOW_R50.recipe.load("demo"), seed=0)
    with pytest.raises(WeightsError, match="does not fit"):
        clips.SLOW_R50.begin(net, StartWeights(tmp_path / "X3D_S.pyth"))
    wider = clips.X3D_S.network(clips.X3D_S.recipe.load("demo", {"width": "1"}), seed=0)
    with pytest.raises(WeightsError, match="does not fit"):
        clips.X3D_S.begin(wider, StartWeights(tmp_path / "X3D_S.pyth"))


@pytest.mark.parametrize("name", METHODS)
def test_without_weights_of_kinetics_the_standard_recipe_says_where_they_are(name: str) -> None:
    from pytorchvideo.models import hub

    method = METHODS[name]
    with pytest.raises(WeightsError, match="starts from weights of Kinetics-400") as caught:
        method.trainer("standard", {}).require_start()
    module = sys.modules[getattr(hub, name).__module__]
    assert caught.value.hints[0].endswith(module.checkpoint_paths[name])
    assert caught.value.hints[2].endswith(f"--detector {name} --recipe standard --set pretrained=none")
    method.trainer("standard", {"pretrained": "none"}).require_start()
    method.trainer("demo", {}).require_start()


MEMBERS = sorted(set(clips.KINETICS_FILES) - set(METHODS))


@pytest.mark.parametrize("name", MEMBERS)
def test_members_of_the_family_are_built_and_say_where_their_weights_are(name: str) -> None:
    from pytorchvideo.models import hub

    method = training_method(f"pytorchvideo:{name}")
    assert method.name == f"pytorchvideo:{name}"
    recipe = method.recipe.load("demo", {"size": "32", "train_crop": "32", "width": "0.125"})
    clip = torch.zeros(1, 3, recipe.frames, recipe.size, recipe.size)
    with torch.inference_mode():
        assert method.logit(method.network(recipe, seed=0).eval(), clip).shape == (1,)
    with pytest.raises(
        WeightsError, match=f"pytorchvideo:{name} starts from weights of Kinetics-400"
    ) as caught:
        method.trainer("standard", {}).require_start()
    module = sys.modules[getattr(hub, name).__module__]
    assert caught.value.hints[0].endswith(module.checkpoint_paths[name].rpartition("/")[2])
    assert f"--detector pytorchvideo:{name} " in caught.value.hints[1]


def test_a_name_that_the_hub_does_not_have_is_refused() -> None:
    with pytest.raises(UsageError, match="no clip network 'x3d_xl'") as caught:
        training_method("pytorchvideo:x3d_xl")
    assert caught.value.hints[0].startswith("did you mean pytorchvideo:x3d_")


def test_a_detector_of_its_own_is_no_member() -> None:
    with pytest.raises(UsageError, match="pytorchvideo:x3d_s is a detector of its own") as caught:
        training_method("pytorchvideo:x3d_s")
    assert caught.value.hints == ("name it:  --detector x3d_s",)


def training_method(name: str) -> training.Method:
    method = load_object(Host.load().registry.detector(name).method)
    assert isinstance(method, training.Method)
    return method


def test_the_state_is_found_where_the_zoo_keeps_it(tmp_path: Path) -> None:
    given = kinetics(tmp_path / "X3D_S.pyth")
    assert read_pickle(tmp_path / "X3D_S.pyth", hints=()).keys() == given.keys()


@pytest.mark.parametrize(
    ("method", "changes", "says"),
    [
        (clips.SLOWFAST_R50, {"frames": "6"}, "needs a multiple of 4"),
        (clips.I3D_R50, {"frames": "3"}, "needs a multiple of 2"),
        (clips.MVIT_BASE_16X4, {"size": "112"}, "a multiple of them"),
        (clips.X3D_S, {"size": "16"}, "32 px at least"),
        (clips.X3D_S, {"size": "2048"}, "at most 1024"),
        (clips.X3D_S, {"width": "100"}, "width"),
        (clips.SLOWFAST_R50, {"width": "0.1"}, "0.125 is the least"),
    ],
)  # fmt: skip
def test_what_a_network_cannot_see_is_refused(
    method: training.Method, changes: dict[str, str], says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        method.recipe.load("demo", changes)


def test_a_video_shorter_than_a_clip_has_no_clip() -> None:
    spec = clips.SLOWFAST_R50.recipe.load("standard").clips()
    twelve = torch.arange(12).numpy()
    with pytest.raises(TooShortError, match="12 frames with a face, and a clip needs 32"):
        clip_positions(twelve, spec)


def test_a_library_that_cannot_be_imported_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytorchvideo.models", None)
    monkeypatch.setitem(sys.modules, "pytorchvideo.models.hub", None)
    with pytest.raises(UsageError, match="pytorchvideo cannot be imported") as caught:
        clips.X3D_S.network(clips.X3D_S.recipe.load("demo"), seed=0)
    assert "pip install pytorchvideo==0.1.5" in caught.value.hints[0]


def test_the_last_layer_is_the_one_that_names() -> None:
    for method in (clips.X3D_S, clips.SLOWFAST_R50, clips.MVIT_BASE_16X4):
        head = last_layer(method.network(method.recipe.load("demo"), seed=0))
        assert isinstance(head, nn.Linear)
        assert head.out_features == 1
