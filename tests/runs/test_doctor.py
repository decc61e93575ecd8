"""What is looked at on this machine before a run, and what is said where it is not as it should be."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.cli.command import Dfbench
from tests.conftest import Install

from dfbench.runs.datasets import doctor

Looked = Callable[..., dict[str, tuple[str, str]]]


@pytest.fixture
def looked(dfbench: Dfbench) -> Looked:
    """What the doctor found, state and words by what was looked at; the command fails if anything is broken."""

    def look(**variables: str) -> dict[str, tuple[str, str]]:
        ended = dfbench("doctor", "--json", **variables)
        found = {one["what"]: (one["state"], one["detail"]) for one in json.loads(ended.out)}
        assert ended.code == ("broken" in {state for state, _ in found.values()}), ended.err
        return found

    return look


def test_everything_that_a_run_needs_is_looked_at(looked: Looked) -> None:
    found = looked()
    assert {*doctor.PACKAGES, "settings", "device", "cache", "runs", "data", "plugin baselines"} <= {*found}
    assert found["torch"] == ("ok", metadata.version("torch"))
    assert found["pytorchvideo"] == ("ok", metadata.version("pytorchvideo"))
    assert {state for state, _ in found.values()} <= {"ok", "note"}


def test_a_package_that_no_longer_imports_is_broken(looked: Looked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytorchvideo.models.hub", None)
    state, told = looked()["pytorchvideo"]
    assert state == "broken"
    assert told.startswith(f"{metadata.version('pytorchvideo')} cannot be imported: ")


def test_a_package_that_is_not_installed_is_broken_and_one_too_many_is_noted(
    looked: Looked, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = metadata.version

    def version(name: str) -> str:
        if name == "timm":
            raise metadata.PackageNotFoundError(name)
        return "4.0" if name == "opencv-contrib-python" else known(name)

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr(doctor, "find_spec", lambda _: None)
    found = looked()
    assert found["timm"] == ("broken", "not installed; reinstall dfbench-harness")
    assert found["opencv"][0] == "note"
    assert "opencv-contrib-python beside opencv-python-headless" in found["opencv"][1]
    assert found["dlib"][0] == "note"


def test_a_torch_that_cannot_be_imported_is_told_and_the_rest_is_looked_at(
    looked: Looked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    found = looked()
    assert found["device"][0] == "broken"
    assert found["device"][1].startswith("torch cannot be imported: ")
    assert found["runs"][0] == "ok"


def test_a_device_is_named(looked: Looked, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    assert looked()["device"][0] == "note"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda number: f"card {number}")
    assert looked()["device"] == ("ok", "cuda: card 0")


def test_folders_that_cannot_be_made_or_written_to_or_are_full(
    looked: Looked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    found = looked(DFBENCH_RUNS=str(tmp_path / "file" / "runs"))
    assert found["runs"][0] == "broken"
    assert str(tmp_path / "file") in found["runs"][1]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2**30))
    assert looked()["cache"] == ("note", f"{tmp_path / 'cache'} (1 GiB free)")
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert looked()["cache"][1].endswith("may be read, and not written to")


def test_roots_that_are_gone_or_misnamed_are_broken(looked: Looked, tmp_path: Path) -> None:
    found = looked(
        DFBENCH_DATA__ROOTS__FFPP=str(tmp_path),
        DFBENCH_DATA__ROOTS__DFD=str(tmp_path / "gone"),
        DFBENCH_DATA__ROOTS__FFP=str(tmp_path),
    )
    assert found["data ffpp"] == ("ok", str(tmp_path))
    assert found["data dfd"][0] == "broken"
    assert found["data dfd"][1].startswith(f"{tmp_path / 'gone'}: ")
    state, words = found["data ffp"]
    assert (state, "did you mean 'ffpp'?" in words) == ("broken", True)
    twice = looked(
        DFBENCH_DATA__ROOTS__FFPP=str(tmp_path),
        DFBENCH_DATA__ROOTS__FACEFORENSICS=str(tmp_path / "other"),
    )
    assert twice["data"][0] == "broken"
    assert "gives ffpp two roots" in twice["data"][1]


def test_a_plugin_that_fails_is_broken_and_one_that_is_switched_off_is_noted(
    looked: Looked, install: Install
) -> None:
    install("shaky", "raise ValueError('half written')")
    state, words = looked()["plugin shaky"]
    assert (state, "half written" in words) == ("broken", True)
    assert looked(DFBENCH_DISABLE_PLUGINS="shaky")["plugin shaky"][0] == "note"
