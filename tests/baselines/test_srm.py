"""SRM's filters, attention, fusion and loss: the numbers of DeepfakeBench's code."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest
import torch
from tests.baselines.golden import images, network_input, stored
from tests.baselines.xceptions import give_weights
from torch import Tensor, nn

from dfbench import StartWeights, UsageError
from dfbench.training import Batch
from dfbench_baselines.srm import METHOD, SRMRecipe
from dfbench_baselines.srm_layers import (
    SRM,
    Residuals,
    SeparateResiduals,
    margin_softmax,
    places_of,
    residual_filters,
)
from dfbench_baselines.xception_net import Xception

NUMBERS = stored("srm.npz")
# What the public code calls the parts of the network.
PUBLIC = {
    "rgb.": "backbone_rgb.",
    "noise.": "backbone_srm.",
    "residuals1.mixing.": "srm_conv1.out_conv.",
    "residuals2.mixing.": "srm_conv2.out_conv.",
    "attention.layers.": "srm_sa.conv.",
    "attention.weighing.": "srm_sa.pa.conv.",
    "attended.": "srm_sa_post.",
    "cross1.": "dual_cma0.",
    "cross2.": "dual_cma1.",
    "fusion.mixing.": "fusion.convblk.",
    "fusion.weighing.": "fusion.ca.sharedMLP.",
}
GAINS = {"last_linear": 3, "linear1": 0.5, "linear2": 0.5, "key_conv": 0.35, "sharedMLP": 0.5}


def public(name: str) -> str:
    ours = next(part for part in PUBLIC if name.startswith(part))
    return PUBLIC[ours] + name.removeprefix(ours).replace("fc.", "last_linear.")


def differ(ours: Tensor, name: str, *, by: float = 1e-9) -> None:
    torch.testing.assert_close(ours, torch.from_numpy(NUMBERS[name]), rtol=0, atol=by)


def spread(maps: Tensor) -> Tensor:
    """Mean and standard deviation over space, (2, B, C)."""
    return torch.stack([maps.mean(dim=(2, 3)), maps.std(dim=(2, 3), correction=0)])


def frames(size: int) -> Tensor:
    pixels = images(f"input/srm{size}", count=1, size=size)
    assert zlib.crc32(pixels.tobytes()) == NUMBERS[f"srm{size}/input_crc32"]
    return network_input(pixels)


def test_the_filters_are_those_of_the_public_code() -> None:
    differ(residual_filters()[:, None].repeat(1, 3, 1, 1), "kernel_simple", by=1e-7)  # kept in float32 there
    stem = SeparateResiduals(4, 4)
    assert torch.equal(stem.filters, torch.from_numpy(NUMBERS["kernel_separate4"]))


@pytest.mark.parametrize("size", [16, 32])
def test_residuals_are_those_of_the_public_code(size: int) -> None:
    with torch.inference_mode():
        differ(Residuals().double()(frames(size)), f"srm{size}/simple_f64")
        stem = SeparateResiduals(3, 5).eval()
        give_weights(
            stem,
            f"srm_sep{size}",
            public=lambda name: name.replace("mixing.", "out_conv."),
            gains={"": 2**0.5},
        )
        differ(stem.double()(frames(size)), f"srm{size}/separate_f64")


@pytest.mark.slow
def test_the_network_computes_what_the_public_code_does() -> None:
    net = SRM()
    give_weights(net, "srm", public=public, gains=GAINS)
    net = net.double().eval()
    pixels = images("input/256", count=2, size=256)
    assert zlib.crc32(pixels.tobytes()) == NUMBERS["input_crc32"]
    seen = network_input(pixels)
    inner: dict[str, Tensor] = {}
    watched: dict[str, nn.Module] = {"residuals1": net.residuals1, "residuals2": net.residuals2}
    for name, part in watched.items():
        part.register_forward_hook(lambda _, __, output, name=name: inner.update({name: output.clone()}))
    with torch.inference_mode():
        fused = net.features(seen)
        differ(spread(net.residuals(seen)), "dfb256/f64/srm_conv0_mean_std")
        differ(spread(inner["residuals1"]), "dfb256/f64/srm_conv1_mean_std")
        differ(spread(inner["residuals2"]), "dfb256/f64/srm_conv2_mean_std")
        differ(net.attention(net.residuals(seen))[..., ::8, ::8], "dfb256/f64/att_map_strided8")
        differ(fused.mean(dim=(2, 3)), "dfb256/f64/fusion_mean")
        differ(fused[:, ::64], "dfb256/f64/feat_strided")
        logits = net.rgb.classify(fused)
        differ(logits, "dfb256/f64/logits")
        differ(logits.softmax(dim=1)[:, 1], "dfb256/f64/prob_fake")


def test_the_loss_is_that_of_the_public_code() -> None:
    logits, labels = torch.from_numpy(NUMBERS["am/logits"]), torch.from_numpy(NUMBERS["am/labels"])
    differ(margin_softmax(logits, labels), "am/loss")


def test_a_training_minimises_it() -> None:
    recipe = SRMRecipe.load("demo", {"size": "32", "train_crop": "32", "width": "0.02"})
    net = METHOD.network(recipe, seed=0).eval()
    clips = torch.rand(4, 3, 2, 32, 32, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 1, 1, 0])
    assert METHOD.loss is not None
    (value,) = METHOD.loss(net, clips, Batch(clips, labels, {}), recipe).values()
    outputs = torch.stack([net(clips[:, :, frame]) for frame in range(2)]).mean(dim=0)
    torch.testing.assert_close(value, margin_softmax(outputs, labels))
    torch.testing.assert_close(METHOD.logit(net, clips), outputs[:, 1] - outputs[:, 0])


@pytest.mark.parametrize("size", [32, 64, 96, 112, 256])
def test_the_places_that_attention_counts_are_those_of_the_maps(size: int) -> None:
    net = Xception(width=0.02).eval()
    with torch.inference_mode():
        maps = net.blocks(net.second(net.first(torch.zeros(1, 3, size, size))), 1, 3)
    assert places_of(size) == maps.shape[2] * maps.shape[3]


def test_both_streams_start_from_the_same_weights(tmp_path: Path) -> None:
    recipe = SRMRecipe.load("demo")
    photographs = Xception(outputs=1000, width=recipe.width)
    torch.save(photographs.state_dict(), tmp_path / "narrow.pth")
    net = METHOD.network(recipe, seed=0)
    assert isinstance(net, SRM)
    assert not torch.equal(net.rgb.conv1.weight, net.noise.conv1.weight)
    METHOD.begin(net, StartWeights(tmp_path / "narrow.pth"))
    for stream in (net.rgb, net.noise):
        state = stream.state_dict()
        for name, value in photographs.state_dict().items():
            assert name.startswith("fc.") or torch.equal(state[name], value), name


def test_frames_that_are_too_small_are_refused() -> None:
    with pytest.raises(UsageError, match="size 8 leaves nothing"):
        SRMRecipe.load("demo", {"size": "8"})
