"""Weights files: ours, the authors', and those that must be refused."""

from __future__ import annotations

import argparse
import json
import os
import pickle
import shlex
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tests.fakestormer.tiny import TINY
from tests.fakestormer.training_faces import read_header
from tests.fakestormer.training_faces import write_network as write_weights

from dfbench import LoadOptions, StoreError, UnknownNameError, UsageError, WeightsError
from dfbench.training.state_files import read_pickle
from dfbench.training.weights_file import WeightsHeader as Header
from dfbench_fakestormer.checkpoints import SCORED_BY, describe, load_network, network_from, resize_positions
from dfbench_fakestormer.detector import build
from dfbench_fakestormer.explain import build as build_explainer
from dfbench_fakestormer.method import network_config
from dfbench_fakestormer.model import FakeSTormerNet, ModelConfig
from dfbench_fakestormer.recipe import load_recipe

GOLDEN = Path(__file__).parents[1] / "golden"
SMALL = load_recipe(
    "demo", {"size": "32", "patch": "16", "width": "24", "depth": "1", "heads": "2", "train_crop": "48"}
)
START = {"file": "before.safetensors", "sha256": "ab" * 32}


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "weights.safetensors"
    net = FakeSTormerNet(network_config(SMALL), seed=5)
    write_weights(path, net.state_dict(), Header(SMALL, ("ffpp",), "c23", {"seed": 5}))
    return path


def test_our_file_brings_back_network_recipe_and_card(weights: Path) -> None:
    net, recipe = load_network(weights)
    assert recipe == SMALL
    expected = FakeSTormerNet(network_config(SMALL), seed=5).state_dict()
    for key, value in net.state_dict().items():
        assert torch.equal(value, expected[key]), key
    assert not net.training
    card = describe(LoadOptions(weights))
    assert card.clips == SMALL.clips()
    assert (card.trained_on, card.train_compression, card.recipe) == (
        frozenset({"ffpp"}),
        "c23",
        "demo with size=32 width=24 heads=2 train_crop=48",  # every field that was changed
    )
    assert card.details["provenance"] == {"seed": 5}
    assert card.details["recipe"]["width"] == 24
    assert [p.name for p in weights.parent.iterdir()] == ["weights.safetensors"]


@pytest.mark.parametrize(
    ("provenance", "corpora", "seed"),
    [
        ({}, None, None),
        ({"identity": {"corpus": "demo", "seed": 4}}, {"demo"}, 4),
        ({"identity": {"corpus": "own", "seed": 0}, "start": {**START, "corpora": []}}, {"own"}, 0),
        (
            {"identity": {"corpus": "official"}, "start": {**START, "corpora": ["demo"]}},
            {"official", "demo"},
            None,
        ),
        ({"identity": {"corpus": "official"}, "start": {**START, "corpora": None}}, None, None),
        ({"identity": {"corpus": "official"}, "start": START}, None, None),  # of an older version
    ],
)
def test_the_header_says_which_corpora_were_seen(
    weights: Path, provenance: dict[str, Any], corpora: set[str] | None, seed: int | None
) -> None:
    state = load_network(weights)[0].state_dict()
    write_weights(weights, state, Header(SMALL, ("ffpp",), "c23", provenance))
    card = describe(LoadOptions(weights))
    assert card.corpora == corpora
    assert card.seed == seed


def test_a_header_that_names_no_training_data_is_not_believed_to_have_none(weights: Path) -> None:
    rewritten(weights, trained_on="[]")
    assert describe(LoadOptions(weights)).trained_on is None
    rewritten(weights, trained_on='["CDF2", "mystery"]')
    assert describe(LoadOptions(weights)).trained_on == frozenset(
        {"CDF2", "mystery"}
    )  # dfbench finds out which these are


def rewritten(weights: Path, **metadata: str) -> None:
    """Write a weights file anew with other entries of its header."""
    with safe_open(weights, framework="pt") as file:
        header = file.metadata()
    save_file(load_file(weights), weights, {**header, **metadata})


def test_a_full_disk_leaves_nothing_behind(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[:10])
        raise OSError(28, "No space left on device")

    before = weights.read_bytes()
    monkeypatch.setattr(Path, "write_bytes", full)
    net = FakeSTormerNet(network_config(SMALL))
    with pytest.raises(StoreError, match="No space left on device"):
        write_weights(weights, net.state_dict(), Header(SMALL, (), "", {}))
    assert weights.read_bytes() == before
    assert len(list(weights.parent.iterdir())) == 1


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("wrapped", [True, False])
def test_the_authors_layout_meets_the_stored_logits(tmp_path: Path, prefix: str, wrapped: bool) -> None:
    with np.load(GOLDEN / "model_tiny.npz") as file:
        stored = {
            k.removeprefix("param/"): torch.tensor(file[k]) for k in file.files if k.startswith("param/")
        }
        clip, logit = torch.tensor(file["input"][:1]).double(), file["single0/out_cls"]
    content: dict[str, Any] = {prefix + key: value for key, value in stored.items()}
    if wrapped:
        content = {
            "epoch": 3,
            "state_dict": content,
            "optimizer": {"state": {}, "param_groups": [{"lr": 1e-4}]},
        }
    path = tmp_path / "checkpoint.pth"
    torch.save(content, path)
    net = network_from(read_pickle(path, hints=()), TINY, origin=path).double()
    with torch.inference_mode():
        np.testing.assert_allclose(net.logit(clip), logit[:, 0], rtol=1e-9)
    card = describe(LoadOptions(path))
    assert card.trained_on == frozenset({"ffpp"})
    assert (card.corpora, card.seed) == (frozenset({"official"}), None)
    assert card.recipe == "released"
    assert not card.verified
    assert card.clips.size == 224
    assert card.details["recipe"]["temporal_token"] == "patch0"
    assert not card.clips.square
    assert card.clips.margin == 0.25 - 1.5 * 15 / 256
    assert card.margins == {}
    by_hand = describe(LoadOptions(path, changes={"test_margins": "released"}))
    assert by_hand.recipe == "released with test_margins=released"
    assert by_hand.clips == card.clips
    assert by_hand.clips_of("dfd").margin == pytest.approx(0.25 - 1.5 * 13 / 256)
    assert by_hand.clips_of("celeb_df_v2") == card.clips
    assert by_hand.details["recipe"]["test_margins"] == "released"
    with pytest.raises(UsageError, match="test_margins"):
        describe(LoadOptions(path, changes={"test_margins": "relaesed"}))


OTHER = {"size": "64", "width": "48", "depth": "2", "heads": "4", "frames": "2"}


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A checkpoint of the authors, of another network than the published."""
    path = tmp_path / "other one.pth"
    recipe = load_recipe("base_c23", OTHER | {"temporal_token": "patch0", "embed_order": "released"})
    torch.save({"state_dict": FakeSTormerNet(network_config(recipe), seed=5).state_dict()}, path)
    return path


def test_weights_without_a_recipe_are_read_by_one(other: Path) -> None:
    net, recipe = load_network(other, recipe="base_c23", changes=OTHER)
    expected = torch.load(other, weights_only=True)["state_dict"]
    assert all(torch.equal(value, expected[key]) for key, value in net.state_dict().items())
    assert (recipe.temporal_token, recipe.embed_order, recipe.derivative) == (
        "patch0",
        "released",
        "released",
    )
    card = describe(LoadOptions(other, recipe="base_c23", changes=OTHER))
    assert card.recipe == "released base_c23 with frames=2 size=64 width=48 depth=2 heads=4"
    assert (card.clips.frames, card.clips.size) == (2, 64)
    assert card.details["recipe"] == recipe.identity()
    assert describe(LoadOptions(other, recipe="small")).recipe == "released small"


def test_positions_are_resized_to_a_recipe_that_is_named(other: Path) -> None:
    smaller = OTHER | {"size": "32"}
    net, _ = load_network(other, recipe="base_c23", changes=smaller)
    source = torch.load(other, weights_only=True)["state_dict"]["backbone.pos_embed"]
    assert source.shape == (1, 17, 48)
    torch.testing.assert_close(net.backbone.pos_embed.data, resize_positions(source, 2))
    card = describe(LoadOptions(other, recipe="base_c23", changes=smaller))
    assert card.details["source"].endswith("read by recipe 'base_c23', positions resized to 2 x 2")
    clips = torch.zeros(1, 2, 32, 32, 3, dtype=torch.uint8)
    built = build(LoadOptions(other, recipe="base_c23", changes=smaller))
    explained = build_explainer(LoadOptions(other, recipe="base_c23", changes=smaller))
    torch.testing.assert_close(explained.explain(clips, ["heatmap"]).logits, built.score(clips))


@pytest.mark.slow
def test_what_does_not_fit_says_by_which_recipe_it_can_be_read(other: Path) -> None:
    with pytest.raises(WeightsError, match="does not fit recipe 'released'") as caught:
        load_network(other)
    said = shlex.split(caught.value.hints[0].partition("say how: ")[2])
    options = list(zip(said[2::2], said[3::2], strict=True))
    assert said[:2] == ["dfbench", "run"]
    assert options[:3] == [
        ("--detector", "fakestormer"),
        ("--weights", str(other)),
        ("--recipe", "base_c23"),
    ]
    changes = dict(value.split("=") for option, value in options[3:])
    assert changes.pop("heads") == "HEADS"
    assert changes["clips_per_video"] == "16"  # the released test script scores 32 frames
    load_network(other, recipe="base_c23", changes={**changes, "heads": "4"})

    with pytest.raises(WeightsError, match=r"mlp\.fc1\.weight is") as wide:
        load_network(other, recipe="base_c23", changes={**OTHER, "mlp_ratio": "2"})
    assert "say how" not in wide.value.hints[0]  # it would say the same again


def test_a_recipe_that_weights_cannot_be_read_by_is_refused(weights: Path, other: Path) -> None:
    with pytest.raises(UsageError, match=r"carries its own recipe, 'demo with size=32 .*--recipe small"):
        describe(LoadOptions(weights, recipe="small"))
    with pytest.raises(UsageError, match="carries its own recipe"):
        load_network(weights, recipe="nonsense")
    with pytest.raises(UnknownNameError, match="did you mean 'small'"):
        describe(LoadOptions(other, recipe="smal"))
    with pytest.raises(UsageError, match="has a convolutional stem"):
        describe(LoadOptions(other, recipe="demo"))
    with pytest.raises(UsageError, match=r"--set lr=\.\.\. is about training") as caught:
        describe(LoadOptions(other, recipe="small", changes={"lr": "1"}))
    assert "clip_margin" in caught.value.hints[0]
    with pytest.raises(UsageError, match="did you mean 'size'"):
        describe(LoadOptions(other, recipe="small", changes={"sise": "1"}))


def test_what_may_be_set_shapes_the_network_or_its_clips() -> None:
    network = {field.name for field in fields(ModelConfig)} - {
        "drop_path",
        "head_dropout",
        "stem",
        "temporal_hidden",
    }
    assert set(SCORED_BY) == network | {"clips_per_video", "clip_margin", "crop", "test_margins"}


class Malicious:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("how", ["torch", "pickle"])
def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(tmp_path: Path, how: str) -> None:
    target, path = tmp_path / "owned", tmp_path / "evil.pth"
    content = {"epoch": 1, "state_dict": Malicious(target), "optimizer": {}}
    if how == "torch":
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content))
    with pytest.raises(WeightsError, match="could run code") as caught:
        load_network(path)
    assert str(path) in caught.value.message
    assert not target.exists()


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (argparse.Namespace(lr=1e-3), "argparse.Namespace"),
        (np.float64(0.5), "numpy._core.multiarray.scalar"),
        (Malicious(Path("owned")), "posix.mkdir"),
    ],
)
def test_what_a_refused_file_holds_is_named(tmp_path: Path, value: object, named: str) -> None:
    state = FakeSTormerNet(network_config(SMALL)).state_dict()
    path, mended = tmp_path / "full.pth", tmp_path / "weights.pth"
    torch.save({"state_dict": state, "args": value}, path)
    with pytest.raises(WeightsError, match=f"it holds {named} besides tensors") as caught:
        read_pickle(path, hints=())
    if isinstance(value, Malicious):
        return
    (remedy,) = (hint.strip() for hint in caught.value.hints if "torch.load" in hint)
    assert f"torch.load({str(path)!r}, weights_only=False)" in remedy
    exec(remedy.replace("'weights.pth'", repr(str(mended))), {"torch": torch})  # it can be followed
    assert read_pickle(mended, hints=()).keys() == state.keys()


@pytest.mark.parametrize(
    "keep",
    [
        lambda state: {"model_state_dict": state, "epoch": 3, "loss": 0.1},
        lambda state: {"epoch": 3, "net": {f"module.{name}": value for name, value in state.items()}},
        lambda state: {
            "model": {"state_dict": {f"_orig_mod.{name}": value for name, value in state.items()}}
        },
        lambda state: {f"model.{name}": value for name, value in state.items()},
    ],
)
def test_a_state_is_found_wherever_people_keep_it(
    tmp_path: Path, keep: Callable[[dict[str, torch.Tensor]], dict[str, object]]
) -> None:
    state = FakeSTormerNet(network_config(SMALL)).state_dict()
    path = tmp_path / "kept.pth"
    torch.save(keep(dict(state)), path)
    found = read_pickle(path, hints=())
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], value) for name, value in state.items())


def test_a_checkpoint_without_a_state_says_what_it_has(tmp_path: Path) -> None:
    torch.save({"epoch": 3, "history": [0.1]}, tmp_path / "log.pth")
    with pytest.raises(WeightsError, match=r"holds no state_dict: .* and it has epoch, history"):
        read_pickle(tmp_path / "log.pth", hints=())


@pytest.mark.parametrize("name", ["got.pth", "got.safetensors"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 346\n",
            "is a pointer of Git LFS",
        ),
        (b"\n<!DOCTYPE html>\n<html><title>Sign in</title>", "is a web page, not weights"),
        (b"", "is empty"),
    ],
)
def test_what_a_download_left_is_told_as_that(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    for read in (load_network, lambda path: describe(LoadOptions(path))):
        with pytest.raises(WeightsError, match=said) as caught:
            read(path)
        assert "run code" not in caught.value.message


@pytest.mark.parametrize("content", [b"not a checkpoint at all", b"PK\x03\x04 truncated"])
@pytest.mark.parametrize("name", ["broken.pth", "broken.safetensors"])
def test_damaged_files_are_named(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=name):
        load_network(path)


def test_a_truncated_file_of_ours_is_named(weights: Path) -> None:
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(WeightsError, match=r"weights\.safetensors"):
        load_network(weights)


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    for name in ("none.pth", "none.safetensors"):
        with pytest.raises(WeightsError, match=name) as caught:
            describe(LoadOptions(tmp_path / name))
        assert any("dfbench train" in hint for hint in caught.value.hints)


def test_foreign_and_future_files_are_told_apart(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    foreign, future = tmp_path / "foreign.safetensors", tmp_path / "future.safetensors"
    save_file({"w": torch.zeros(1)}, foreign)
    save_file({"w": torch.zeros(1)}, future, {"format": "dfbench-fakestormer", "version": "99"})
    with pytest.raises(WeightsError, match="was not written by dfbench"):
        read_header(foreign)
    with pytest.raises(WeightsError, match="is a weights file of format 99, and dfbench"):
        read_header(future)


def test_what_does_not_fit_is_named_with_its_probable_origin() -> None:
    state = FakeSTormerNet(network_config(SMALL)).state_dict()
    with pytest.raises(WeightsError) as caught:
        network_from(state, TINY, origin=Path("x.pth"))
    message = caught.value.message
    assert "backbone.cls_token is 1x1x24 and should be 1x1x48" in message
    assert "width 24, depth 1, 2 frames, a 2 x 2 grid of patches and a conv stem" in message
    assert "more" in message
    with pytest.raises(WeightsError, match="another model"):
        network_from({"conv1.weight": torch.zeros(2)}, TINY, origin=Path("x.pth"))
    with pytest.raises(WeightsError) as image:
        network_from({"cls_token": torch.zeros(1, 1, 8)}, TINY, origin=Path("mae.pth"))
    assert "dfbench train --start FILE" in image.value.hints[0]


def test_nan_weights_are_refused_before_scoring() -> None:
    state = FakeSTormerNet(network_config(SMALL)).state_dict()
    state["backbone.norm.weight"][3] = float("nan")
    with pytest.raises(WeightsError, match=r"NaN or infinite weights, first in backbone\.norm\.weight"):
        network_from(state, SMALL, origin=Path("x.pth"))


def test_a_damaged_header_is_named(weights: Path) -> None:
    from safetensors.torch import load_file, save_file

    recipe = json.loads(SMALL.model_dump_json()) | {"surprise": 1}
    metadata = {"format": "dfbench-fakestormer", "version": "1", "recipe": json.dumps(recipe)}
    save_file(load_file(weights), weights, metadata)
    with pytest.raises(WeightsError, match=r"header of .* is damaged"):
        read_header(weights)


def test_position_embeddings_are_resized_as_released() -> None:
    with np.load(GOLDEN / "pos_embed_resize.npz") as file:
        resized = resize_positions(torch.tensor(file["src"]), 14)
        np.testing.assert_allclose(resized, file["dst"], atol=1e-5)
    same = torch.randn(1, 50, 8, generator=torch.Generator().manual_seed(0))
    assert resize_positions(same, 7) is same
