"""A training that was cut off, wherever and however, goes on, and comes to what it would have come to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from tests.training.children import child, killed_at_step, killed_while_writing
from tests.training.toy import CutError, Toy, equal, fit, once, rows_of

from dfbench import StoreError
from dfbench.data.preparing.process import OwnProcess
from dfbench.files import leftovers
from dfbench.training.loop import FitResult
from dfbench.training.record import LOG
from dfbench.training.weights_file import BEST, LAST

TOY = Toy(rounds=3, scores=(0.5, 0.7, 0.6))
WRITES = [
    f"{name} of round {number}"
    for number, names in ((1, (BEST, LOG, LAST)), (2, (BEST, LOG, LAST)), (3, (LOG, LAST)))
    for name in names
]


Whole = tuple[FitResult, list[dict[str, str]]]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """What the training comes to that nothing disturbs, and its log."""
    folder = tmp_path_factory.mktemp("whole")
    return fit(folder, TOY)[0], rows_of(folder)


def assert_same(folder: Path, result: FitResult, whole: Whole, *, resumed_at: tuple[int, ...]) -> None:
    assert equal(result.state, whole[0].state)
    assert (result.score, result.step) == (whole[0].score, whole[0].step)
    assert result.resumed_at == resumed_at
    assert rows_of(folder) == whole[1]
    assert not list(leftovers(folder))


@pytest.mark.parametrize(("step", "begun_at"), [(0, ()), (2, ()), (3, (3,)), (8, (6,))])
def test_after_an_error_in_a_step(tmp_path: Path, whole: Whole, step: int, begun_at: tuple[int, ...]) -> None:
    with pytest.raises(CutError):
        fit(tmp_path, replace(TOY, at_step=once(CutError(), at=step)))
    assert_same(tmp_path, fit(tmp_path, TOY)[0], whole, resumed_at=begun_at)


def test_after_an_error_in_validation(tmp_path: Path, whole: Whole) -> None:
    with pytest.raises(CutError):
        fit(tmp_path, replace(TOY, at_validation=once(CutError(), at=1)))
    assert_same(tmp_path, fit(tmp_path, TOY)[0], whole, resumed_at=(3,))


def test_after_several_cuts(tmp_path: Path, whole: Whole) -> None:
    for step in (4, 7, 8):
        with pytest.raises(CutError):
            fit(tmp_path, replace(TOY, at_step=once(CutError(), at=step)))
    assert_same(
        tmp_path, fit(tmp_path, TOY)[0], whole, resumed_at=(3, 6)
    )  # a cut before a round was whole left nothing


def test_with_data_workers_that_had_fetched_ahead(tmp_path: Path, whole: Whole) -> None:
    helped = replace(TOY, workers=1)
    with pytest.raises(CutError):
        fit(tmp_path, replace(helped, at_step=once(CutError(), at=4)))
    assert_same(tmp_path, fit(tmp_path, helped)[0], whole, resumed_at=(3,))


def test_in_fp16_with_the_scale_that_it_had(tmp_path: Path) -> None:
    half = replace(TOY, precision="fp16", scale_of_loss=overflow_in_round_one)
    result, module = fit(tmp_path / "whole", half)
    with pytest.raises(CutError):
        fit(tmp_path / "cut", replace(half, at_step=once(CutError(), at=4)))
    again, resumed = fit(tmp_path / "cut", half)
    assert equal(again.state, result.state)
    assert resumed.scales == module.scales[3:]
    assert module.scales[0] > module.scales[3]


def test_in_double_precision_to_the_last_bit(tmp_path: Path) -> None:
    double = replace(TOY, precision="64", batch_norm=True)
    result, module = fit(tmp_path / "whole", double)
    with pytest.raises(CutError):
        fit(tmp_path / "cut", replace(double, at_step=once(CutError(), at=7)))
    again, resumed = fit(tmp_path / "cut", double)
    assert equal(again.state, result.state)
    assert equal(resumed.states[-1], module.states[-1])


def overflow_in_round_one(step: int) -> float:
    return float("inf") if step == 1 else 1.0


@pytest.mark.parametrize("number", range(len(WRITES)), ids=WRITES)
def test_after_a_disk_that_was_full(
    tmp_path: Path, whole: Whole, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    names: list[str] = []
    write = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        names.append(path.name)
        if len(names) <= number:
            return write(path, data)
        write(path, data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(StoreError, match="No space left on device") as caught:
            fit(tmp_path, TOY)
    name, _, turn = WRITES[number].partition(" of round ")
    assert names[-1].startswith(f".{name}.")
    assert str(tmp_path / name) in caught.value.message
    assert "it goes on" in caught.value.hints[-1]
    assert not list(leftovers(tmp_path))
    done = 3 * (int(turn) - 1)
    assert_same(tmp_path, fit(tmp_path, TOY)[0], whole, resumed_at=(done,) if done else ())


def test_a_damaged_checkpoint_is_named_with_the_folder_to_delete(tmp_path: Path) -> None:
    fit(tmp_path, TOY)
    for content in (b"", b"half a file", (tmp_path / LAST).read_bytes()[:-200]):
        (tmp_path / LAST).write_bytes(content)
        with pytest.raises(StoreError, match=r"last\.ckpt is damaged") as caught:
            fit(tmp_path, TOY)
        assert str(tmp_path) in caught.value.hints[0]


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot make the training folder"):
        fit(tmp_path / "file" / "training", TOY)


@pytest.fixture
def process() -> Iterator[OwnProcess]:
    with child() as started:
        yield started


@pytest.mark.slow
def test_after_kill_9_in_a_step(tmp_path: Path, whole: Whole, process: OwnProcess) -> None:
    with pytest.raises(BrokenExecutor, match="SIGKILL"):
        process.call(killed_at_step, tmp_path, TOY, 7, seconds=120)
    assert len(rows_of(tmp_path)) == 2
    assert_same(tmp_path, fit(tmp_path, TOY)[0], whole, resumed_at=(6,))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "begun_at"), [(BEST, (3,)), (LOG, (3,)), (LAST, (3,))])
def test_after_kill_9_in_the_middle_of_a_write(
    tmp_path: Path, whole: Whole, process: OwnProcess, name: str, begun_at: tuple[int, ...]
) -> None:
    with pytest.raises(BrokenExecutor, match="SIGKILL"):
        process.call(killed_while_writing, tmp_path, TOY, name, 2, seconds=120)
    assert [path.name.startswith(f".{name}.") for path in leftovers(tmp_path)] == [True]
    assert_same(tmp_path, fit(tmp_path, TOY)[0], whole, resumed_at=begun_at)


def test_what_another_process_still_writes_is_left_alone(tmp_path: Path) -> None:
    unique = "0123456789abcdef0123456789abcdef"
    writing, other = f".{LAST}.{os.getppid()}.{unique}.part", f"{LAST}.{unique}.part"
    ended = (f".{LAST}.{2**40}.{unique}.part", f"{BEST}.{2**40}.partial")
    for name in (writing, other, *ended):
        (tmp_path / name).write_bytes(b"half")
    fit(tmp_path, TOY)
    assert {path.name for path in leftovers(tmp_path)} == {writing, other}
