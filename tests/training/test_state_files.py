"""Weights that others saved: what a download left, whatever holds the state, and what could run code."""

from __future__ import annotations

import pickle
import zipfile
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from dfbench import WeightsError
from dfbench.training.state_files import check_weights_file, read_pickle, read_safetensors, require_file

HINTS = ("take another file",)
STATE = {"line.weight": torch.arange(4.0), "line.bias": torch.ones(1)}


def saved(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


def same(found: dict[str, torch.Tensor]) -> bool:
    return found.keys() == STATE.keys() and all(torch.equal(found[name], STATE[name]) for name in STATE)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "is a pointer of Git LFS"),
        (b"\n  <!DOCTYPE HTML><title>Sign in</title>", "is a web page, not weights"),
        (b"<?xml version='1.0'?><Error>AccessDenied</Error>", "is a web page, not weights"),
    ],
)
def test_what_a_download_left_is_told_from_weights(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    for check in (check_weights_file, lambda given: require_file(given, hints=HINTS)):
        with pytest.raises(WeightsError, match=words):
            check(path)


def test_a_folder_and_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="is a folder, not a file of weights") as caught:
        check_weights_file(tmp_path, option="--start")
    assert caught.value.hints == ("name the file",)
    for name in ("b.pt", "a.safetensors", "notes.txt"):
        (tmp_path / name).touch()
    with pytest.raises(WeightsError) as caught:
        check_weights_file(tmp_path, option="--start")
    assert caught.value.hints == tuple(
        f"name the file in it:  --start {tmp_path / name}" for name in ("a.safetensors", "b.pt")
    )
    with pytest.raises(WeightsError, match="no such weights file") as caught:
        check_weights_file(tmp_path / "gone.pt")
    assert caught.value.hints == ("correct --weights",)
    with pytest.raises(WeightsError, match="there is no weights file") as caught:
        require_file(tmp_path / "gone.pt", hints=HINTS)
    assert caught.value.hints == HINTS


@pytest.mark.parametrize(
    "content",
    [
        STATE,
        {"epoch": 3, "state_dict": STATE, "optimizer": {"lr": 0.1}},
        {"model": {"state_dict": STATE}},
        {"params": {f"module.{name}": value for name, value in STATE.items()}},
        {f"_orig_mod.module.{name}": value for name, value in STATE.items()},
        {"module.line.weight": STATE["line.weight"], "line.bias": STATE["line.bias"]},
    ],
    ids=["bare", "checkpoint", "nested", "parallel", "compiled", "half"],
)
def test_the_state_is_found_wherever_it_is_kept_and_however_its_names_begin(
    tmp_path: Path, content: Any
) -> None:
    assert same(read_pickle(saved(tmp_path / "a.pth", content), hints=HINTS))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"epoch": 3, "optimizer": {}}, "it has epoch, optimizer"),
        ({}, "it is an empty or other dict"),
        ([1, 2], "it is an empty or other list"),
    ],
)
def test_a_checkpoint_without_a_state_says_what_it_has(tmp_path: Path, content: Any, words: str) -> None:
    with pytest.raises(WeightsError, match=f"holds no state_dict.*{words}") as caught:
        read_pickle(saved(tmp_path / "a.pth", content), hints=HINTS)
    assert caught.value.hints == HINTS


def test_what_could_run_code_is_refused_by_its_name(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pth", {"state_dict": STATE, "args": Namespace(lr=0.1)})
    with pytest.raises(WeightsError, match=r"was refused: it holds argparse\.Namespace besides") as caught:
        read_pickle(path, hints=HINTS)
    assert repr(str(path)) in caught.value.hints[-1]
    (tmp_path / "b.pth").write_bytes(pickle.dumps(print))
    with pytest.raises(WeightsError, match=r"b\.pth"):
        read_pickle(tmp_path / "b.pth", hints=HINTS)


def test_a_checkpoint_that_is_compressed_or_cut_off_is_not_read(tmp_path: Path) -> None:
    whole = saved(tmp_path / "a.pth", STATE)
    with (
        zipfile.ZipFile(whole) as source,
        zipfile.ZipFile(tmp_path / "b.pth", "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name in source.namelist():
            target.writestr(name, source.read(name))
    (tmp_path / "c.pth").write_bytes(whole.read_bytes()[:-100])
    for name in ("b.pth", "c.pth"):
        with pytest.raises(WeightsError, match=f"{name} is not a readable checkpoint") as caught:
            read_pickle(tmp_path / name, hints=HINTS)
        assert caught.value.hints == HINTS


def test_safetensors_are_read_or_named(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file(STATE, path)
    assert same(read_safetensors(path, hints=HINTS))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(WeightsError, match="is not a readable safetensors file") as caught:
        read_safetensors(path, hints=HINTS)
    assert caught.value.hints == HINTS
