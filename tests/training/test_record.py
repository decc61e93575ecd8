"""What a training keeps round by round: the best weights, when it ends early, and checkpoints that are whole or not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.training.toy import STEPS, Toy, fit, rows_of

from dfbench.errors import PluginError, StoreError
from dfbench.training.record import FitPlan, read_checkpoint
from dfbench.training.weights_file import BEST, LAST

SCORES = st.lists(st.sampled_from([0.1, 0.3, 0.5, 0.7]), min_size=1, max_size=5)


@given(scores=SCORES, patience=st.integers(0, 3))
@settings(max_examples=4, deadline=None)
def test_the_first_of_the_best_rounds_is_kept_and_patience_counts_rounds_without_a_gain(
    tmp_path_factory: pytest.TempPathFactory, scores: list[float], patience: int
) -> None:
    folder = tmp_path_factory.mktemp("fit")
    result, module = fit(folder, Toy(rounds=len(scores), scores=scores, patience=patience))
    best, without, seen = -1, 0, 0
    for number, score in enumerate(scores):
        seen = number + 1
        if best < 0 or score > scores[best]:
            best, without = number, 0
        else:
            without += 1
        if patience and without == patience:
            break
    assert result.score == pytest.approx(scores[best])
    assert result.step == STEPS * (best + 1)
    assert len(module.states) == len(rows_of(folder)) == seen
    kept = {name.removeprefix("net."): value for name, value in module.states[best].items()}
    found = {name.removeprefix("net."): value for name, value in result.state.items()}
    assert all(torch.equal(found[name], value) for name, value in kept.items())


def test_validation_comes_after_so_many_rounds_and_after_the_last(tmp_path: Path) -> None:
    seen: list[int] = []
    fit(tmp_path, Toy(rounds=5, validate_every=2, at_validation=seen.append))
    assert sorted(set(seen)) == [1, 3, 4]
    assert [row["val_auc"] != "" for row in rows_of(tmp_path)] == [False, True, False, True, True]
    steps = [int(row["step"]) for row in rows_of(tmp_path)]
    assert steps == [STEPS * number for number in range(1, 6)]


@pytest.mark.parametrize("monitor", ["auc", "loss", ""])
def test_a_training_is_judged_by_a_value_of_validation(monitor: str) -> None:
    given_plan: dict[str, Any] = {"rounds": 1, "steps": 1, "validate_every": 1, "device": "cpu"}
    assert FitPlan(monitor="val_auc", **given_plan).world.size == 1
    with pytest.raises(PluginError, match="does not begin with 'val_'") as caught:
        FitPlan(monitor=monitor, **given_plan)
    assert caught.value.hints == (f"log the validation score as 'val_{monitor}'",)


def test_checkpoints_hold_what_resuming_needs_and_run_no_code(tmp_path: Path) -> None:
    fit(tmp_path, Toy(rounds=2))
    for name in (LAST, BEST):
        assert "state_dict" in read_checkpoint(tmp_path / name)
    last = read_checkpoint(tmp_path / LAST)
    assert last["global_step"] == 2 * STEPS
    assert last["optimizer_states"]

    class Code:
        def __reduce__(self) -> Any:
            return print, ("it ran",)

    torch.save({"state_dict": Code()}, tmp_path / LAST)
    with pytest.raises(StoreError, match=r"last\.ckpt"):
        read_checkpoint(tmp_path / LAST)
    (tmp_path / LAST).write_bytes(b"PK cut off")
    with pytest.raises(StoreError, match=r"last\.ckpt"):
        read_checkpoint(tmp_path / LAST)
