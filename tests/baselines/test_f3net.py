"""F3-Net's decomposition and forward pass: the numbers of DeepfakeBench's code."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
import torch
from tests.baselines.golden import drawn, images, network_input, stored
from tests.baselines.xceptions import give_weights
from torch import Tensor

from dfbench_baselines.f3net_layers import Decomposition, F3Net, band_masks, cosine_matrix

NUMBERS = stored("f3net.npz")
# Their cosines are rounded to float32; ours are not when the network computes in float64.
ROUNDED = 1e-6


def differ(ours: Tensor, name: str, *, by: float = 1e-9) -> None:
    torch.testing.assert_close(ours, torch.from_numpy(NUMBERS[name]), rtol=0, atol=by)


def filters(size: int, model: str, *, inside: str = "") -> Tensor:
    """The learned numbers of the four bands by the rule of weights: a tenth of a normal draw."""
    gain = 0.1 * size**0.5
    return torch.stack(
        [
            torch.from_numpy(drawn(f"{model}/{inside}filters.{band}.learnable", (size, size), gain=gain))
            for band in range(4)
        ]
    )


def test_the_cosines_are_those_of_the_public_code() -> None:
    for size in (16, 32):
        differ(cosine_matrix(size), f"fad{size}/dct")
    differ(cosine_matrix(256)[[0, 1, 2, 100, 255]], "dct256_rows")


def test_the_transform_loses_nothing() -> None:
    cosines = cosine_matrix(24)
    torch.testing.assert_close(cosines @ cosines.T, torch.eye(24, dtype=torch.float64))


@pytest.mark.parametrize("size", [16, 32, 64])
def test_the_bands_are_those_of_the_public_code(size: int) -> None:
    assert np.array_equal(band_masks(size).numpy(), NUMBERS[f"fad{size}/base"])


def test_the_ends_of_the_bands_are_rounded_as_there() -> None:
    for row in NUMBERS["bands"]:
        size = int(row[0])
        assert (size // 2.82, size // 2) == (row[1], row[2])
        assert band_masks(size).sum(dim=(1, 2)).tolist() == row[3:].tolist()


@pytest.mark.parametrize("size", [16, 32, 64])
def test_the_decomposition_is_that_of_the_public_code(size: int) -> None:
    pixels = images(f"input/fad{size}", count=1, size=size)
    assert zlib.crc32(pixels.tobytes()) == NUMBERS[f"fad{size}/input_crc32"]
    front = Decomposition(size)
    front.learnable.data = filters(size, f"f3net_fad{size}")
    with torch.inference_mode():
        differ(
            front.double()(network_input(pixels)), f"fad{size}/f64"
        )  # cosines rounded to float32, as there


@pytest.mark.slow
def test_the_network_computes_what_the_public_code_does() -> None:
    net = F3Net(256)
    give_weights(
        net.backbone,
        "f3net",
        public=lambda name: "backbone." + name.replace("fc.", "last_linear.1."),
        gains={"last_linear": 3},
    )
    net.decomposition.learnable.data = filters(256, "f3net", inside="FAD_head.")
    net = net.double().eval()
    pixels = images("input/256", count=2, size=256)
    assert zlib.crc32(pixels.tobytes()) == NUMBERS["input_crc32"]
    with torch.inference_mode():
        bands = net.decomposition(network_input(pixels))
        differ(bands[:, :, ::16, ::16], "dfb256/f64/fad_strided16")
        spread = torch.stack([bands.mean(dim=(2, 3)), bands.std(dim=(2, 3), correction=0)])
        differ(spread, "dfb256/f64/fad_mean_std")
        features = net.backbone.features(bands)
        differ(features.relu().mean(dim=(2, 3)), "dfb256/f64/feat_mean")
        logits = net.backbone.classify(features)
        differ(logits, "dfb256/f64/logits")
        differ(logits.softmax(dim=1)[:, 1], "dfb256/f64/prob_fake")


def test_exact_cosines_change_the_outcome_by_rounding_alone() -> None:
    front = Decomposition(64)
    front.learnable.data = filters(64, "f3net_fad64")
    front.double().cosines = cosine_matrix(64)
    with torch.inference_mode():
        bands = front(network_input(images("input/fad64", count=1, size=64)))
    differ(bands, "fad64/f64", by=ROUNDED)
