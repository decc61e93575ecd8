"""A training that starts from the weights of another, with the linear layer."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.training.lines import METHOD, LineRecipe, faces_of, line_recipe, network, request, trained
from torch import nn

from dfbench import StartWeights, UsageError, WeightsError
from dfbench.training import Method
from dfbench.training.starting import UNKNOWN
from dfbench.training.timm_weights import read_start, require_timm_name
from dfbench.training.weights_file import write_weights


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


def test_of_weights_whose_training_is_unknown_nothing_is_known_of_what_begins_with_them(
    tmp_path: Path,
) -> None:
    """An empty set of data sets would say that they need no training."""
    path = tmp_path / "weights.safetensors"
    recipe = line_recipe()
    write_weights(
        path,
        network(recipe, seed=1).state_dict(),
        family="line",
        recipe=recipe.identity(),
        trained_on=[],
        train_compression="",
        provenance={},
    )
    started = METHOD.begin(network(recipe, seed=5), StartWeights(path))
    assert (started.trained_on, started.corpora) == (frozenset({UNKNOWN}), None)


class Headed(nn.Module):
    """A body, and a head with as many outputs as it is told."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.body, self.top = nn.Linear(4, 4), nn.Linear(4, outputs)


HEADED = Method(name="headed", recipe=LineRecipe, network=network, head=lambda net: net.top)


@pytest.mark.parametrize(("outputs", "anew"), [(1, False), (1000, True), (0, True)])
def test_a_head_that_was_made_for_something_else_begins_anew(
    tmp_path: Path, outputs: int, anew: bool
) -> None:
    theirs, net = Headed(max(1, outputs)), Headed(1)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    state = {name: value for name, value in theirs.state_dict().items() if outputs or "top" not in name}
    path = tmp_path / "theirs.safetensors"
    save_file(state, path)
    started = HEADED.begin(net, StartWeights(path))
    found = net.state_dict()
    assert torch.equal(found["body.weight"], state["body.weight"])
    assert torch.equal(found["top.weight"], before["top.weight"]) is anew
    assert ("its last layer begins anew" in started.says) is anew
    # A network of photographs knows no deepfake; one of the same head may.
    assert started.trained_on == (frozenset() if anew else frozenset({UNKNOWN}))
    save_file({**state, "body.weight": torch.zeros(3, 4)}, path)
    with pytest.raises(WeightsError, match=r"body.weight is 3x4 and should be 4x4"):
        HEADED.begin(net, StartWeights(path))


def test_weights_are_read_as_timm_reads_them_but_for_the_last_layer(tmp_path: Path) -> None:
    import timm

    theirs = timm.create_model("test_resnet.r160_in1k", num_classes=7)
    for name, save in (("a.safetensors", save_file), ("a.pth", torch.save)):
        save(theirs.state_dict(), tmp_path / name)
        state = read_start(StartWeights(tmp_path / name, "timm:test_resnet.r160_in1k"))
        assert not any(key.startswith("fc.") for key in state)
        assert all(torch.equal(value, theirs.state_dict()[key]) for key, value in state.items())
        plain = read_start(StartWeights(tmp_path / name))
        assert set(plain) == set(theirs.state_dict())
    (tmp_path / "bad.pth").write_bytes(b"no weights")
    with pytest.raises(WeightsError):
        read_start(StartWeights(tmp_path / "bad.pth", "timm:test_resnet.r160_in1k"))


def test_a_file_of_another_network_is_not_taken_for_what_timm_is_asked_for(tmp_path: Path) -> None:
    """timm itself loads what fits and leaves the rest at random."""
    import timm

    path, asked = tmp_path / "theirs.safetensors", "timm:test_resnet.r160_in1k"
    save_file(timm.create_model("test_vit.r160_in1k", num_classes=7).state_dict(), path)
    with pytest.raises(
        WeightsError, match=r"holds no weights of test_resnet.r160_in1k: it lacks .* more"
    ) as caught:
        read_start(StartWeights(path, asked))
    assert caught.value.hints == (f"name the network that it is of: --start timm:NAME={path}",)
    state = timm.create_model("test_resnet.r160_in1k", num_classes=7).state_dict()
    whole = {name: value for name, value in state.items() if not name.startswith("fc.")}
    save_file(whole, path)  # the last layer is not asked for
    assert read_start(StartWeights(path, asked)).keys() == whole.keys()
    first = next(name for name in whole if name.endswith("conv1.weight"))
    save_file({name: value for name, value in whole.items() if name != first}, path)
    with pytest.raises(WeightsError, match=f"it lacks {first}$"):
        read_start(StartWeights(path, asked))
    save_file({**whole, first: torch.zeros(1, 2, 3, 4)}, path)
    with pytest.raises(WeightsError, match="timm cannot load"):
        read_start(StartWeights(path, asked))


@pytest.mark.parametrize("name", ["test_resnet", "test_resnet.r160_in1k"])
def test_names_of_timm_are_known_with_and_without_their_weights(name: str) -> None:
    require_timm_name(name)
    with pytest.raises(UsageError, match=f"timm has no network '{name}x'") as caught:
        require_timm_name(f"{name}x")
    assert name in caught.value.hints[0]


def test_a_way_to_read_weights_that_timm_does_not_know_is_refused(weights: Path) -> None:
    with pytest.raises(UsageError, match="cannot understand --start keras="):
        read_start(StartWeights(weights, "keras"))
    with pytest.raises(UsageError, match="timm has no network 'nothing_at_all'"):
        read_start(StartWeights(weights, "timm:nothing_at_all"))
