"""The folder of a run: the files in it, and where it lies among other runs; `record` reads and writes its `run.json`.

Beside it, `files.json` has the fingerprint of each file that the run expects, so that it can be told years later whether
a file is still the one that was scored.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from dfbench.data.datasets.manifest import FileFingerprints
from dfbench.data.folders import make_below, unmakeable, unwritable
from dfbench.errors import StoreError, UnreadableError
from dfbench.files import write_text_whole
from dfbench.text import storable
from dfbench.untrusted import MOST_JSON_LIST, read_json

NAME = "run.json"
SUMS = "scores.sha256"  # beside the scores, which `score_files` reads and writes
FILES = "files.json"
MANIFEST = "manifest.parquet"
LOCK = ".lock"
REPLACED = "replaced"  # the folder of runs that were computed again
ELSEWHERE = "set `runs` in dfbench.toml, or DFBENCH_RUNS, to a folder that can be written to"


def write_files(folder: Path, files: Iterable[FileFingerprints]) -> None:
    """Write the fingerprints of the videos and masks that a run expects, its tests in turn. Raises StoreError."""
    rows = [[*video, *found] for of_test in files for video, found in of_test.items()]
    write_text_whole(folder / FILES, json.dumps(rows, indent=0), hints=(ELSEWHERE,))


def read_files(folder: Path) -> FileFingerprints:
    """Read what `write_files` wrote; returns nothing of a run that has no such file, as runs of old do."""
    try:
        rows = read_json(folder / FILES, most=MOST_JSON_LIST)
        return {(str(dataset), str(video_id)): tuple(found) for dataset, video_id, *found in rows}
    except (UnreadableError, ValueError, TypeError):
        return {}


def make_folder(folder: Path) -> Path:
    """Make the folder of a run; returns it. Raises StoreError if it cannot be made, or leads out of the folder of all runs."""
    try:
        make_below(folder.parent, folder)
    except OSError as error:
        raise StoreError(
            f"the folder {storable(str(folder))} cannot be made: {error.strerror or error}",
            hints=(ELSEWHERE,),
        ) from error
    return folder


def set_aside(folder: Path) -> Path | None:
    """Move a stored run where no board looks, to `replaced/NAME-TIME` beside it; returns that place, None if there is none.

    Raises StoreError if it cannot be moved.
    """
    if not folder.exists():
        return None
    kept = folder.parent / REPLACED / f"{folder.name}-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
    try:
        make_below(folder.parent, kept.parent)
        folder.rename(kept)
        (kept / LOCK).unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(
            f"cannot move {folder} to {kept}: {error.strerror or error}", hints=("leave out --force",)
        ) from error
    return kept


def remove_run(folder: Path) -> None:
    """Remove a run of which nothing was scored: its records and its folders, which are kept if they hold anything else."""
    with suppress(OSError):
        for name in (NAME, FILES, MANIFEST, SUMS, LOCK):
            (folder / name).unlink(missing_ok=True)
        for below in [*folder.iterdir(), folder]:
            below.rmdir()


def refuse_unusable(runs: Path) -> None:
    """Raise StoreError if the folder of runs is not there and cannot be made: before anything is computed for it.

    A folder that is there and may not be written to is no fault yet: a complete run needs no writing.
    """
    if fault := unmakeable(runs):
        raise StoreError(
            f"the folder of runs {storable(str(runs))} cannot be made: {fault}", hints=(ELSEWHERE,)
        )


def refuse_unwritable(runs: Path) -> None:
    """Raise StoreError if no run can be put in the folder of runs: before weights are trained that a new run is to have."""
    if fault := unwritable(runs):
        raise StoreError(
            f"no run can be stored in the folder of runs {storable(str(runs))}: {fault}",
            hints=(ELSEWHERE, "the weights alone:   dfbench train"),
        )


def run_folders(runs: Path) -> Iterator[Path]:
    """The folders of all runs in `runs`, by name; one that may not be entered counts. Raises StoreError."""
    try:
        with os.scandir(runs) as entries:
            names = sorted(entry.name for entry in entries)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise StoreError(
            f"the folder of runs {runs} cannot be listed: {error.strerror or error}",
            hints=("make it readable, or name another with --runs",),
        ) from error
    for name in names:
        try:
            if (runs / name / NAME).lstat():
                yield runs / name
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:  # reading it will say what is wrong
            yield runs / name


def damaged(path: Path, reason: str) -> StoreError:
    """Return the error for a `run.json` that holds what it cannot hold, for this reason."""
    return StoreError(
        f"{path} is damaged: {reason}",
        hints=(
            "give the command of the run again: what was scored already is kept",
            f"or remove {path.parent}",
        ),
    )
