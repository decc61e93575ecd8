"""Links in a stranger's folder of runs, under the names of files that dfbench is about to write: they lead nowhere.

The names of temporary files cannot be foreseen (`dfbench.files`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.stored_records import record_of

from dfbench.data.datasets.manifest import manifest_of
from dfbench.errors import StoreError
from dfbench.results.writing import write_text
from dfbench.runs.records.run_file import SUMS, write_files
from dfbench.runs.records.run_manifest import write_table_of_videos
from dfbench.runs.records.score_files import keep_sum_of, score_table, write_scores
from dfbench.runs.records.trained import note_training

WRITERS: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "text": (
        lambda run: write_text(run / "leaderboard.csv", "x"),
        ("leaderboard.csv",),
    ),
    "record": (
        lambda run: record_of().write(run),
        ("run.json",),
    ),
    "files": (lambda run: write_files(run, []), ("files.json",)),
    "manifest": (
        lambda run: write_table_of_videos(run, manifest_of([])),
        ("manifest.parquet",),
    ),
    "scores": (
        lambda run: write_scores(score_table([]), run / "scores.parquet", run=run),
        ("scores.parquet", SUMS),
    ),
    "sums": (lambda run: keep_sum_of(run, run / "other"), (SUMS,)),
    "training": (
        lambda run: note_training(run, run / "other", {}),
        ("dfbench-training.json",),
    ),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_what_a_link_leads_to_is_never_written(tmp_path: Path, writer: str) -> None:
    write, names = WRITERS[writer]
    run, victim = tmp_path / "run", tmp_path / "victim"
    run.mkdir()
    (run / "other").write_bytes(b"other")
    write(run)
    made = {path.name for path in run.iterdir()} - {"other"}
    assert made <= set(names)  # the names that this test plants are those that are written
    victim.write_bytes(b"mine")
    for name in names:
        (run / name).unlink(missing_ok=True)
        (run / name).symlink_to(victim)
    write(run)
    assert victim.read_bytes() == b"mine"
    assert not any(path.is_symlink() for path in run.iterdir())
    assert {path.name for path in run.iterdir()} - {"other"} == made


def test_a_folder_in_the_place_of_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(StoreError, match=r"cannot write .*a\.csv: Is a directory"):
        write_text(tmp_path / "a.csv", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
