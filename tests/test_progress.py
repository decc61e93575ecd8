"""Progress where there is no terminal: a log that shows how far a long step is."""

from __future__ import annotations

import io

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
    assert "3/3" in lines[2]  # the bar, finished


def test_a_short_step_gets_one_line() -> None:
    text = io.StringIO()
    with progress.RichProgress(Console(file=text, width=120)).task("read videos", 2) as task:
        task.advance()
        task.advance()
    assert len(text.getvalue().splitlines()) == 1


def test_a_note_is_printed_once() -> None:
    text = io.StringIO()
    bars = progress.RichProgress(Console(file=text, width=120))
    for note in ("no data roots", "complete", "no data roots"):
        bars.note(note)
    assert text.getvalue().split("\n") == ["no data roots", "complete", ""]
