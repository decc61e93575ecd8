"""`dfbench runs export`: copies of runs to give away, without what their readers need not know of the machine that made them.

What is scored, on which videos, with which packages and which processor stays. Where files lay goes, and so do messages about
them but for the name of the file; the copies follow from their records as the runs themselves do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from dfbench.errors import RunError, StoreError, UsageError
from dfbench.escaping import for_shell
from dfbench.results.checked import MEASURED_BY, RUN_FILES, TABLE_CSV, check_run, measuring_code
from dfbench.results.tables import result_table, write_table
from dfbench.runs.records.private import Redaction, redaction
from dfbench.runs.records.run_file import (
    DIGEST,
    FILES,
    LOCK,
    MANIFEST,
    NAME,
    SUMS,
    make_folder,
    read_record,
    write_record,
)
from dfbench.runs.records.run_manifest import read_manifest, write_table_of_videos
from dfbench.runs.records.score_files import MERGED, metadata_of, score_schema, write_scores
from dfbench.runs.records.score_table import read_scores, video_scores
from dfbench.runs.records.verification import CONTENT, content_of
from dfbench.settings import Settings
from dfbench.types import Pooling
from dfbench.untrusted import MOST_JSON_LIST, read_bytes

LEFT_OUT = "left_out"  # in the record of a copy
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
    records = {folder: _usable(folder, settings) for folder in folders}
    private = redaction(settings)
    return [
        _copy(folder, make_folder(target / name), record, private)
        for (folder, record), name in zip(records.items(), names, strict=True)
    ]


def _usable(folder: Path, settings: Settings) -> dict[str, Any]:
    """The record of a run that may be given away."""
    record = read_record(folder)
    if record.get("status") != "complete":
        raise RunError(
            f"{folder} is not complete", hints=("give the command of the run again, then export it",)
        )
    if problems := check_run(folder, record, kept=settings.cache).problems:
        raise RunError(
            f"{folder} does not follow from its record: {'; '.join(problems)}",
            hints=(
                "score it again:  dfbench run ... --force",
                "or export others: dfbench runs export DIR RUN",
            ),
        )
    return record


def _copy(folder: Path, copy: Path, record: Mapping[str, Any], private: Redaction) -> Exported:
    told, left_out = _record_told(record, private)
    left_out += _copy_scores(folder, copy, private)
    manifest = read_manifest(folder)
    if manifest is not None:
        write_table_of_videos(copy, manifest.assign(path="", mask_path=""))
        left_out.append("the paths of videos and masks")
    _copy_file(folder / FILES, copy / FILES)
    others = sorted(path.name for path in folder.iterdir() if path.name not in (*_COPIED, SUMS, LOCK))
    if others:
        left_out.append(f"what is no part of a run: {len(others)} in its folder")
    videos = video_scores(read_scores(copy), Pooling(record["pooling"]))
    write_table(result_table(videos, meta=told), copy)
    left_out = list(dict.fromkeys(left_out))
    told = {**told, LEFT_OUT: left_out}
    if CONTENT in record:
        told[CONTENT] = {**content_of(copy, (*RUN_FILES, TABLE_CSV)), MEASURED_BY: measuring_code()}
    write_record(copy, told)
    return Exported(folder, copy, tuple(left_out))


def _record_told(record: Mapping[str, Any], private: Redaction) -> tuple[dict[str, Any], list[str]]:
    """A record without folders, names of machines and messages about files; and what was left out of it."""
    told = {name: value for name, value in record.items() if name not in (DIGEST, CONTENT, LEFT_OUT)}
    left_out = list(record.get(LEFT_OUT) or [])
    lists = {
        name: {**one, "problems": []} if isinstance(one, dict) else one
        for name, one in (record.get("lists") or {}).items()
    }
    if any(one.get("problems") for one in (record.get("lists") or {}).values()):
        left_out.append("which lines of the lists could not be used (how many stays)")
    told["lists"] = lists
    for name, messages in (
        ("leaks", True),
        ("training", False),
        ("read_as", False),
        ("environment", False),
        ("sessions", False),
    ):
        if name in told:
            redacted = private.value(told[name], messages=messages)
            if redacted != told[name]:
                left_out.append(f"folders, machines and kernels in `{name}`")
            told[name] = redacted
    return told, left_out


def _copy_scores(folder: Path, copy: Path, private: Redaction) -> list[str]:
    """Copy the scores, with reasons that name files alone; returns what was left out."""
    scores = read_scores(folder)
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
