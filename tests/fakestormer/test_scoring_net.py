"""The network folded for scoring against the whole network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dfbench_fakestormer.model import FakeSTormerNet, ModelConfig, Stem, TemporalToken
from dfbench_fakestormer.scoring import ScoringNet, one_after_another

GOLDEN = Path(__file__).parents[1] / "golden"
SMALL = ModelConfig(frames=3, size=32, patch=8, width=24, depth=3, heads=2, drop_path=0.2)
TINY = ModelConfig(
    size=64, width=48, depth=3, heads=4, drop_path=0.0, temporal_token="patch0", embed_order="released"
)


def uneven(config: ModelConfig) -> FakeSTormerNet:
    """No bias or norm of it is left at the 0 or 1 that it starts with."""
    net = FakeSTormerNet(config, seed=1).double()
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in net.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.add_(0.1 * noise)
    return net.eval()


def random_clips(config: ModelConfig, count: int) -> Tensor:
    shape = (count, 3, config.frames, config.size, config.size)
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("stem", ["patch", "conv"])
@pytest.mark.parametrize("token", ["learned", "patch0"])
def test_the_logit_is_that_of_the_whole_network(depth: int, stem: Stem, token: TemporalToken) -> None:
    config = replace(SMALL, depth=depth, stem=stem, temporal_token=token)
    net, x = uneven(config), random_clips(config, 4)
    scoring = ScoringNet(net)
    with torch.inference_mode():
        expected = net(x).logit[:, 0]
        together, alone = scoring(x), torch.cat([scoring(one[None]) for one in x])
    assert expected.std() > 0.05
    torch.testing.assert_close(together, expected, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(alone, expected, rtol=1e-9, atol=1e-12)


def test_one_frame_is_enough() -> None:
    config = replace(SMALL, frames=1)
    net, x = uneven(config), random_clips(config, 2)
    with torch.inference_mode():
        torch.testing.assert_close(ScoringNet(net)(x), net(x).logit[:, 0], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_stored_logit_of_the_released_code(dtype: torch.dtype) -> None:
    with np.load(GOLDEN / "model_tiny.npz") as file:
        golden = dict(file)
    net = FakeSTormerNet(TINY)
    weights = {
        key.removeprefix("param/"): torch.tensor(value)
        for key, value in golden.items()
        if key.startswith("param/")
    }
    net.load_state_dict(weights)
    x = torch.tensor(golden["input"], dtype=dtype)
    expected = np.concatenate([golden["single0/out_cls"], golden["single1/out_cls"]])[:, 0]
    with torch.inference_mode():
        got = ScoringNet(net.to(dtype))(x)
    rtol, atol = (1e-9, 1e-11) if dtype == torch.float64 else (0, 1e-5)
    np.testing.assert_allclose(got, expected, rtol=rtol, atol=atol)


def test_the_network_and_the_clips_are_left_as_they_were() -> None:
    net, x = uneven(SMALL), random_clips(SMALL, 2)
    state, clips = {k: v.clone() for k, v in net.state_dict().items()}, x.clone()
    with torch.inference_mode():
        first = ScoringNet(net)(x)
        again = ScoringNet(net)(x)
    assert torch.equal(first, again)
    assert torch.equal(x, clips)
    assert all(torch.equal(state[key], value) for key, value in net.state_dict().items())


def test_two_layers_folded_into_one() -> None:
    first, second = nn.Linear(5, 7), nn.Linear(7, 3)
    x = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(one_after_another(first, second)(x), second(first(x)))
