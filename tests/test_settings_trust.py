"""Which settings file is in force is said, and a scheduler from a file that may be a stranger's is not used unasked."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.cli.command import Dfbench, frame, write

from dfbench.cli import log
from dfbench.errors import UntrustedSettingError
from dfbench.settings import Settings, _others, load_settings
from dfbench.trust import require_trusted

ADDRESS = "tcp://127.0.0.1:9"  # where nobody answers
ASKED = f"names the scheduler '{ADDRESS}': it would be sent your videos, and can run any code as you"
NOBODY = f"no dask scheduler answers at {ADDRESS}"
SHOW = ("data", "show", "folder")


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dfbench.data.preparing.executor.CONNECT_SECONDS", 0.2)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of videos, with a settings file that names a scheduler; the working folder is one below."""
    folder = write(
        tmp_path / "stranger",
        {
            "real/a/1.png": frame(1),
            "fake/b/1.png": frame(2),
            "dfbench.toml": f'scheduler = "{ADDRESS}"\n[data.roots]\nfolder = "."\n'.encode(),
        },
    )
    monkeypatch.chdir(folder / "real")
    return folder


@pytest.mark.parametrize(
    "command",
    [SHOW, ("data", "prepare", "folder", "-d", "chance"), ("run", "-d", "chance", "--dataset", "folder")],
)
def test_a_scheduler_that_came_with_the_data_is_refused(
    dfbench: Dfbench, data: Path, command: tuple[str, ...]
) -> None:
    ended = dfbench(*command)
    assert ended.code == 2
    assert f"error: {data / 'dfbench.toml'} {ASKED}" in ended.err
    assert "--trust" in ended.err
    assert NOBODY not in ended.err
    assert not Path(os.environ["DFBENCH_RUNS"]).exists()


def test_it_is_used_with_trust_for_that_command_alone(dfbench: Dfbench, data: Path) -> None:
    assert NOBODY in dfbench(*SHOW, "--trust").err
    assert ASKED in dfbench(*SHOW).err


@pytest.mark.parametrize(("answer", "expected"), [("y\n", NOBODY), ("n\n", "error: "), ("\n", "error: ")])
def test_at_a_terminal_it_is_asked_about(
    dfbench: Dfbench, data: Path, monkeypatch: pytest.MonkeyPatch, answer: str, expected: str
) -> None:
    monkeypatch.setattr(log, "at_terminal", lambda: True)
    monkeypatch.setattr("typer.confirm", lambda text, *, err: err and ASKED in text and answer == "y\n")
    ended = dfbench(*SHOW)
    assert expected in ended.err
    assert (NOBODY in ended.err) is (answer == "y\n")
    assert "DFBENCH_TRUST" not in os.environ


def test_no_question_is_asked_where_nobody_can_answer() -> None:
    assert not log.at_terminal()


@pytest.mark.slow
def test_what_the_user_said_is_trusted(
    dfbench: Dfbench, data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with monkeypatch.context() as said:
        said.setenv("DFBENCH_SCHEDULER", ADDRESS)
        assert NOBODY in dfbench(*SHOW).err
    with monkeypatch.context() as said:
        said.setenv("DFBENCH_CONFIG", str(data / "dfbench.toml"))
        said.chdir(data)
        assert NOBODY in dfbench(*SHOW).err
    with monkeypatch.context() as said:
        said.setenv("HOME", str(data))
        assert NOBODY in dfbench(*SHOW).err
        (data / "dfbench.toml").chmod(0o666)
        assert ASKED in dfbench(*SHOW).err
    command = ("data", "prepare", "folder", "-d", "chance", "--scheduler")
    assert NOBODY in dfbench(*command, ADDRESS).err


def test_a_program_gets_an_error_and_is_asked_nothing(data: Path, dfbench: Dfbench) -> None:
    settings = load_settings()
    with pytest.raises(UntrustedSettingError, match="names the scheduler"):
        require_trusted(settings)
    require_trusted(load_settings(scheduler=ADDRESS))


def test_commands_that_use_no_scheduler_ask_nothing(dfbench: Dfbench, data: Path) -> None:
    assert dfbench("data", "list").code == 0
    assert ASKED not in dfbench("data", "check", "folder").err


def test_one_line_says_which_file_is_in_force(
    dfbench: Dfbench, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = f"settings: {data / 'dfbench.toml'} (sets data, scheduler)\n"
    ended = dfbench("data", "list", "--json")
    assert (ended.code, ended.err.count(line)) == (0, 1), ended.err
    json.loads(ended.out)
    assert "settings:" not in dfbench("plugins", "list").err  # which uses none
    (data / "dfbench.toml").unlink()
    assert "settings:" not in dfbench("data", "list").err
    write(data, {"dfbench.toml": b""})
    load_settings()
    assert capsys.readouterr().err == ""  # programs are not told unless they ask logging


def test_a_file_that_others_may_have_written_is_told_as_that(dfbench: Dfbench, data: Path) -> None:
    (data / "dfbench.toml").chmod(0o666)
    assert "scheduler); anyone may write to it\n" in dfbench("data", "list").err
    strangers = SimpleNamespace(st_uid=7, st_mode=0o100644)
    assert _others(strangers, user=8) == ["it belongs to another user"]  # type: ignore[arg-type]
    assert _others(strangers, user=7) == []  # type: ignore[arg-type]


def test_a_folder_of_an_unprintable_name_does_nothing_to_the_terminal(
    dfbench: Dfbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(tmp_path / "a\x1b[31m\nb\u202e", {"dfbench.toml": b"workers = 1\n"})
    monkeypatch.chdir(folder)
    (line,) = (one for one in dfbench("data", "list").err.splitlines() if one.startswith("settings:"))
    assert line.isprintable()
    assert line.isascii()


def test_so_many_workers_are_no_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DFBENCH_WORKERS", raising=False)
    write(tmp_path, {"dfbench.toml": b"workers = 4096\n"})
    assert Settings().workers == 4096
    write(tmp_path, {"dfbench.toml": b"workers = 4097\n"})
    with pytest.raises(ValueError, match="4096"):
        Settings()
