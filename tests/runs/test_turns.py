"""One program at a time works on a run, wherever its lock lies and whatever becomes of it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from dfbench.errors import StoreError
from dfbench.progress import SilentProgress
from dfbench.runs.records import turns
from dfbench.runs.records.run_file import LOCK
from dfbench.runs.records.turns import turn_at


class Waiting(SilentProgress):
    """Knows when somebody is told to wait."""

    def __init__(self) -> None:
        self.told = threading.Event()

    def note(self, message: str) -> None:
        assert "another program works on this run: waiting for it to end" in message
        self.told.set()


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "a-run"


def test_a_second_one_waits_and_then_has_its_turn(run: Path) -> None:
    order: list[str] = []
    progress = Waiting()

    def second() -> None:
        with turn_at(run, progress):
            order.append("second")

    thread = threading.Thread(target=second)
    with turn_at(run, SilentProgress()):
        thread.start()
        assert progress.told.wait(60)
        order.append("first")
    thread.join(60)
    assert order == ["first", "second"]
    assert run.is_dir()
    assert not (run / LOCK).exists()


def test_who_waited_for_a_run_that_is_gone_begins_it_anew(run: Path) -> None:
    progress, had = Waiting(), threading.Event()

    def second() -> None:
        with turn_at(run, progress):
            had.set()

    thread = threading.Thread(target=second)
    with turn_at(run, SilentProgress()):
        thread.start()
        assert progress.told.wait(60)
        run.rename(run.with_name("set-aside"))
        assert not had.is_set()
    thread.join(60)
    assert had.is_set()
    assert run.is_dir()


def test_an_error_ends_the_turn(run: Path) -> None:
    with pytest.raises(ZeroDivisionError), turn_at(run, SilentProgress()):
        raise ZeroDivisionError
    with turn_at(run, SilentProgress()):
        assert (run / LOCK).is_file()


def test_a_link_in_the_place_of_the_lock_is_not_followed(run: Path, tmp_path: Path) -> None:
    run.mkdir(parents=True)
    (run / LOCK).symlink_to(tmp_path / "elsewhere")
    with turn_at(run, SilentProgress()), turn_at(run, SilentProgress()):  # without a lock, nobody waits
        pass
    assert not (tmp_path / "elsewhere").exists()
    assert (run / LOCK).is_symlink()


@pytest.mark.parametrize("lacks", ["the system", "the disk"])
def test_where_there_are_no_locks_nobody_waits(
    run: Path, monkeypatch: pytest.MonkeyPatch, lacks: str
) -> None:
    class NoLocks:
        LOCK_EX = LOCK_NB = 0

        @staticmethod
        def flock(*_: int) -> None:
            raise OSError(38, "Function not implemented")

    monkeypatch.setattr(turns, "fcntl", None if lacks == "the system" else NoLocks)
    with turn_at(run, SilentProgress()), turn_at(run, SilentProgress()):
        assert run.is_dir()


def test_a_run_that_cannot_be_made_has_no_turns(run: Path) -> None:
    run.parent.touch()
    with pytest.raises(StoreError, match="cannot be made"), turn_at(run, SilentProgress()):
        pass
