"""Runs that differ in their seed alone, as one row of a leaderboard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.results.made_runs import store_run

from dfbench.metrics.point import auc
from dfbench.results.boards import seeds
from dfbench.results.boards.leaderboard import leaderboard
from dfbench.results.boards.stored import collect
from dfbench.results.paired import scored_videos
from dfbench.results.renderings.dataframe import frame_of
from dfbench.runs.planning.setup import Setup
from dfbench.runs.records.entries import entry_name, entry_of_seeds, with_weights, without_seed
from dfbench.runs.records.score_table import read_scores, video_scores
from dfbench.runs.records.stored_run import StoredRun
from dfbench.types import Label, Video

MakeSeed = Callable[..., Path]
FAMILY = "net (demo, ffpp/c23, "
DATASETS = ("dfdc", "dfd")


def video(dataset: str, number: int, *, of: str = "") -> Video:
    label = Label(number % 2)
    return Video(
        dataset=dataset,
        video_id=str(number),
        path=Path(f"{number}.mp4"),
        label=label,
        split="test",
        manipulation="swap" if label else "real",
        compression="",
        identities=(str(number // 4),),
        group=f"{of}{number // 4}",
    )


@pytest.fixture
def make_seed(tmp_path: Path) -> MakeSeed:
    def make(
        seed: int,
        *,
        shift: float = 1.0,
        entry: str = "",
        manifest: str = "a",
        failed: Sequence[int] = (),
        count: int = 48,
        version: str = "1",
        weights: str = "",
        lr: float = 1e-3,
        training_seed: int | None = -1,
        corpora: Sequence[str] = ("demo",),
        drawn: int | None = None,
    ) -> Path:
        trained = seed if training_seed == -1 else training_seed
        record = {
            "detector": {"name": "net", "version": version, "weights_sha256": weights or f"w{seed}"},
            "entry": entry or entry_name("net", ("demo", "", "ffpp/c23"), seed=trained),
            "seed": seed,
            "training_seed": trained,
            "training_corpora": list(corpora),
            "pooling": "mean_logit",
            "protocol": "cross-dataset",
            "corpus": "demo",
            "trained_on": ["ffpp"],
            "training": {"recipe": {"lr": lr}, "provenance": {"identity": {"seed": seed}}},
            "started": "2026-01-01T00:00:00+00:00",
            "finished": f"2026-02-{seed + 1:02d}T00:00:00+00:00",
        }
        path = tmp_path / "runs" / f"run-{seed}-{manifest}"
        videos = {name: [video(name, number, of=manifest) for number in range(count)] for name in DATASETS}
        rng = np.random.default_rng(seed if drawn is None else drawn)
        logits = {
            (name, one.video_id): None if number in failed else rng.normal(size=2) + shift * int(one.label)
            for name, rows in videos.items()
            for number, one in enumerate(rows)
        }
        store_run(path, record, videos, logits, draws=200)
        return path

    return make


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def boards(runs: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The board of each seed by entry, and that over seeds by entry."""
    one = frame_of(leaderboard(collect(runs, Setup()), where=runs, protocol="cross-dataset"))
    many = frame_of(
        leaderboard(collect(runs, Setup()), where=runs, protocol="cross-dataset", over_seeds=True)
    )
    return one.set_index("entry", drop=False), many.set_index("entry", drop=False)


def test_names() -> None:
    assert entry_name("net", ("demo", "", "ffpp/c23"), seed=3) == f"{FAMILY}seed 3)"
    assert entry_name("net", (), seed=0) == "net (seed 0)"
    assert entry_name("net", ("", "demo"), seed=None) == "net (demo)"
    assert entry_name("net", ("",), seed=None) == "net"
    assert with_weights("net (seed 0)", "0123456789") == "net (seed 0, weights 01234567)"
    assert with_weights("net", "") == "net (weights none)"
    assert without_seed("net (seed 0)", 0) == "net ("
    assert without_seed("net (seed 0)", 1) == "net (seed 0)"
    assert without_seed("net (seed 0)", None) == "net (seed 0)"
    assert entry_of_seeds(FAMILY, (2, 0)) == f"{FAMILY}2 seeds: 0, 2)"


@pytest.mark.slow
def test_seeds_are_one_row_with_their_mean(make_seed: MakeSeed, runs: Path) -> None:
    for seed, shift in enumerate((0.4, 1.0, 1.6)):
        make_seed(seed, shift=shift)
    each, board = boards(runs)
    assert board["entry"].tolist() == [f"{FAMILY}3 seeds: 0, 1, 2)"]
    row = board.iloc[0]
    for name in (*DATASETS, "mean"):
        assert row[name] == pytest.approx(each[name].mean())
        assert row[f"{name}_low"] < row[name] < row[f"{name}_high"]
        # Seeds that disagree make the interval wider than theirs are in the mean.
        widths = each[f"{name}_high"] - each[f"{name}_low"]
        assert row[f"{name}_high"] - row[f"{name}_low"] > widths.mean()
    assert row["run"] == "run-0-a+run-1-a+run-2-a"
    assert row["rank"] == 1
    captions = leaderboard(
        collect(runs, Setup()), where=runs, protocol="cross-dataset", over_seeds=True
    ).captions
    assert any("Student" in line for line in captions)


def test_seeds_that_agree_are_as_wide_as_one(make_seed: MakeSeed, runs: Path) -> None:
    make_seed(0)
    make_seed(1, drawn=0)
    each, board = boards(runs)
    for name in DATASETS:
        assert board[f"{name}_low"].iloc[0] == pytest.approx(each[f"{name}_low"].iloc[0], abs=0.03)
        assert board[f"{name}_high"].iloc[0] == pytest.approx(each[f"{name}_high"].iloc[0], abs=0.03)


def test_what_is_no_seed_of_another_stays_alone(make_seed: MakeSeed, runs: Path) -> None:
    make_seed(0)
    make_seed(1, manifest="b")
    make_seed(2, entry="other (seed 2)")
    each, board = boards(runs)
    assert set(board["entry"]) == set(each["entry"])
    for name in ("dfd_low", "mean_low"):
        assert board[name].to_dict() == each[name].to_dict()


@pytest.mark.parametrize("change", [{"version": "2"}, {"lr": 1e-4}, {"weights": "w0"}])
def test_runs_that_differ_in_more_or_less_than_the_seed_stay_alone(
    make_seed: MakeSeed, runs: Path, change: dict[str, Any]
) -> None:
    make_seed(0)
    make_seed(1, **change)
    each, board = boards(runs)
    assert set(board["entry"]) == set(each["entry"])
    assert len(board) == 2


@pytest.mark.slow
def test_weights_of_one_seed_are_no_further_seed(make_seed: MakeSeed, runs: Path) -> None:
    """Two weights that say seed 0: which of them is that training, nobody knows."""
    for seed in range(3):
        make_seed(seed)
    make_seed(7, training_seed=0, weights="worse", shift=0.1)
    _, board = boards(runs)
    assert set(board["entry"]) == {
        f"{FAMILY}seed 0, weights w0)",
        f"{FAMILY}seed 0, weights worse)",
        f"{FAMILY}2 seeds: 1, 2)",
    }
    assert board["mean"][f"{FAMILY}2 seeds: 1, 2)"] == pytest.approx(board["mean"].max(), abs=0.2)


def test_one_training_scored_by_several_commands_is_one_row(make_seed: MakeSeed, runs: Path) -> None:
    for seed in (0, 7, 8):
        make_seed(seed, training_seed=0, weights="w0")
    for board in boards(runs):
        assert board["entry"].tolist() == [f"{FAMILY}seed 0)"]
        assert board["older_hidden"].tolist() == [2]


def test_weights_without_a_seed_are_not_pooled(make_seed: MakeSeed, runs: Path) -> None:
    for seed in (0, 1):
        make_seed(seed, training_seed=None)
    for board in boards(runs):
        assert set(board["entry"]) == {f"{FAMILY[:-2]}, weights w0)", f"{FAMILY[:-2]}, weights w1)"}


def test_trainings_on_other_corpora_are_not_pooled(make_seed: MakeSeed, runs: Path) -> None:
    make_seed(0)
    make_seed(1, corpora=("official",))
    _, board = boards(runs)
    assert len(board) == 2


def test_the_interval_rests_on_videos_that_all_seeds_scored(make_seed: MakeSeed, runs: Path) -> None:
    make_seed(0, failed=(0, 1))
    make_seed(1)
    _, board = boards(runs)
    row = board.iloc[0]
    assert row["coverage"] == pytest.approx(46 / 48)
    assert "not scored: 1 real, 1 fake" in row["note"]
    scores = [
        video_scores(read_scores(runs / f"run-{seed}-a"), "mean_logit").query("status == 'ok'")
        for seed in (0, 1)
    ]
    expected = [
        auc(one["logit"].to_numpy(), one["label"].to_numpy())
        for one in (table[table["dataset"] == "dfd"] for table in scores)
    ]
    assert row["dfd"] == pytest.approx(np.mean(expected))


@pytest.mark.parametrize("bad", [0, 1])
def test_without_a_class_there_is_no_value(make_seed: MakeSeed, runs: Path, bad: int) -> None:
    make_seed(bad, failed=range(0, 48, 2))
    make_seed(1 - bad)
    _, board = boards(runs)
    assert board["dfd"].isna().all()
    assert board["dfd_low"].isna().all()
    assert board["mean"].isna().all()
    assert board["rank"].isna().all()


def test_a_seed_whose_scores_are_gone_is_left_out_and_named(make_seed: MakeSeed, runs: Path) -> None:
    for seed in range(3):
        make_seed(seed)
    (runs / "run-1-a" / "scores.parquet").write_bytes(b"no parquet")
    each, board = boards(runs)
    assert len(each) == 2
    assert board["entry"].tolist() == [f"{FAMILY}2 seeds: 0, 2)"]
    assert board["run"].tolist() == ["run-0-a+run-2-a"]
    (runs / "run-0-a" / "scores.parquet").unlink()
    found = leaderboard(collect(runs, Setup()), where=runs, protocol="cross-dataset", over_seeds=True)
    assert [row.entry for row in found.rows] == [f"{FAMILY}seed 2)"]
    assert [sentence[:40] for sentence in sorted(found.left_out)] == [
        "run-0-a: scores.parquet is gone; scores.",
        "run-1-a: scores.parquet was changed sinc",
    ]


def test_too_few_videos_that_all_seeds_scored_have_no_mean(make_seed: MakeSeed, runs: Path) -> None:
    make_seed(0, failed=range(24))
    make_seed(1, failed=range(30, 48))
    each, board = boards(runs)
    assert each["dfd"].notna().all()  # 24 and 30 videos; both scored but six
    assert board[["dfd", "dfd_low", "mean", "mean_high"]].isna().all(axis=None)
    assert "too few to show: 3 real and 3 fake scored" in board["note"].iloc[0]
    assert board["section"].tolist() == ["coverage below 95 %"]


def test_seeds_that_tell_other_facts_of_a_video_stay_alone(
    make_seed: MakeSeed, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(2):
        make_seed(seed)

    def altered(run: StoredRun) -> pd.DataFrame:
        videos = scored_videos(run)
        return videos.assign(group="anna") if run.name == "run-1-a" else videos

    monkeypatch.setattr(seeds, "scored_videos", altered)
    board = leaderboard(collect(runs, Setup()), where=runs, protocol="cross-dataset", over_seeds=True)
    assert sorted(row.entry for row in board.rows) == [f"{FAMILY}seed 0)", f"{FAMILY}seed 1)"]
    (sentence,) = board.left_out
    assert sentence.startswith("run-0-a+run-1-a: not pooled: the runs differ in the group of the video '0'")
