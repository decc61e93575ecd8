"""The loop keeps the best weights, logs each round, ends when it should, and says what it cannot use."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.training.toy import STEPS, Toy, ToyModule, equal, fit, rows_of

from dfbench import PluginError, RunError
from dfbench.training.record import LOG, rounds_done
from dfbench.training.weights_file import BEST, LAST


def test_the_weights_of_the_best_validation_are_kept(tmp_path: Path) -> None:
    result, module = fit(tmp_path, Toy(scores=(0.4, 0.9, 0.9, 0.6)))
    assert result.score == pytest.approx(0.9)
    assert result.step == 2 * STEPS  # of equal ones the first
    assert equal(result.state, module.states[1])
    assert not equal(result.state, module.states[-1])
    assert sorted(path.name for path in tmp_path.iterdir()) == [BEST, LAST, LOG, "tensorboard"]


def test_the_log_has_a_row_a_round_and_the_score_where_there_was_one(tmp_path: Path) -> None:
    fit(tmp_path, Toy(rounds=5, validate_every=2, scores=(0.1, 0.2, 0.3, 0.4, 0.5)))
    rows = rows_of(tmp_path)
    assert [(row["round"], row["step"]) for row in rows] == [(str(r), str(r * STEPS)) for r in range(1, 6)]
    # The last weights are validated whatever the interval.
    assert [row["val_auc"][:3] for row in rows] == ["", "0.2", "", "0.4", "0.5"]
    assert all(math.isfinite(float(row["loss"])) for row in rows)


def test_each_round_is_told_once_its_checkpoint_is_written(tmp_path: Path) -> None:
    told: list[tuple[int, int, bool]] = []

    def on_round(step: int, values: Mapping[str, float]) -> None:
        assert values["loss"] == pytest.approx(float(rows_of(tmp_path)[-1]["loss"]))
        told.append((step, rounds_done(tmp_path / LAST), "val_auc" in values))
        if len(told) == 3:
            raise KeyboardInterrupt

    toy = Toy(rounds=5, validate_every=2, scores=(0.1, 0.2, 0.3, 0.4, 0.5))
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path, toy, on_round=on_round)
    fit(tmp_path, toy, on_round=on_round)  # goes on, and tells of no round twice
    assert told == [(number * STEPS, number, number in (2, 4, 5)) for number in range(1, 6)]


def test_it_learns(tmp_path: Path) -> None:
    result, _ = fit(tmp_path, Toy(rounds=12, lr=0.01))
    losses = [float(row["loss"]) for row in rows_of(tmp_path)]
    assert losses[-1] < losses[0] / 2
    assert result.score > 0.95


def test_training_ends_after_so_many_validations_without_a_gain(tmp_path: Path) -> None:
    toy = Toy(rounds=9, validate_every=2, patience=2, scores=(0, 0.5, 0, 0.6, 0, 0.6, 0, 0.1, 0.9))
    result, module = fit(tmp_path, toy)
    assert result.step == 4 * STEPS
    assert len(rows_of(tmp_path)) == 8
    assert len(module.states) == 4
    again, module = fit(tmp_path, toy)  # it had ended
    assert module.states == []
    assert (again.score, again.step) == (result.score, result.step)
    assert equal(again.state, result.state)
    assert len(rows_of(tmp_path)) == 8


def test_a_finished_training_is_not_trained_again(tmp_path: Path) -> None:
    first, _ = fit(tmp_path, Toy())
    stamp = (tmp_path / LAST).stat().st_mtime_ns
    second, module = fit(tmp_path, Toy())
    assert (module.states, (tmp_path / LAST).stat().st_mtime_ns) == ([], stamp)
    assert equal(first.state, second.state)


@pytest.mark.parametrize("precision", ["32", "64", "bf16", "fp16"])
def test_each_precision_trains_and_stores_what_it_trained(tmp_path: Path, precision: str) -> None:
    result, _ = fit(tmp_path, Toy(precision=precision, lr=0.01))
    wide = torch.float64 if precision == "64" else torch.float32
    assert {value.dtype for value in result.state.values()} == {wide}
    fit(tmp_path / "single", Toy(lr=0.01))
    losses = [[float(row["loss"]) for row in rows_of(folder)] for folder in (tmp_path, tmp_path / "single")]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
    assert (losses[0] == losses[1]) is (precision == "32")


def test_an_overflow_in_fp16_skips_the_step_and_halves_the_scale(tmp_path: Path) -> None:
    states: list[dict[str, torch.Tensor]] = []
    module: list[ToyModule] = []

    def watch(step: int) -> None:
        states.append({key: value.clone() for key, value in module[-1].state_dict().items()})

    toy = Toy(
        precision="fp16", rounds=1, at_step=watch, scale_of_loss=lambda step: math.inf if step == 1 else 1.0
    )
    original = ToyModule.configure_optimizers

    def seen(self: ToyModule) -> torch.optim.Optimizer:
        module.append(self)
        return original(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ToyModule, "configure_optimizers", seen)
        _, trained = fit(tmp_path, toy)
    assert not equal(states[0], states[1])
    assert equal(states[1], states[2])  # the second step overflowed
    assert not equal(states[2], trained.states[-1])
    first, second, third = trained.scales
    assert second == first / 2 == third


def test_a_loss_that_is_no_number_is_an_error_and_no_result(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"training diverged before step 6: loss is not a number") as caught:
        fit(tmp_path, Toy(rounds=4, scale_of_loss=lambda step: math.nan if step == 3 else 1.0))
    assert "--set lr" in caught.value.hints[0]
    assert len(rows_of(tmp_path)) == 1  # the round before is kept


def test_a_validation_score_that_is_no_number_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"the validation score val_auc at step 6 is not a number"):
        fit(tmp_path, Toy(scores=(0.5, math.nan, 0.5, 0.5)))


def test_ctrl_c_is_a_keyboard_interrupt(tmp_path: Path) -> None:
    def interrupt(step: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path, Toy(at_step=interrupt))


@pytest.mark.slow
def test_random_states_of_the_process_do_not_matter(tmp_path: Path) -> None:
    results = []
    for seed in (11, 12):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            np.random.seed(seed)  # noqa: NPY002 - the global one is what is meant
            results.append(fit(tmp_path / str(seed), Toy())[0])
    assert equal(results[0].state, results[1].state)
    other, _ = fit(tmp_path / "other", Toy(seed=2))
    assert not equal(results[0].state, other.state)


def test_data_workers_change_nothing(tmp_path: Path) -> None:
    alone, _ = fit(tmp_path / "0", Toy())
    helped, _ = fit(tmp_path / "1", Toy(workers=1))
    assert equal(alone.state, helped.state)
    assert rows_of(tmp_path / "0") == rows_of(tmp_path / "1")


def test_a_monitor_that_is_not_logged_ends_the_first_validation(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="goes by 'val_ouc', which the module does not log") as caught:
        fit(tmp_path, Toy(monitor="val_ouc", validate_every=2))
    assert caught.value.hints == ("it logs: loss, val_auc",)
    assert not (tmp_path / BEST).exists()
