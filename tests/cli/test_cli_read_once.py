"""What a run reads is read once: lists of data sets, files of videos, settings; and processes get their request as a file."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.cli.command import Dfbench
from tests.cli.made_scores import score_without_work
from tests.cli.toy_corpus import BUILT, PARSED, PER_SPLIT, ToyPlugin, write_toy

from dfbench.errors import UsageError
from dfbench.hooks.host import Host
from dfbench.runs.planning.requests import TrainingOptions
from dfbench.settings import Settings, load_settings
from dfbench.training import distributed


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    load = Host.load
    monkeypatch.setattr(Host, "load", lambda: load([ToyPlugin()]))
    monkeypatch.setenv("DFBENCH_DATA__ROOTS__TOY", str(tmp_path / "toy"))
    score_without_work(monkeypatch)

    return write_toy(tmp_path / "toy")


@dataclass(frozen=True)
class Looks:
    """How often each video was opened, and asked for its size or time."""

    opened: Counter[Path]
    stats: Counter[Path]


@pytest.fixture
def looks(toy: Path, monkeypatch: pytest.MonkeyPatch) -> Looks:
    found = Looks(Counter(), Counter())
    open_file, stat = os.open, os.stat

    def counted_open(path: Any, *args: Any, **kwargs: Any) -> int:
        found.opened.update([Path(path)] * str(path).endswith(".mp4"))
        return open_file(path, *args, **kwargs)

    def counted_stat(path: Any, *args: Any, **kwargs: Any) -> os.stat_result:
        found.stats.update([Path(path)] * str(path).endswith(".mp4"))
        return stat(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", counted_open)
    monkeypatch.setattr(os, "stat", counted_stat)
    return found


def test_a_run_with_finished_weights_reads_everything_once(
    dfbench: Dfbench, toy: Path, looks: Looks, loads: Counter[str]
) -> None:
    """Of three tests, two are of the same videos under two names."""
    assert dfbench("train", "-d", "trained", "-p", "three").code == 0
    for _ in ("scored", "complete"):
        for counts in (BUILT, PARSED, looks.opened, looks.stats, loads):
            counts.clear()
        ended = dfbench("run", "-d", "trained", "-p", "three", "--json")
        assert ended.code == 0, ended.err
        assert BUILT == PARSED == {"c23": 1, "c40": 1}
        assert loads == {"plugins": 1, "settings": 1}
        assert len(looks.opened) == 4 * PER_SPLIT  # train, val, and test in two compressions
        assert set(looks.opened.values()) == {1}
        assert set(looks.stats.values()) <= {1}


def test_a_training_parses_each_list_once(dfbench: Dfbench, toy: Path) -> None:
    PARSED.clear()
    assert dfbench("train", "-d", "trained", "-p", "once").code == 0
    assert PARSED == {"c23": 1}


def test_processes_of_a_training_get_the_request_whole(
    dfbench: Dfbench, toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[TrainingOptions] = []
    shown: list[str] = []

    def launch(arguments: Sequence[str], *, asked: Sequence[str], devices: int, nodes: int) -> None:
        assert (devices, nodes) == (2, 1)
        request = TrainingOptions.read(Path(arguments[-1]))
        found.append(request)
        shown.append(" ".join(asked))
        alone = TrainingOptions(**{**vars_of(request), "devices": 1}).write(tmp_path / "alone.json")
        assert dfbench(*arguments[:-1], alone).code == 0

    monkeypatch.setattr(distributed, "launch", launch)
    asked = ("-p", "once", "--seed", "3", "--set", "a=b c", "--train-compression", "c40")
    ended = dfbench("train", "-d", "trained", *asked, "--device", "cpu", "--devices", "2")
    assert ended.code == 0, ended.err
    (request,) = found
    assert (request.seed, request.overrides, request.train_compression) == (3, {"a": "b c"}, "c40")
    assert "--train-compression c40" in shown[0]


def vars_of(request: TrainingOptions) -> dict[str, Any]:
    return {name: getattr(request, name) for name in TrainingOptions.__dataclass_fields__}


def test_a_request_is_read_as_it_was_written_and_another_file_is_refused(tmp_path: Path) -> None:
    request = TrainingOptions(
        detector="a", train_compression="c40", overrides={"lr": "1"}, start="w.pt", devices=2
    )
    assert TrainingOptions.read(request.write(tmp_path / "request.json")) == request
    for content in ("{", "[]", '{"detector": "a", "unheard": 1}', '{"detector": "a", "overrides": 3}'):
        (tmp_path / "other.json").write_text(content)
        with pytest.raises(UsageError, match="is no request of this version of dfbench"):
            TrainingOptions.read(tmp_path / "other.json")


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often plugins and settings were loaded."""
    counts: Counter[str] = Counter()
    load = Host.load

    def load_plugins() -> Host:
        counts["plugins"] += 1
        return load()

    def read_settings(**overrides: Any) -> Settings:
        counts["settings"] += 1
        return load_settings(**overrides)

    monkeypatch.setattr(Host, "load", load_plugins)
    # Whoever else has the function has it by this name.
    for name in ("dfbench.settings", *(name for name in sys.modules if name.startswith("dfbench"))):
        if hasattr(sys.modules[name], "load_settings"):
            monkeypatch.setattr(f"{name}.load_settings", read_settings)
    return counts


@pytest.mark.slow
@pytest.mark.usefixtures("toy")
def test_a_command_loads_plugins_and_settings_once(dfbench: Dfbench, loads: Counter[str]) -> None:
    for command in (
        ("train", "-d", "trained", "-p", "both"),
        ("run", "-d", "trained", "-d", "constant", "-p", "both", "--json"),
        ("run", "-d", "trained", "-p", "both", "--json"),
        ("leaderboard", "-p", "both"),
        ("leaderboard", "--dataset", "toy"),
        ("data", "list"),
        ("data", "check", "toy"),
        ("data", "check"),
        ("data", "status", "toy", "-d", "constant"),
        ("runs", "verify"),
        ("doctor",),
    ):
        loads.clear()
        ended = dfbench(*command)
        assert "Traceback" not in ended.err
        assert loads == {"plugins": 1, "settings": 1}, command
    loads.clear()
    assert dfbench("plugins", "list", "--json").code == 0
    assert loads == {"plugins": 1}


@pytest.mark.usefixtures("probe")
def test_explaining_and_predicting_load_plugins_and_settings_once(
    dfbench: Dfbench, loads: Counter[str]
) -> None:
    Path("a.mp4").write_bytes(b"video")
    for command in ("explain", "predict"):
        loads.clear()
        ended = dfbench(command, "a.mp4", "-d", "probe_net")
        assert ended.code == 3, ended.err
        assert "undecodable" in ended.out + ended.err, ended.out
        assert loads == {"plugins": 1, "settings": 1}, command
