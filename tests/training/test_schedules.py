"""Learning rates against the stored sequences, and the shape of the demo's schedule."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dfbench.training.schedules import ramp_decay, warmup_cosine

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize(
    ("name", "base", "boost", "epochs", "start_decay"),
    [("c23", 1e-7, 500, 200, 4), ("c0", 1e-7, 500, 120, 4), ("c40", 5e-5, 1, 100, 2.5)],
)
def test_ramp_decay_is_the_released_one(
    name: str, base: float, boost: float, epochs: int, start_decay: float
) -> None:
    with np.load(GOLDEN / "losses.npz") as file:
        stored = file[f"lr/{name}"]
    ours = [
        ramp_decay(e, base=base, boost=boost, epochs=epochs, start_decay=start_decay)
        for e in range(len(stored))
    ]
    np.testing.assert_allclose(ours, stored, rtol=1e-12, atol=1e-18)


def test_warmup_cosine_rises_then_falls_to_zero() -> None:
    rates = [warmup_cosine(step, peak=1e-3, warmup=10, steps=100) for step in range(101)]
    assert max(rates) == rates[10] == 1e-3
    assert rates[:11] == sorted(rates[:11])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[100] == pytest.approx(0.0, abs=1e-12)
    assert rates[0] > 0
