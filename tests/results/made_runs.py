"""Complete runs in a moment: with their list of videos, scores that nobody computed, a table, and a record that fits them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from tests.stored_records import json_of, own_identity, seal

from dfbench.data.datasets.manifest import file_fingerprints, fingerprints_digest, manifest_digest
from dfbench.results.boards.board import Board
from dfbench.results.boards.leaderboard import leaderboard
from dfbench.results.boards.stored import collect
from dfbench.results.checked import RUN_FILES, TABLE_CSV, check_run, measuring_code
from dfbench.results.renderings.terminal import terminal_table
from dfbench.results.tables import result_table, write_table
from dfbench.runs.planning.setup import Setup
from dfbench.runs.records.record import RunRecord
from dfbench.runs.records.run_file import MANIFEST, SUMS, write_files
from dfbench.runs.records.run_manifest import write_manifest
from dfbench.runs.records.score_table import ScoreWriter, read_scores, video_scores
from dfbench.runs.records.stored_run import StoredRun
from dfbench.runs.records.verification import content_of
from dfbench.settings import load_settings
from dfbench.types import Label, Status, Video

MakeRun = Callable[..., Path]  # `make_run(entry, ...)` of conftest.py
Logits = Mapping[tuple[str, str], NDArray[np.float64] | None]  # of a video's clips; None: it has no face


def expected(dataset: str, count: int, *, group: str = "") -> list[Video]:
    """So many videos, real and fake in turn, each of a person of its own (whose name begins with `group`)."""
    return [
        Video(
            dataset=dataset,
            video_id=str(number),
            path=Path("/nowhere") / f"{number}.mp4",
            label=Label(number % 2),
            split="test",
            manipulation="swap" if number % 2 else "real",
            compression="",
            identities=(),
            group=f"{group}{number}",
        )
        for number in range(count)
    ]


def board_record(entry: str, *, day: int, **changes: Any) -> dict[str, Any]:
    """The record of a run that ended on this day of February, of the demo corpus and trained on FF++; `changes` go first."""
    return {
        "detector": {"name": entry.partition(" ")[0]},
        "entry": entry,
        "protocol": "cross-dataset",
        "corpus": "demo",
        "trained_on": ["ffpp"],
        "started": "2026-01-01T00:00:00+00:00",
        "finished": f"2026-02-{day:02d}T00:00:00+00:00",
        **changes,
    }


def store_run(
    folder: Path,
    record: Mapping[str, Any],
    videos: Mapping[str, Sequence[Video]],
    logits: Logits,
    *,
    older: bool = False,
    table: bool = True,
    draws: int = 100,
) -> dict[str, Any]:
    """Store a run as `dfbench run` does, or as versions before there were manifests did (`older`); returns its record as JSON.

    `record` stands in for what a request would say; its `datasets`, its identity and its content are worked out here.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: file_fingerprints(rows) for name, rows in videos.items()}
    datasets = {
        name: {
            "manifest": manifest_digest(rows),
            "files": fingerprints_digest(files[name]),
            "videos": len(rows),
        }
        for name, rows in videos.items()
    }
    whole = {"schema": 1, "status": "complete", "pooling": "mean_logit", **record, "datasets": datasets}
    whole["identity"] = own_identity(whole)
    write_files(folder, files.values())
    with ScoreWriter(folder, every=10_000) as writer:
        for rows in videos.values():
            for video in rows:
                values = logits[video.dataset, video.video_id]
                if values is None:
                    writer.add_status(video, status=Status.NO_FACE, reason="no face in any frame")
                else:
                    writer.add_video(video, frames=np.zeros((len(values), 1), np.int64), logits=values)
        writer.finish()
    made = result_table(
        video_scores(read_scores(folder), whole["pooling"]), record=RunRecord.made(whole), draws=draws
    )
    if table:
        write_table(made, folder)
    if older:
        (folder / SUMS).unlink()
        (folder / "run.json").write_text(json.dumps(whole, indent=1), encoding="utf-8")
    else:
        write_manifest(folder, videos, [Path("/nowhere")])
        content = content_of(folder, (MANIFEST, *RUN_FILES, TABLE_CSV))
        RunRecord.made(whole).with_content(content, measured_by=measuring_code()).write(folder)
    run = StoredRun.read(folder)
    # Kept with this table, so that no test waits for one of 2,000 draws.
    check_run(run, kept=load_settings().cache, made=made)
    return run.record.to_json()


def rewrite(folder: Path, **changes: Any) -> None:
    """Change fields of a run's record as a forger would who knows of digests: the identity and the digest fit again."""
    record = {**json_of(folder), **changes}
    if "identity" not in changes:
        record["identity"] = own_identity(record)
    seal(folder, record)


def board_of(runs: Path, corpus: str | None = None) -> Board:
    """The board of the runs in a folder."""
    return leaderboard(collect(runs, Setup()), where=runs, protocol="cross-dataset", corpus=corpus)


def text_of(board: Board) -> str:
    """A board as a terminal of 120 columns shows it."""
    console = Console(width=120, file=io.StringIO(), record=True, color_system=None)
    console.print(terminal_table(board))
    return console.export_text()
