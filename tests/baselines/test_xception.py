"""Xception: the numbers of DeepfakeBench's and FaceForensics++'s code, and the layers of timm's."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest
import timm
import torch
from tests.baselines.golden import images, network_input, stored
from tests.baselines.xceptions import give_weights, in_backbone
from torch import Tensor

from dfbench import StartWeights, UsageError, WeightsError
from dfbench.training import Method
from dfbench_baselines.f3net import METHOD as F3NET
from dfbench_baselines.spsl import METHOD as SPSL
from dfbench_baselines.xception import METHOD, XceptionRecipe
from dfbench_baselines.xception_net import Xception

NUMBERS = stored("xception.npz")


@pytest.fixture(scope="module")
def net() -> Xception:
    made = Xception()
    give_weights(made, "xception", public=in_backbone, gains={"last_linear": 3})
    return made.double().eval()


def differ(ours: Tensor, name: str) -> None:
    torch.testing.assert_close(ours, torch.from_numpy(NUMBERS[name]), rtol=0, atol=1e-9)


def spread(maps: Tensor) -> Tensor:
    """Mean and standard deviation over space, (2, B, C)."""
    return torch.stack([maps.mean(dim=(2, 3)), maps.std(dim=(2, 3), correction=0)])


def test_it_computes_what_the_public_code_does(net: Xception) -> None:
    pixels = images("input/96", count=2, size=96)
    assert zlib.crc32(pixels.tobytes()) == NUMBERS["input96_crc32"]
    with torch.inference_mode():
        features = net.features(network_input(pixels))
        seen = features.relu()  # theirs were read after ReLU had changed them in place
        differ(seen.mean(dim=(2, 3)), "dfb96/f64/feat_mean")
        differ(seen[:, ::64], "dfb96/f64/feat_strided")
        logits = net.classify(features)
        differ(logits, "dfb96/f64/logits")
        differ(logits.softmax(dim=1)[:, 1], "dfb96/f64/prob_fake")  # index 1 is "fake"


@pytest.mark.slow
def test_it_computes_the_same_layer_by_layer(net: Xception) -> None:
    pixels = images("input/256", count=2, size=256)
    with torch.inference_mode():
        maps = network_input(pixels)
        differ(spread(net.conv1(maps)), "dfb256/f64/conv1_mean_std")
        maps = net.first(maps)
        differ(spread(net.bn2(net.conv2(maps))), "dfb256/f64/bn2_mean_std")
        maps = net.second(maps)
        for number in range(1, 13):
            maps = net.block(number)(maps)
            if (name := f"dfb256/f64/block{number}_mean_std") in NUMBERS:
                differ(spread(maps), name)
        differ(
            net.classify(net.final(maps)), "ffpp256/f64/logits"
        )  # the same weights, as FaceForensics++ has them


def test_it_computes_the_same_at_299_px(net: Xception) -> None:
    with torch.inference_mode():
        features = net.features(network_input(images("input/299", count=1, size=299)))
        differ(features.mean(dim=(2, 3)), "ffpp299/f64/feat_mean")
        differ(net.classify(features), "ffpp299/f64/logits")


def test_its_tensors_are_those_of_timm(net: Xception) -> None:
    with torch.random.fork_rng(devices=[]):
        theirs = timm.create_model("legacy_xception", num_classes=2)
    assert {name: value.shape for name, value in net.state_dict().items()} == {
        name: value.shape for name, value in theirs.state_dict().items()
    }


def test_a_narrow_one_has_the_same_layers(net: Xception) -> None:
    narrow = Xception(channels=4, width=1 / 16)
    assert narrow.state_dict().keys() == net.state_dict().keys()
    assert sum(one.numel() for one in narrow.parameters()) < 150_000
    assert narrow.eval()(torch.zeros(1, 4, 64, 64)).shape == (1, 2)


def test_the_logit_is_how_far_fake_lies_above_real() -> None:
    narrow = METHOD.network(METHOD.recipe.load("demo"), seed=1).eval()
    clips = torch.rand(3, 3, 2, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        outputs = torch.stack([narrow(clips[:, :, frame]) for frame in range(2)])
        expected = outputs.softmax(dim=2)[..., 1].logit().mean(dim=0)
        torch.testing.assert_close(METHOD.logit(narrow, clips), expected)


def test_the_recipe_of_the_paper_trains_the_last_layer_alone_at_first() -> None:
    recipe = METHOD.recipe.load("ffpp")
    assert (recipe.size, recipe.frozen_epochs, recipe.epochs, recipe.train_frames) == (299, 3, 18, 270)
    narrow = METHOD.network(METHOD.recipe.load("demo"), seed=0)
    assert METHOD.frozen is not None
    frozen = {id(one) for one in METHOD.frozen(narrow).parameters()}
    free = [name for name, one in narrow.named_parameters() if id(one) not in frozen]
    assert free == ["fc.weight", "fc.bias"]


def test_without_the_weights_that_it_starts_from_it_says_where_to_get_them() -> None:
    with pytest.raises(WeightsError, match=r"'legacy_xception\.tf_in1k', and none are given") as caught:
        METHOD.trainer("standard", {}).require_start()
    told = " ".join(caught.value.hints)
    assert "xception-43020ad28.pth (its SHA-256 begins with 43020ad28)" in told
    assert "--start timm:legacy_xception.tf_in1k=FILE" in told
    assert "--set pretrained=none" in told
    METHOD.trainer("standard", {"pretrained": "none"}).require_start()
    METHOD.trainer("demo", {}).require_start()
    with pytest.raises(UsageError, match="timm has no network 'legacy_xcepton'") as misspelt:
        METHOD.trainer("standard", {"pretrained": "legacy_xcepton"}).require_start()
    assert "did you mean 'legacy_xception'" in misspelt.value.hints[0]


@pytest.mark.slow
@pytest.mark.parametrize("read_as", ["", "timm:legacy_xception.tf_in1k"])
def test_it_starts_from_timms_file(read_as: str, tmp_path: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        photographs = timm.create_model("legacy_xception")  # names one of a thousand things
    torch.save(photographs.state_dict(), tmp_path / "xception.pth")
    made = METHOD.network(METHOD.recipe.load("standard"), seed=0)
    head = made.state_dict()["fc.weight"].clone()
    started = METHOD.begin(made, StartWeights(tmp_path / "xception.pth", read_as))
    assert (started.trained_on, started.corpora) == (frozenset(), frozenset())
    assert torch.equal(made.state_dict()["fc.weight"], head)
    for name, value in photographs.state_dict().items():
        assert name.startswith("fc.") or torch.equal(made.state_dict()[name], value), name


def first_kernels(method: Method, tmp_path: Path) -> tuple[Tensor, Tensor]:
    """The first kernel of ImageNet, and what the network of `method` makes of it."""
    recipe = method.recipe.load("demo")
    assert isinstance(recipe, XceptionRecipe)
    photographs = Xception(outputs=1000, width=recipe.width)
    torch.save(photographs.state_dict(), tmp_path / "narrow.pth")
    made = method.network(recipe, seed=0)
    started = method.begin(made, StartWeights(tmp_path / "narrow.pth"))
    assert "all else begins anew" in started.says
    deep = "block5.rep.1.conv1.weight"
    assert torch.equal(made.get_parameter(f"backbone.{deep}"), photographs.get_parameter(deep))
    torch.save(made.state_dict(), tmp_path / "whole.pth")
    other = method.network(recipe, seed=1)
    assert "the whole network" in method.begin(other, StartWeights(tmp_path / "whole.pth")).says
    assert all(torch.equal(value, made.state_dict()[name]) for name, value in other.state_dict().items())
    return photographs.conv1.weight, made.get_parameter("backbone.conv1.weight")


def test_f3net_gives_each_image_a_quarter_of_the_first_kernel(tmp_path: Path) -> None:
    given, taken = first_kernels(F3NET, tmp_path)
    for image in range(4):
        assert torch.equal(taken[:, 3 * image : 3 * image + 3], given / 4)


def test_spsl_gives_each_channel_the_mean_of_the_first_kernel(tmp_path: Path) -> None:
    given, taken = first_kernels(SPSL, tmp_path)
    assert taken.shape[1] == 4
    for channel in range(4):
        torch.testing.assert_close(taken[:, channel], given.mean(dim=1))


def test_a_file_of_another_network_is_refused(tmp_path: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        other = timm.create_model("test_resnet")
    torch.save(other.state_dict(), tmp_path / "other.pth")
    for method in (METHOD, F3NET):
        with pytest.raises(WeightsError, match="does not fit"):
            method.begin(
                method.network(method.recipe.load("demo"), seed=0), StartWeights(tmp_path / "other.pth")
            )
