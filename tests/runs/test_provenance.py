from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dfbench.errors import DataError
from dfbench.runs.records.provenance import environment, file_sha256, git_state, run_identity
from dfbench.types import ClipSpec
from dfbench.version import VERSION


def test_environment_describes_itself_in_json() -> None:
    found = environment(device="cpu", threads=2)
    assert json.loads(json.dumps(found)) == found
    assert found["dfbench"] == VERSION
    assert found["packages"]["numpy"] == np.__version__
    assert (found["device"], found["threads"]) == ("cpu", 2)
    assert found["date"].endswith("+00:00")


def test_git_state_of_a_tracked_file(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *identity, "-C", str(tmp_path), *arguments], check=True, capture_output=True)

    file = tmp_path / "a.py"
    file.write_text("1")
    git("init")
    assert git_state(file) is None  # inside a working tree, yet not tracked by it
    git("add", "a.py")
    git("commit", "-m", "a")
    state = git_state(file)
    assert state is not None
    assert len(state["commit"]) == 40
    assert state["dirty"] is False
    file.write_text("2")
    assert git_state(file) == {**state, "dirty": True}


def test_git_state_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_state(tmp_path / "a.py") is None


def test_file_hash(tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"abc" * 1000)
    assert file_sha256(file) == hashlib.sha256(b"abc" * 1000).hexdigest()
    with pytest.raises(DataError, match="absent"):
        file_sha256(tmp_path / "absent")


def test_identity_changes_with_every_part_and_with_nothing_else() -> None:
    base = run_identity(seed=1, clips=ClipSpec(4, 224), trained_on={"a", "b"}, options={"x": 1, "y": [2]})
    assert len(base) == 64
    assert base == run_identity(
        options={"y": [2], "x": 1}, trained_on={"b", "a"}, clips=ClipSpec(4, 224), seed=1
    )
    others = [
        run_identity(seed=2, clips=ClipSpec(4, 224), trained_on={"a", "b"}, options={"x": 1, "y": [2]}),
        run_identity(seed=1, clips=ClipSpec(5, 224), trained_on={"a", "b"}, options={"x": 1, "y": [2]}),
        run_identity(seed=1, clips=ClipSpec(4, 224), trained_on={"a"}, options={"x": 1, "y": [2]}),
        run_identity(seed=1, clips=ClipSpec(4, 224), trained_on=None, options={"x": 1, "y": [2]}),
        run_identity(seed=1, clips=ClipSpec(4, 224), trained_on={"a", "b"}, options={"x": 1, "y": [3]}),
    ]
    assert len({base, *others}) == 6


def test_identity_is_the_same_in_another_process() -> None:
    code = (
        "from dfbench.runs.records.provenance import run_identity as r; print(r(names={'ffpp','dfd','dfdc'}))"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        for seed in ("1", "2")
    ]
    assert runs == [run_identity(names={"ffpp", "dfd", "dfdc"})] * 2


@pytest.mark.parametrize("value", [object(), np.zeros(3), float("nan"), {1: 2}])
def test_identity_refuses_what_has_no_stable_text(value: object) -> None:
    with pytest.raises(TypeError, match="weights"):
        run_identity(weights=value)
