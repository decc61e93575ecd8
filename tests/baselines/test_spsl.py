"""SPSL's phase image and forward pass: the numbers of DeepfakeBench's code."""

from __future__ import annotations

import zlib

import pytest
import torch
from tests.baselines.golden import images, network_input, stored
from tests.baselines.xceptions import give_weights, in_backbone
from torch import Tensor

from dfbench_baselines.spsl_layers import SPSL, phase_image

NUMBERS = stored("spsl.npz")


def differ(ours: Tensor, name: str, *, by: float = 1e-9) -> None:
    torch.testing.assert_close(ours, torch.from_numpy(NUMBERS[name]), rtol=0, atol=by)


def frames(size: int) -> Tensor:
    pixels = images(f"input/phase{size}", count=2, size=size)
    assert zlib.crc32(pixels.tobytes()) == NUMBERS[f"phase{size}/input_crc32"]
    return network_input(pixels)


@pytest.mark.parametrize("size", [16, 64])
def test_the_phase_image_is_that_of_the_public_code(size: int) -> None:
    differ(phase_image(frames(size)), f"phase{size}/f64")
    differ(phase_image(frames(size).float()), f"phase{size}/f32", by=2e-5)


def test_the_phase_image_is_the_same_at_256_px() -> None:
    image = phase_image(frames(256))
    differ(image[..., ::4, ::4], "phase256/f64_strided4")
    differ(image.sum(dim=(1, 2, 3)), "phase256/f64_sum")
    differ(image.std(dim=(1, 2, 3), correction=0), "phase256/f64_std")


@pytest.mark.parametrize("size", [16, 64, 256])
def test_all_phase_images_have_the_same_energy(size: int) -> None:
    energy = (phase_image(frames(size)) ** 2).mean(dim=(1, 2, 3))
    torch.testing.assert_close(energy, torch.full((2,), 1 / size**2, dtype=torch.float64))


@pytest.mark.slow
def test_the_network_computes_what_the_public_code_does() -> None:
    net = SPSL()
    give_weights(net.backbone, "spsl", public=in_backbone, gains={"last_linear": 3})
    net = net.double().eval()
    pixels = images("input/256", count=2, size=256)
    assert zlib.crc32(pixels.tobytes()) == NUMBERS["input_crc32"]
    seen = network_input(pixels)
    with torch.inference_mode():
        features = net.backbone.features(torch.cat([seen, phase_image(seen)], dim=1))
        differ(features.relu().mean(dim=(2, 3)), "dfb256/f64/feat_mean")
        logits = net(seen)
        differ(logits, "dfb256/f64/logits")
        differ(logits.softmax(dim=1)[:, 1], "dfb256/f64/prob_fake")
