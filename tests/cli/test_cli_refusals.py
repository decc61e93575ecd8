"""What cannot be used is refused before anything is prepared, and without scores that exist already being touched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.cli.command import Dfbench, Ended, write
from tests.fakestormer.training_faces import write_network as write_weights

from dfbench import ProtocolSpec, VideoSelection, hookimpl
from dfbench.hooks.host import Host
from dfbench.runs.scoring import evaluation
from dfbench.training.weights_file import WeightsHeader as Header
from dfbench_fakestormer.method import network_config
from dfbench_fakestormer.model import FakeSTormerNet
from dfbench_fakestormer.recipe import load_recipe

TEST = ("run", "--only", "celeb_df_v2")


class RunsCode:
    """A pickle that would run code."""

    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("it ran",)


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dfbench: Dfbench) -> Dfbench:
    """Commands where there is no CUDA and videos are none; fails if one runs the code of a file."""
    videos = ["Celeb-real/id0_0000.mp4"]
    files = {"List_of_testing_videos.txt": b"1 Celeb-real/id0_0000.mp4"}
    pairs = {"train": ["071", "054"], "val": ["720", "672"], "test": ["953", "974"]}
    for split, pair in pairs.items():
        files[f"splits/{split}.json"] = json.dumps([pair]).encode()
        videos += [f"original_sequences/youtube/c23/videos/{one}.mp4" for one in pair]
    write(tmp_path, files | dict.fromkeys(videos, b"no video"))
    for dataset in ("FFPP", "CELEB_DF_V2"):
        monkeypatch.setenv(f"DFBENCH_DATA__ROOTS__{dataset}", str(tmp_path))
    monkeypatch.setenv("DFBENCH_WORKERS", "1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    def call(*arguments: str | Path) -> Ended:
        ended = dfbench(*arguments)
        assert "it ran" not in ended.out
        return ended

    return call


@pytest.fixture
def evil(tmp_path: Path) -> Path:
    path = tmp_path / "evil.pth"
    torch.save({"state_dict": RunsCode()}, path)
    return path


def prepared(tmp_path: Path) -> bool:
    return (tmp_path / "cache" / "faces").exists()


def test_weights_that_are_refused_prepare_no_test_set(refused: Dfbench, evil: Path, tmp_path: Path) -> None:
    ended = refused(*TEST, "-d", "fakestormer", "--weights", evil)
    assert (ended.code, "was refused" in ended.err) == (1, True), ended.err
    assert not prepared(tmp_path)
    assert not list((tmp_path / "runs").glob("*"))  # nor is there a run that boards would list for ever


class TwoTests:
    """A plugin with a protocol that has a test of Celeb-DF twice, once by another name."""

    @staticmethod
    @hookimpl
    def dfbench_protocols() -> list[ProtocolSpec]:
        tests = (VideoSelection("celeb_df_v2", ("test",)), VideoSelection("CDF2", ("test",)))
        return [ProtocolSpec(name="twice", summary="Two tests of one dataset.", tests=tests)]


@pytest.mark.parametrize("command", ["run", "train"])
def test_a_test_that_stands_twice_is_refused_at_once(
    refused: Dfbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    load = Host.load
    monkeypatch.setattr(Host, "load", lambda: load([TwoTests()]))
    ended = refused(command, "-d", "fakestormer", "-p", "twice", "--data", "demo")
    words = "under the key 'celeb_df_v2', which another of its tests has too"
    assert (ended.code, words in ended.err) == (1, True), ended.err
    assert not (tmp_path / "cache").exists()
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("train", [("train",), TEST])
def test_a_network_of_imagenet_without_its_weights_prepares_no_training_set(
    train: tuple[str, ...], refused: Dfbench, tmp_path: Path
) -> None:
    ended = refused(*train, "--detector", "xception")
    assert ended.code == 1, ended.err
    assert "starts from weights that timm calls 'legacy_xception.tf_in1k'" in ended.err
    assert "dfbench train --detector xception --recipe standard --set pretrained=none" in ended.err
    assert not prepared(tmp_path)


def test_weights_to_start_from_that_are_refused_prepare_no_training_set(
    refused: Dfbench, evil: Path, tmp_path: Path
) -> None:
    train = ("train", "-d", "fakestormer", "--recipe", "small", "--set", "depth=1")
    ended = refused(*train, "--start", evil)
    assert (ended.code, "was refused" in ended.err) == (1, True), ended.err
    assert not prepared(tmp_path)
    ended = refused(*train, "--start", f"tinm:vit={evil}")
    assert (ended.code, "cannot understand --start" in ended.err) == (2, True), ended.err
    assert not prepared(tmp_path)


def test_a_misspelt_recipe_says_what_was_probably_meant(refused: Dfbench) -> None:
    ended = refused("train", "-d", "fakestormer", "--recipe", "dmo")
    assert ended.code == 2
    assert "no recipe 'dmo' in detector 'fakestormer'\n  did you mean 'demo'?\n" in ended.err
    assert "known: base_c0, base_c23, base_c40, demo, released, small" in ended.err


def test_a_recipe_beside_weights_that_carry_their_own_is_refused(refused: Dfbench, tmp_path: Path) -> None:
    recipe = load_recipe(
        "demo", {"size": "32", "width": "24", "depth": "1", "heads": "2", "train_crop": "48"}
    )
    weights = tmp_path / "good.safetensors"
    write_weights(
        weights, FakeSTormerNet(network_config(recipe)).state_dict(), Header(recipe, ("ffpp",), "c23", {})
    )
    for name in ("nonsense", "demo"):
        ended = refused(*TEST, "-d", "fakestormer", "--weights", weights, "--recipe", name)
        assert ended.code == 2
        assert "good.safetensors carries its own recipe, 'demo with size=32" in ended.err
        assert "leave out --recipe" in ended.err
        assert f"or train by that recipe: dfbench train --detector fakestormer --recipe {name}" in ended.err
    ended = refused(*TEST, "-d", "chance", "--weights", weights, "--recipe", "demo")
    assert (ended.code, "--recipe demo cannot change weights" in ended.err) == (2, True), ended.err
    assert not prepared(tmp_path)
    assert not list((tmp_path / "runs").glob("*"))


@pytest.mark.parametrize("command", [(*TEST, "-d", "chance"), ("train", "-d", "fakestormer")])
def test_a_device_that_is_not_there_prepares_nothing(
    refused: Dfbench, tmp_path: Path, command: tuple[str, ...]
) -> None:
    ended = refused(*command, "--device", "cuda")
    assert (ended.code, "no CUDA device is available" in ended.err) == (2, True), ended.err
    assert not prepared(tmp_path)


@pytest.mark.slow
def test_scores_that_exist_need_no_detector_and_a_wrong_device_is_refused_all_the_same(
    refused: Dfbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert refused(*TEST, "-d", "chance").code == 3  # the only video is none
    assert prepared(tmp_path)
    monkeypatch.setattr(evaluation, "opened_scorer", None)
    ended = refused(*TEST, "-d", "chance")
    assert (ended.code, "nothing to compute" in ended.err) == (3, True), ended.err
    ended = refused(*TEST, "-d", "chance", "--device", "cuda")
    assert (ended.code, "no CUDA device is available" in ended.err) == (2, True), ended.err

    # A run that was cut off when all was scored goes on without a detector.
    (record,) = (tmp_path / "runs").glob("*/run.json")
    record.write_text(record.read_text(encoding="utf-8").replace("complete", "running"), encoding="utf-8")
    ended = refused(*TEST, "-d", "chance")
    assert (ended.code, "nothing to compute" in ended.err) == (3, False), ended.err


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        (("train", "-d", "frame_cnn", "--synthesizer", "self_blended_vidoe"), 2, "no synthesizer"),
        ((*TEST, "-d", "chance", "--synthesizer", "none"), 2, "is not trained, so that --synthesizer none"),
        (
            (*TEST, "-d", "fakestormer", "--weights", "any.pth", "--synthesizer", "none"),
            2,
            "--synthesizer is of a training, and the weights are given with --weights",
        ),
        (
            ("train", "-d", "fakestormer", "--synthesizer", "none", "--set", "fakes=pseudo"),
            2,
            "--synthesizer none and --set fakes=... both say where the fakes come from",
        ),
    ],
)
def test_a_synthesizer_that_cannot_be_is_refused(
    refused: Dfbench, tmp_path: Path, command: tuple[str, ...], code: int, words: str
) -> None:
    ended = refused(*command)
    assert (ended.code, words in ended.err) == (code, True), ended.err
    assert not prepared(tmp_path)
