"""Progress where there is no terminal: a log that shows how far a long step is."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from dfbench import progress


def test_a_log_gets_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.0)
    text = io.StringIO()
    bars = progress.RichProgress(Console(file=text, width=120))
    with bars.task("read videos", 3) as task:
        task.advance(note="first.mp4")
        task.advance(2)
    lines = text.getvalue().splitlines()
    assert lines[0].startswith("read videos: 1/3, ")
    assert lines[0].endswith("first.mp4")
    assert lines[1].startswith("read videos: 3/3, ")
    assert re.fullmatch(r"read videos: 3/3, [\d.]+/s, took [\d.]+ s", lines[2])


def test_a_short_step_gets_one_line_however_narrow() -> None:
    text = io.StringIO()
    name = "score celeb_df_v2 with a detector of a long name"
    with progress.RichProgress(Console(file=text, width=40)).task(name, 2) as task:
        task.advance()
        task.advance()
    (line,) = text.getvalue().splitlines()
    assert line.startswith(f"{name}: 2/2, ")


def test_a_step_that_fails_says_how_far_it_came() -> None:
    text = io.StringIO()
    bars = progress.RichProgress(Console(file=text, width=120))

    def write() -> None:
        with bars.task("write", 5) as task:
            task.advance(2)
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        write()
    assert text.getvalue().startswith("write: 2/5, ")


def test_a_terminal_gets_a_bar() -> None:
    text = io.StringIO()
    console = Console(file=text, width=120, force_terminal=True)
    with progress.RichProgress(console).task("read videos", 2) as task:
        task.advance(2)
    assert "━" in text.getvalue()
    assert "left" in text.getvalue()


def test_a_note_is_printed_once() -> None:
    text = io.StringIO()
    bars = progress.RichProgress(Console(file=text, width=120))
    for note in ("no data roots", "complete", "no data roots"):
        bars.note(note)
    assert text.getvalue().split("\n") == ["no data roots", "complete", ""]


def test_a_path_in_a_note_stays_in_one_piece() -> None:
    text = io.StringIO()
    progress.RichProgress(Console(file=text, width=30)).note(f"look at {'/folder' * 10}")
    assert text.getvalue() == f"look at {'/folder' * 10}\n"


def test_a_long_note_leaves_the_numbers_their_room() -> None:
    text = io.StringIO()
    console = Console(file=text, width=80, force_terminal=True)
    note = "loss 0.942 heatmap 0.242 classes 0.562 temporal 0.138 16 samples/s"
    with progress.RichProgress(console).task("train fakestormer (demo)", 984) as task:
        task.advance(3, note)
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text.getvalue())
    assert "train fakestormer (demo)" in shown
    assert "3/984" in shown
    assert " left" in shown
    assert note in shown
