"""`dfbench runs export`: copies of runs to give away, without what their readers need not know of the machine that made them.

What is scored, on which videos, with which packages and which processor stays. Where files lay goes, and so do messages about
them but for the name of the file; the copies follow from their records as the runs themselves do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from dfbench.errors import RunError, StoreError, UsageError
from dfbench.escaping import for_shell
from dfbench.results.checked import RUN_FILES, TABLE_CSV, check_run, measuring_code
from dfbench.results.tables import result_table, write_table
from dfbench.runs.records.private import Redaction, redaction
from dfbench.runs.records.run_file import FILES, LOCK, MANIFEST, NAME, SUMS, make_folder
from dfbench.runs.records.run_manifest import write_table_of_videos
from dfbench.runs.records.score_files import MERGED, metadata_of, score_schema, write_scores
from dfbench.runs.records.stored_run import StoredRun
from dfbench.runs.records.verification import content_of
from dfbench.settings import Settings
from dfbench.untrusted import MOST_JSON_LIST, read_bytes

_COPIED = (NAME, FILES, MANIFEST, MERGED, *RUN_FILES, TABLE_CSV)


@dataclass(frozen=True, slots=True)
class Exported:
    """A run that was copied: from where, where to, and a sentence for each thing that was left out."""

    run: Path
    copy: Path
    left_out: tuple[str, ...]


def export_runs(folders: Sequence[Path], target: Path, settings: Settings) -> list[Exported]:
    """Copy complete runs to `target`, each to a folder of its own name; returns what was copied.

    Raises UsageError if `target` is there and not an empty folder, RunError, before anything is written, if a run is not
    complete or does not follow from its record, and StoreError.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        run = (target / NAME).is_file()
        raise UsageError(
            f"{target} is {'a run itself' if run else 'there already'}: runs are copied to a new folder",
            hints=(f"dfbench runs export NEW_FOLDER {for_shell(target if run else 'RUN')}",),
        )
    names = [folder.resolve().name for folder in folders]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UsageError(f"two runs are called {twice[0]}", hints=("export them to two folders",))
    runs = [_usable(folder, settings) for folder in folders]
    private = redaction(settings)
    return [_copy(run, make_folder(target / name), private) for run, name in zip(runs, names, strict=True)]


def _usable(folder: Path, settings: Settings) -> StoredRun:
    """The run in `folder`, which may be given away."""
    run = StoredRun.read(folder)
    if not run.record.complete:
        raise RunError(
            f"{folder} is not complete", hints=("give the command of the run again, then export it",)
        )
    if problems := check_run(run, kept=settings.cache).problems:
        raise RunError(
            f"{folder} does not follow from its record: {'; '.join(problems)}",
            hints=(
                "score it again:  dfbench run ... --force",
                "or export others: dfbench runs export DIR RUN",
            ),
        )
    return run


def _copy(run: StoredRun, copy: Path, private: Redaction) -> Exported:
    told, left_out = run.record.redacted(private)
    left_out += _copy_scores(run, copy, private)
    manifest = run.manifest()
    if manifest is not None:
        write_table_of_videos(copy, manifest.assign(path="", mask_path=""))
        left_out.append("the paths of videos and masks")
    _copy_file(run.folder / FILES, copy / FILES)
    others = sorted(path.name for path in run.folder.iterdir() if path.name not in (*_COPIED, SUMS, LOCK))
    if others:
        left_out.append(f"what is no part of a run: {len(others)} in its folder")
    write_table(result_table(StoredRun(copy, told).videos(), record=told), copy)
    told = told.with_left_out(left_out)
    if run.record.content is not None:
        told = told.with_content(content_of(copy, (*RUN_FILES, TABLE_CSV)), measured_by=measuring_code())
    return Exported(run.folder, copy, told.write(copy).left_out)


def _copy_scores(run: StoredRun, copy: Path, private: Redaction) -> list[str]:
    """Copy the scores, with reasons that name files alone; returns what was left out."""
    scores = run.scores()
    reasons = scores["reason"].map(private.text)
    changed = int((reasons != scores["reason"]).sum())
    table = pa.Table.from_pandas(scores.assign(reason=reasons), schema=score_schema(), preserve_index=False)
    write_scores(table.replace_schema_metadata(metadata_of(merged=0)), copy / MERGED, run=copy)
    (copy / SUMS).unlink(missing_ok=True)
    return [f"folders in {changed} {'reason' if changed == 1 else 'reasons'}"] if changed else []


def _copy_file(source: Path, target: Path) -> None:
    if not source.is_file():
        return
    try:
        target.write_bytes(read_bytes(source, most=MOST_JSON_LIST))
    except OSError as error:
        raise StoreError(
            f"cannot write {target}: {error.strerror or error}", hints=(f"check {target.parent}",)
        ) from error
