"""A training that starts from the weights of another, with the linear layer."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.training.lines import METHOD, faces_of, line_recipe, network, request, trained

from dfbench import StartWeights, UsageError, WeightsError
from dfbench.training.starting import UNKNOWN


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a short training on `toys`."""
    folder = tmp_path_factory.mktemp("start")
    videos = faces_of(folder, reals=3, fakes=3, seed=1)
    return trained(request(videos, videos, folder / "training"), epochs=1)


def test_all_weights_are_taken_over_with_what_is_known_of_them(weights: Path) -> None:
    net = network(line_recipe(), seed=5)
    started = METHOD.begin(net, StartWeights(weights))
    state = net.state_dict()
    assert all(torch.equal(state[name], value) for name, value in load_file(weights).items())
    assert started.trained_on == frozenset({"toys"})
    assert str(weights) in started.says


def test_of_tensors_without_a_header_nothing_is_known(weights: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.safetensors"
    save_file(load_file(weights), bare)
    started = METHOD.begin(network(line_recipe(), seed=5), StartWeights(bare))
    assert (started.trained_on, started.corpora) == (frozenset({UNKNOWN}), None)


def test_what_does_not_fit_is_named_and_the_network_stays_as_it_was(weights: Path, tmp_path: Path) -> None:
    net = network(line_recipe(), seed=5)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    state = load_file(weights)
    for name, content, words in (
        ("other", {**state, "line.weight": torch.zeros(1, 3)}, "line.weight is 1x3 and should be 1x384"),
        ("less", {key: value for key, value in state.items() if key != "line.bias"}, "line.bias is missing"),
        (
            "nan",
            {**state, "line.bias": torch.full((1,), float("nan"))},
            "NaN or infinite weights, first in line.bias",
        ),
    ):
        path = tmp_path / f"{name}.safetensors"
        save_file(content, path)
        with pytest.raises(WeightsError, match=words):
            METHOD.begin(net, StartWeights(path))
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


def test_a_way_to_read_them_that_is_unknown_is_refused(weights: Path) -> None:
    with pytest.raises(UsageError, match="cannot understand --start keras="):
        METHOD.begin(network(line_recipe(), seed=0), StartWeights(weights, read_as="keras"))
