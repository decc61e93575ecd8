"""Runs that are stored without scoring anything, for boards of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.results.made_runs import MakeRun, board_record, expected, store_run

from dfbench.runs.records.record import RunRecord
from dfbench.runs.records.run_file import make_folder


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    def make(
        entry: str,
        *,
        shift: float = 1.0,
        datasets: Sequence[str] = ("dfdc", "dfd"),
        day: int = 1,
        folder: str = "",
        manifest: str = "a",
        scores: bool = True,
        table: bool = True,
        flat: bool = False,
        **changes: Any,
    ) -> Path:
        record = board_record(entry, day=day, **changes)
        path = tmp_path / "runs" / (folder or f"{entry}-{day}")
        if not scores:
            make_folder(path)
            RunRecord.made({"schema": 1, "datasets": {}, **record}).write(path)
            return path
        videos = {name: expected(name, 40, group=manifest) for name in datasets}
        rng = np.random.default_rng(0)
        normal = rng.normal(size=40)
        logits = {
            (name, video.video_id): np.array([0.0 if flat else normal[number] + shift * int(video.label)])
            for name, rows in videos.items()
            for number, video in enumerate(rows)
        }
        store_run(path, record, videos, logits, table=table)
        return path

    return make


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"
