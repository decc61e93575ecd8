"""A member of a family is trained, scored and found again by its name, in which a colon stands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.command import Dfbench
from tests.cli.toy_lab import open_lab

TASK = ("-d", "timm:test_resnet", "-p", "own-splits", "--recipe", "demo")
SHORT = ("epochs=1", "validate_every=1", "batch=2", "size=32", "train_crop=32", "clips_per_video=2")


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dfbench: Dfbench) -> Dfbench:
    open_lab(tmp_path / "videos", monkeypatch)
    return dfbench


@pytest.mark.slow
def test_a_network_of_timm_is_trained_once_and_scored(lab: Dfbench, tmp_path: Path) -> None:
    changes = [part for change in SHORT for part in ("--set", change)]
    trained = lab("train", *TASK, *changes)
    assert trained.code == 0, trained.err
    assert "timm=test_resnet" in Path(trained.out.strip()).parts
    ran = lab("run", *TASK, *changes)
    assert ran.code == 0, ran.err
    assert "using the weights trained before" in ran.err
    (folder,) = (tmp_path / "runs").glob("*/run.json")
    assert folder.parent.name.startswith("timm=test_resnet-own-splits-")
    record = json.loads(folder.read_text())
    assert record["detector"]["name"] == "timm:test_resnet"
    assert "this run is complete" in lab("run", *TASK, *changes).err
    assert lab("runs", "verify").code == 0
    other = lab("run", *TASK[2:4], "-d", "timm:test_vit", "--weights", trained.out.strip())
    assert (other.code, "was not written by dfbench's timm:test_vit" in other.err) == (1, True), other.err
