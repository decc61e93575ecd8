"""The chance detector: standard normal, decided by clip and seed alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from dfbench import UsageError
from dfbench_baselines import dfbench_detectors
from dfbench_baselines.chance import ChanceDetector


def detector(seed: int = 0) -> ChanceDetector:
    return ChanceDetector(weights=None, device="cpu", seed=seed)


def clips(count: int, seed: int = 7) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 2, 4, 4, 3), dtype=torch.uint8, generator=generator)


def test_scores_are_standard_normal() -> None:
    scores = detector().score(clips(4000)).numpy()
    assert stats.kstest(scores, "norm").pvalue > 0.01


def test_the_seed_decides() -> None:
    batch = clips(500)
    first, again, other = (detector(seed).score(batch).numpy() for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert abs(np.corrcoef(first, other)[0, 1]) < 0.15


@settings(deadline=None, max_examples=20)
@given(st.permutations(range(6)), st.integers(1, 5))
def test_a_score_depends_on_its_clip_alone(order: list[int], cut: int) -> None:
    batch = clips(6)
    expected = detector().score(batch)
    shuffled = batch[order]
    parts = torch.cat([detector().score(shuffled[:cut]), detector().score(shuffled[cut:])])
    assert torch.equal(parts, expected[order])


def test_memory_layout_does_not_matter() -> None:
    batch = clips(3)
    strided = batch.permute(0, 4, 1, 2, 3).contiguous().permute(0, 2, 3, 4, 1)
    assert not strided.is_contiguous()
    assert torch.equal(detector().score(strided), detector().score(batch))


def test_an_empty_batch_and_odd_seeds_are_fine() -> None:
    assert detector(-1).score(clips(0)).shape == (0,)
    assert torch.isfinite(detector(2**63).score(clips(2))).all()


def test_weights_are_refused() -> None:
    with pytest.raises(UsageError, match="has no weights"):
        ChanceDetector(weights=Path("x.pth"), device="cpu", seed=0)


def test_it_claims_no_training() -> None:
    (spec,) = [one for one in dfbench_detectors() if one.name == "chance"]
    assert spec.trained_on == frozenset()
    assert not spec.needs_weights
