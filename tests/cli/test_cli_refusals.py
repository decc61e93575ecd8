"""What cannot be used is refused before anything is prepared, and without scores that exist already being touched."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.cli.command import in_process, write

from dfbench import ProtocolSpec, VideoSelection, hookimpl
from dfbench.hooks.host import Host
from dfbench.runs.scoring import evaluation
from dfbench_fakestormer.checkpoints import Header, network_config, write_weights
from dfbench_fakestormer.model import FakeSTormerNet
from dfbench_fakestormer.recipe import load_recipe

Dfbench = Callable[..., tuple[int, str]]
TEST = ("run", "--only", "celeb_df_v2")


class RunsCode:
    """A pickle that would run code."""

    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("it ran",)


@pytest.fixture
def dfbench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Dfbench:
    """A command's exit code and what it printed to standard error; no CUDA, and videos that are none."""
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

    command = in_process(monkeypatch, capsys)

    def call(*arguments: str | Path) -> tuple[int, str]:
        ended = command(*arguments)
        assert "it ran" not in ended.out
        return ended.code, ended.err

    return call


@pytest.fixture
def evil(tmp_path: Path) -> Path:
    path = tmp_path / "evil.pth"
    torch.save({"state_dict": RunsCode()}, path)
    return path


def prepared(tmp_path: Path) -> bool:
    return (tmp_path / "cache" / "faces").exists()


def test_weights_that_are_refused_prepare_no_test_set(dfbench: Dfbench, evil: Path, tmp_path: Path) -> None:
    code, said = dfbench(*TEST, "-d", "fakestormer", "--weights", evil)
    assert (code, "was refused" in said) == (1, True), said
    assert not prepared(tmp_path)
    assert not list((tmp_path / "runs").glob("*"))  # nor is there a run that boards would list for ever


class TwoTests:
    """A plugin with a protocol that tests Celeb-DF twice, once by another name."""

    @staticmethod
    @hookimpl
    def dfbench_protocols() -> list[ProtocolSpec]:
        tests = (VideoSelection("celeb_df_v2", ("test",)), VideoSelection("CDF2"))
        return [ProtocolSpec(name="twice", summary="Two tests of one dataset.", build="", tests=tests)]


@pytest.mark.parametrize("command", ["run", "train"])
def test_two_tests_of_a_dataset_are_refused_at_once(
    dfbench: Dfbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    load = Host.load
    monkeypatch.setattr(Host, "load", lambda: load([TwoTests()]))
    code, said = dfbench(command, "-d", "fakestormer", "-p", "twice", "--data", "demo")
    assert (code, "'twice' tests celeb_df_v2 2 times" in said) == (1, True), said
    assert not (tmp_path / "cache").exists()
    assert not (tmp_path / "runs").exists()


def test_weights_to_start_from_that_are_refused_prepare_no_training_set(
    dfbench: Dfbench, evil: Path, tmp_path: Path
) -> None:
    train = ("train", "-d", "fakestormer", "--recipe", "small", "--set", "depth=1")
    code, said = dfbench(*train, "--start", evil)
    assert (code, "was refused" in said) == (1, True), said
    assert not prepared(tmp_path)
    code, said = dfbench(*train, "--start", f"tinm:vit={evil}")
    assert (code, "cannot understand --start" in said) == (2, True), said
    assert not prepared(tmp_path)


def test_a_misspelt_recipe_says_what_was_probably_meant(dfbench: Dfbench) -> None:
    code, said = dfbench("train", "-d", "fakestormer", "--recipe", "dmo")
    assert code == 2
    assert "detector 'fakestormer' has no recipe 'dmo'\n  did you mean 'demo'?\n" in said
    assert "recipes: base_c23, base_c0, base_c40, released, small, demo" in said


def test_a_recipe_beside_weights_that_carry_their_own_is_refused(dfbench: Dfbench, tmp_path: Path) -> None:
    recipe = load_recipe(
        "demo", {"size": "32", "width": "24", "depth": "1", "heads": "2", "train_crop": "48"}
    )
    weights = tmp_path / "good.safetensors"
    write_weights(
        weights, FakeSTormerNet(network_config(recipe)).state_dict(), Header(recipe, ("ffpp",), "c23", {})
    )
    for name in ("nonsense", "demo"):
        code, said = dfbench(*TEST, "-d", "fakestormer", "--weights", weights, "--recipe", name)
        assert code == 2
        assert "good.safetensors carries its own recipe, 'demo with size=32" in said
        assert "leave out --recipe" in said
        assert f"or train by that recipe: dfbench train --detector fakestormer --recipe {name}" in said
    code, said = dfbench(*TEST, "-d", "chance", "--weights", weights, "--recipe", "demo")
    assert (code, "--recipe demo cannot change weights" in said) == (2, True), said
    assert not prepared(tmp_path)
    assert not list((tmp_path / "runs").glob("*"))


@pytest.mark.parametrize("command", [(*TEST, "-d", "chance"), ("train", "-d", "fakestormer")])
def test_a_device_that_is_not_there_prepares_nothing(
    dfbench: Dfbench, tmp_path: Path, command: tuple[str, ...]
) -> None:
    code, said = dfbench(*command, "--device", "cuda")
    assert (code, "no CUDA device is available" in said) == (2, True), said
    assert not prepared(tmp_path)


@pytest.mark.slow
def test_scores_that_exist_need_no_detector_and_a_wrong_device_is_refused_all_the_same(
    dfbench: Dfbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert dfbench(*TEST, "-d", "chance")[0] == 3  # the only video is none
    assert prepared(tmp_path)
    monkeypatch.setattr(evaluation, "_build", None)
    code, said = dfbench(*TEST, "-d", "chance")
    assert (code, "nothing to compute" in said) == (3, True), said
    code, said = dfbench(*TEST, "-d", "chance", "--device", "cuda")
    assert (code, "no CUDA device is available" in said) == (2, True), said

    # A run that was cut off when all was scored goes on without a detector.
    (record,) = (tmp_path / "runs").glob("*/run.json")
    record.write_text(record.read_text(encoding="utf-8").replace("complete", "running"), encoding="utf-8")
    code, said = dfbench(*TEST, "-d", "chance")
    assert (code, "nothing to compute" in said) == (3, False), said
