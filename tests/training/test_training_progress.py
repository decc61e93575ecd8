"""While a training runs, it says how far it is, what it comes to and how quick it is; afterwards TensorBoard shows it."""

from __future__ import annotations

import io
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console
from tests.training.tensorboard import logged
from tests.training.toy import BATCH, STEPS, CutError, Toy, fit, once, rows_of

from dfbench import progress
from dfbench.progress import RichProgress, SilentProgress
from dfbench.training import record


class Notes(SilentProgress):
    """Keeps what is noted."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, message: str) -> None:
        self.lines.append(message)


def test_the_bar_shows_losses_samples_a_second_and_time_to_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]

    def half_a_second(step: int) -> None:
        clock[0] += 0.5

    def a_minute(round_: int) -> None:
        clock[0] += 60

    monkeypatch.setattr(record, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.0)
    text = io.StringIO()
    toy = Toy(rounds=2, at_step=half_a_second, at_validation=a_minute)
    fit(tmp_path, toy, progress=RichProgress(Console(file=text, width=120)))
    lines = text.getvalue().splitlines()
    assert len(lines) == 1 + 2 * STEPS + 1  # where it begins, every step, how long it took
    losses, (first, _) = [], [float(row["val_auc"]) for row in rows_of(tmp_path)]
    for number, line in enumerate(lines[1:-1], 1):
        found = re.fullmatch(
            rf"train toy: (\d+)/{2 * STEPS}, [\d.]+/s, \d+ s left loss ([\d.]+)( val_auc [\d.]+)? (\d+) samples/s",
            line,
        )
        assert found is not None, line
        assert int(found[1]) == number
        assert found[3] == (f" val_auc {first:.3f}" if number > STEPS else None)
        assert int(found[4]) == BATCH / 0.5  # validation is not counted
        losses.append(float(found[2]))
    means = [sum(losses[:STEPS]) / STEPS, sum(losses[STEPS:]) / STEPS]
    assert means == pytest.approx([float(row["loss"]) for row in rows_of(tmp_path)], rel=5e-3)


def test_what_goes_on_says_after_which_step(tmp_path: Path) -> None:
    with pytest.raises(CutError):
        fit(tmp_path, Toy(at_step=once(CutError(), at=7)))
    notes = Notes()
    fit(tmp_path, Toy(), progress=notes)
    assert notes.lines == ["train toy: going on after step 6 of 12"]


def test_the_log_counts_the_time_of_all_sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]

    def second(step: int) -> None:
        clock[0] += 1

    monkeypatch.setattr(record, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    with pytest.raises(CutError):
        fit(tmp_path, Toy(rounds=3, at_step=second, at_validation=once(CutError(), at=1)))
    clock[0] += 1000
    fit(tmp_path, Toy(rounds=3, at_step=second))
    text = (tmp_path / record.LOG).read_text().splitlines()
    column = text[0].split(",").index("seconds")
    assert [float(line.split(",")[column]) for line in text[1:]] == [3, 6, 9]


def test_tensorboard_has_losses_by_step_and_validation_by_round(tmp_path: Path) -> None:
    fit(tmp_path, Toy())
    found = logged(tmp_path)
    assert {"loss_step", "loss_epoch", "val_auc"} <= set(found)
    assert (len(found["val_auc"]), len(found["loss_step"])) == (4, 4)
