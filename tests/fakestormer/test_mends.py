"""Comparing training with and without a mend."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from dfbench import ProgressTask, UsageError
from dfbench.progress import SilentProgress
from dfbench_fakestormer.mends import MENDS, Mend, Scores, _CutOff, _difference, measure_mends
from dfbench_fakestormer.recipe import load_recipe

README = Path(__file__).parents[2] / "fakestormer_plugin" / "README.md"


@pytest.mark.parametrize("mend", MENDS, ids=lambda mend: mend.name)
def test_each_is_a_switch_that_the_recipes_mend(mend: Mend) -> None:
    changed = load_recipe("demo", {**mend.needs, mend.name: mend.released})
    for name in ("demo", "base_c23", "small"):
        assert getattr(load_recipe(name), mend.name) != getattr(changed, mend.name)


def test_the_readme_describes_every_switch() -> None:
    section = README.read_text(encoding="utf-8").split("## Switches")[1].split("\n## ")[0]
    described = set(re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE))
    assert described == {mend.name for mend in MENDS} | {"test_margins"}


def scores(logit: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Scores:
    count = len(logit)
    video = np.array([f"v{i}" for i in range(count)])
    label = (np.arange(count) % 2).astype(np.int64)
    return Scores(video, label, np.array([f"g{i // 4}" for i in range(count)]), logit)


def test_the_difference_is_that_of_the_mean_aucs() -> None:
    rng = np.random.default_rng(0)
    better = [scores(rng.normal(size=80) + 1.5 * (np.arange(80) % 2)) for _ in range(6)]
    worse = [scores(rng.normal(size=80)) for _ in range(6)]
    found = _difference(better, worse, name="x")
    means = [np.mean([roc_auc_score(one.label, one.logit) for one in part]) for part in (better, worse)]
    assert found.point == pytest.approx(means[0] - means[1])
    assert 0 < found.low < found.point < found.high <= 1
    none = _difference(better, better, name="x")
    assert (none.low, none.point, none.high) == (0, 0, 0)
    back = _difference(worse, better, name="x")
    assert back.point == pytest.approx(-found.point)
    assert -1 <= back.low < back.high < 0


def test_few_seeds_make_it_wide() -> None:
    rng = np.random.default_rng(1)
    ones = [scores(rng.normal(size=80) + (np.arange(80) % 2)) for _ in range(8)]
    others = [scores(rng.normal(size=80) + (np.arange(80) % 2)) for _ in range(8)]
    few, many = _difference(ones[:2], others[:2], name="x"), _difference(ones, others, name="x")
    assert few.high - few.low > many.high - many.low


def test_a_training_is_cut_off_in_the_middle_and_nothing_else_is() -> None:
    counted: list[str] = []

    class Counted:
        def advance(self, count: int = 1, note: str = "") -> None:
            counted.extend([note] * count)

    class Counting(SilentProgress):
        @contextmanager
        def task(self, description: str, total: int | None = None) -> Iterator[ProgressTask]:
            counted.append(f"{description}: {total}")
            yield Counted()

    def ten(description: str) -> None:
        with _CutOff(Counting()).task(description, 10) as task:
            for _ in range(10):
                task.advance()

    ten("faces of ffpp")
    assert len(counted) == 1 + 10
    with pytest.raises(KeyboardInterrupt):
        ten("train fakestormer (demo)")
    assert len(counted) == 11 + 1 + 6


def test_what_cannot_be_compared_is_said_at_once() -> None:
    def measure(seeds: range, switches: tuple[str, ...]) -> None:
        measure_mends(
            recipe="demo",
            data="demo",
            size="small",
            seeds=seeds,
            switches=switches,
            overrides={},
            progress=SilentProgress(),
        )

    with pytest.raises(UsageError, match="unknown switch mirrors") as caught:
        measure(range(3), ("mirrors",))
    assert "mirror," in caught.value.hints[0]
    with pytest.raises(UsageError, match="at least two seeds"):
        measure(range(1), ("mirror",))
