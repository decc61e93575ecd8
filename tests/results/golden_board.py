"""The stored runs of a board that shows everything: sections, marks, blanks, warnings, runs that are hidden or left out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tests.results.made_runs import board_record, expected, store_run

DATASETS = ("dfdc", "dfd")
COUNT = 40  # videos of each
THEIRS = {
    "name": "p",
    "distribution": "their-plugin",
    "version": "2.0",
    "sha256": "ab" * 32,
    "offers": [],
}
SHORT_LIST = {
    "listed": {"real": 20, "fake": 20},
    "official": {"real": 21, "fake": 20},
    "n_problems": 0,
    "problems": [],
    "misspelt": {},
}


def _run(
    folder: Path,
    entry: str,
    *,
    shift: float = 1.0,
    datasets: Sequence[str] = DATASETS,
    day: int = 1,
    people: str = "a",
    unscored: int = 0,
    flat: bool = False,
    drawn: int = 0,
    **changes: Any,
) -> None:
    """Store a run; `unscored`: how many videos of each dataset have no face."""
    record = board_record(entry, day=day, **changes)
    rng = np.random.default_rng(drawn)
    videos = {name: expected(name, COUNT, group=people) for name in datasets}
    logits = {
        (name, video.video_id): None
        if number < unscored
        else np.array([0.0 if flat else rng.normal() + shift * int(video.label)])
        for name, rows in videos.items()
        for number, video in enumerate(rows)
    }
    store_run(folder, record, videos, logits)


def store_golden_runs(runs: Path) -> None:
    """Store the runs below `runs`."""
    for seed, shift in enumerate((1.2, 1.7, 2.4)):
        _run(
            runs / f"net-{seed}",
            f"net (demo, ffpp/c23, seed {seed})",
            shift=shift,
            drawn=seed,
            detector={"name": "net", "version": "1", "weights_sha256": f"{seed}" * 64},
            seed=seed,
            training_seed=seed,
            training_corpora=["demo"],
            trained_on=["dfd", "ffpp"],
            training={"recipe": {"lr": 0.1}, "provenance": {"identity": {"seed": seed}}},
        )
    for day, shift in enumerate((0.1, 0.9, 0.2), start=1):
        _run(runs / f"weak-{day}", "weak | odd", shift=shift, day=day, plugins=[THEIRS])
    _run(runs / "twin-a", "twin", detector={"name": "twin", "weights_sha256": "a" * 64}, drawn=5)
    _run(runs / "twin-b", "twin", detector={"name": "twin", "weights_sha256": "b" * 64}, drawn=6)
    _run(runs / "listed", "short lists", shift=1.1, lists={"dfdc": SHORT_LIST}, drawn=7)
    _run(runs / "part", "half *of* it", shift=3.0, datasets=("dfdc",), drawn=8)
    _run(runs / "flat", "flat", flat=True)
    _run(
        runs / "friend", "friend", leaks={"dfd": ["leak: 1 group is in training and in test: anna"]}, drawn=9
    )
    _run(runs / "mystery", "mystery", shift=4.0, trained_on=None, drawn=10)
    _run(runs / "elsewhere", "elsewhere", shift=2.0, people="b", drawn=11)
    _run(runs / "faceless", "faceless", shift=2.0, unscored=4, drawn=12)
    _run(runs / "few", "few", shift=2.0, unscored=30, drawn=13)
    _run(runs / "own", "net on another corpus", corpus="official")
    _run(runs / "changed", "changed")
    record = json.loads((runs / "changed" / "run.json").read_text(encoding="utf-8"))
    (runs / "changed" / "run.json").write_text(json.dumps({**record, "entry": "renamed"}), encoding="utf-8")
