"""The ablation of the switches."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from tests.cli.command import Dfbench
from tests.results.made_runs import expected, store_run

import dfbench
from dfbench import ProgressTask, UsageError
from dfbench.progress import SilentProgress
from dfbench_fakestormer.ablation import PROTOCOL, SWITCHES, CutOff, Switch, measure_switches
from dfbench_fakestormer.recipe import load_recipe

README = Path(__file__).parents[2] / "fakestormer_plugin" / "README.md"


@pytest.mark.parametrize("switch", SWITCHES, ids=lambda switch: switch.name)
def test_each_is_a_switch_that_the_recipes_set_otherwise(switch: Switch) -> None:
    changed = load_recipe("demo", {**switch.needs, switch.name: switch.released})
    for name in ("demo", "base_c23", "small"):
        assert getattr(load_recipe(name), switch.name) != getattr(changed, switch.name)


def test_the_readme_describes_every_switch() -> None:
    section = README.read_text(encoding="utf-8").split("## Switches")[1].split("\n## ")[0]
    described = set(re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE))
    assert described == {switch.name for switch in SWITCHES} | {"test_margins"}


class Stored:
    """`dfbench.train` and `dfbench.run`, in a moment: the network is the better, the fewer fields are as released."""

    def __init__(self, runs: Path) -> None:
        self.runs = runs
        self.trained: list[dict[str, Any]] = []

    def train(self, detector: str, protocol: str, **asked: Any) -> Path:
        asked.pop("progress")
        self.trained.append({"detector": detector, "protocol": protocol, **asked})
        return Path(f"weights-{len(self.trained)}")

    def run(self, detector: str, protocol: str, *, weights: Path, **asked: Any) -> pd.DataFrame:
        made = self.trained[int(weights.name.partition("-")[2]) - 1]
        assert (asked["data"], asked["size"]) == (made["data"], made["size"])
        released = "released" in made["overrides"].values()
        videos = {"ffpp": expected("ffpp", 80, group="a")}
        rng = np.random.default_rng([made["seed"], released])
        logits = {
            ("ffpp", video.video_id): rng.normal(size=2) + (0.0 if released else 1.5) * int(video.label)
            for video in videos["ffpp"]
        }
        folder = self.runs / weights.name
        record = {"detector": {"name": detector}, "entry": "net", "protocol": protocol, "corpus": "demo"}
        store_run(folder, record, videos, logits)
        return pd.DataFrame({"run": [folder.name]})


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stored:
    stored = Stored(tmp_path / "runs")
    monkeypatch.setattr(dfbench, "train", stored.train, raising=False)
    monkeypatch.setattr(dfbench, "run", stored.run, raising=False)
    monkeypatch.setenv("DFBENCH_RUNS", str(stored.runs))
    return stored


@pytest.mark.slow
def test_a_switch_is_trained_both_ways_over_the_seeds_and_compared(stored: Stored) -> None:
    (effect,), runs = measure_switches(
        recipe="demo",
        data="demo",
        size="small",
        seeds=range(3),
        switches=("derivative",),
        overrides={"epochs": "1"},
        progress=SilentProgress(),
    )
    assert runs == stored.runs
    base = {"epochs": "1", "heatmap": "m_std_normalized"}
    asked = {
        "detector": "fakestormer",
        "protocol": PROTOCOL,
        "recipe": "demo",
        "data": "demo",
        "size": "small",
    }
    assert stored.trained == [
        {**asked, "seed": seed, "overrides": overrides}
        for overrides in (base, {**base, "derivative": "released"})
        for seed in range(3)
    ]
    logits = [dfbench.scores(str(runs / f"weights-{number}")) for number in range(1, 7)]
    aucs = [
        roc_auc_score(videos["label"], videos["logit"])
        for videos in (one.groupby("video_id", sort=False)[["label", "logit"]].mean() for one in logits)
    ]
    assert effect.mended == pytest.approx(np.mean(aucs[:3]))
    assert effect.released == pytest.approx(np.mean(aucs[3:]))
    assert effect.difference == pytest.approx(effect.mended - effect.released)
    assert 0 < effect.low < effect.difference < effect.high
    assert effect.to_row() == {
        "switch": "derivative",
        "needs": "heatmap=m_std_normalized",
        "mended": effect.mended,
        "released": effect.released,
        "difference": effect.difference,
        "low": effect.low,
        "high": effect.high,
        "seeds": 3,
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ablation", "mends"])
def test_the_command_shows_and_stores_what_each_switch_does(
    stored: Stored, dfbench: Dfbench, name: str
) -> None:
    ended = dfbench("fakestormer", name, "--seeds", "2", "--switch", "cells", "--switch", "crop")
    assert ended.code == 0, ended.err
    written = stored.runs / "ablation" / "ablation-cells-crop.csv"
    assert ended.out.splitlines()[-1] == f"written to {written}"
    table = pd.read_csv(written)
    assert table["switch"].tolist() == ["cells", "crop"]
    assert f"{table['difference'][0]:+.3f} [{table['low'][0]:+.3f}, {table['high'][0]:+.3f}]" in ended.out


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
        with CutOff(Counting()).task(description, 10) as task:
            for _ in range(10):
                task.advance()

    ten("faces of ffpp")
    assert len(counted) == 1 + 10
    with pytest.raises(KeyboardInterrupt):
        ten("train fakestormer (demo)")
    assert len(counted) == 11 + 1 + 6


def test_what_cannot_be_compared_is_said_at_once() -> None:
    def measure(seeds: range, switches: tuple[str, ...]) -> None:
        measure_switches(
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
