"""A run that a plugin of others made says so in its record, and its numbers on every board."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.cli.command import Dfbench, frame, write
from tests.conftest import Install

import dfbench as package
from dfbench.hooks.third_party import code_sha256

RUN = ("run", "-d", "probe_net", "--dataset", "folder", "--min-coverage", "0")


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Videos of one frame."""
    files = {f"{('real', 'fake')[n % 2]}/v{n}/1.png": frame(10 * n) for n in range(4)}
    root = write(tmp_path / "own", files)
    monkeypatch.setenv("DFBENCH_DATA__ROOTS__FOLDER", str(root))
    return root


def record_of(runs: Path) -> dict[str, Any]:
    (path,) = runs.glob("*/run.json")
    return dict(json.loads(path.read_text(encoding="utf-8")))


@pytest.mark.slow
@pytest.mark.usefixtures("probe")
def test_a_plugin_of_others_stands_in_the_record_and_marks_the_board(
    dfbench: Dfbench, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = Path(os.environ["DFBENCH_RUNS"])
    ended = dfbench(*RUN)
    assert ended.code == 0, ended.err
    sha = code_sha256(["tests.probe"])
    assert record_of(runs)["plugins"] == [
        {
            "name": "probe",
            "distribution": "probe-plugin",
            "version": "0.1",
            "sha256": sha,
            "offers": ["detector probe_net", "face finder probe_finder"],
        }
    ]
    (board,) = package.boards(dataset="folder", corpus="own")
    assert [row.plugins for row in board.rows] == [f"probe-plugin 0.1 [{sha[:12]}]"]
    told = "\u00a7 by plugins that are not part of dfbench: probe-plugin 0.1"
    assert any(line.startswith(told) for line in board.captions)
    monkeypatch.setattr("dfbench.hooks.third_party._digest", lambda _: "0" * 64)
    assert (
        "warning: plugin 'probe' has changed since this run was scored: --force scores it again"
        in dfbench(*RUN).err
    )


@pytest.mark.slow
@pytest.mark.usefixtures("probe")
@pytest.mark.parametrize("event", ["run_started", "run_finished", "run_failed", "training_started"])
def test_who_listens_to_a_run_takes_part_in_it(
    event: str, dfbench: Dfbench, own: Path, install: Install
) -> None:
    install(
        "listening",
        f"from dfbench import hookimpl\n@hookimpl\ndef dfbench_{event}():\n    pass\n",
    )
    assert dfbench(*RUN).code == 0
    plugins = {one["name"]: one["offers"] for one in record_of(Path(os.environ["DFBENCH_RUNS"]))["plugins"]}
    assert plugins.pop("listening", None) == (["listens"] if event.startswith("run_") else None)
    assert set(plugins) == {"probe"}
