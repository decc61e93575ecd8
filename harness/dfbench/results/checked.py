"""A stored run, checked: does its table follow from its scores, and these from its record? The figures are always made anew.

No board takes a figure from a file. What comes of a check is kept in the cache under the digest of everything that it looked
at, the code that measures included, so that a board of runs that nobody touched checks nothing twice.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from dfbench.errors import DataError, DfbenchError, StoreError, UnreadableError
from dfbench.identity import digest_of
from dfbench.results.tables import COLUMNS, read_table, result_table, typed
from dfbench.results.writing import write_text
from dfbench.runs.records.run_file import FILES, MANIFEST, SUMS
from dfbench.runs.records.score_files import MERGED, shards
from dfbench.runs.records.score_table import video_scores
from dfbench.runs.records.verification import (
    NO_MANIFEST,
    Finding,
    content_of,
    file_findings,
    list_findings,
    record_findings,
    score_findings,
)
from dfbench.untrusted import MOST_RECORD, read_json
from dfbench.version import VERSION

if TYPE_CHECKING:
    from dfbench.runs.records.stored_run import StoredRun

TABLE, TABLE_CSV = "table.parquet", "table.csv"
RUN_FILES = (MANIFEST, FILES, MERGED, TABLE)
OTHER_CODE = "table of another version of dfbench or numpy; the figures here are made anew of the scores"
KEPT = 4096  # checks in the cache, some 10 KB each
FOLDER = "checked"
_MEASURES = (
    "dfbench.data.datasets.official",
    "dfbench.metrics.clustered",
    "dfbench.metrics.point",
    "dfbench.metrics.uncertainty",
    "dfbench.results.checked",
    "dfbench.results.eligibility",
    "dfbench.results.tables",
    "dfbench.results.boards.training_marks",
    "dfbench.runs.records.score_table",
    "dfbench.runs.records.facts",
    "dfbench.runs.records.verification",
)


@dataclass(frozen=True, slots=True, eq=False)
class Checked:
    """What came of checking a run: each finding, its table made anew (None if that is impossible), and what to know of it."""

    findings: tuple[Finding, ...]
    table: pd.DataFrame | None = None
    notes: tuple[str, ...] = ()

    @property
    def problems(self) -> tuple[str, ...]:
        """What does not follow; nothing if the run may stand on a board."""
        return tuple(one.problem for one in self.findings if one.problem)


@cache
def measuring_code() -> str:
    """Digest (hex) of what can change a figure but the scores: the code that measures, its version and that of numpy."""
    parts = [VERSION, np.__version__, pd.__version__, platform.machine()]
    for name in _MEASURES:
        with suppress(OSError, TypeError):  # of an archive, whose version stands for it
            parts.append(sha256(Path(str(import_module(name).__file__)).read_bytes()).hexdigest())
    return digest_of(parts)


def check_run(run: StoredRun, *, kept: Path | None = None, made: pd.DataFrame | None = None) -> Checked:
    """Check a complete run; returns what was found, with the table that its scores give.

    `kept`: the cache folder in which what comes of it is looked for and kept. `made`: the table, if it was made of these very
    scores just now. Never raises for what a run may hold.
    """
    try:
        found = content_of(run.folder, RUN_FILES)
        beside = [*(shard.name for shard in shards(run.folder)), (run.folder / SUMS).exists()]
        key = digest_of([measuring_code(), run.record.told_digest, run.record.digest(), found, beside])
    except (DataError, TypeError, ValueError, RecursionError) as error:
        message = error.message if isinstance(error, DfbenchError) else f"{type(error).__name__}: {error}"
        return Checked((Finding("record", message),))
    place = None if kept is None else kept / FOLDER / key[:2] / f"{key}.json"
    if place is not None and (known := _known(place)) is not None:
        return known
    checked = _check(run, found, made)
    if place is not None:
        _keep(checked, place)
    return checked


def _check(run: StoredRun, found: Mapping[str, str], made: pd.DataFrame | None) -> Checked:
    findings = [*record_findings(run.record), *file_findings(run, found)]
    try:
        of_list, manifest = list_findings(run)
        of_scores, scores = score_findings(run, manifest)
        findings += [*of_list, *of_scores]
        if any(one.problem for one in findings):
            return Checked(tuple(findings))
        if made is None:
            made = result_table(video_scores(scores, run.pooling), record=run.record)
    except DfbenchError as error:
        return Checked((*findings, Finding("scores", error.message)))
    except (
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        ArithmeticError,
    ) as error:  # of what is no run's
        return Checked(
            (*findings, Finding("table", f"its table cannot be made: {type(error).__name__}: {error}"))
        )
    of_table, notes = _table_finding(run, found, made)
    unlisted = [NO_MANIFEST] if run.record.content is None else []
    return Checked((*findings, of_table), made, (*unlisted, *notes))


def _table_finding(run: StoredRun, found: Mapping[str, str], made: pd.DataFrame) -> tuple[Finding, list[str]]:
    """Whether the stored table is the one that the scores give, and a note where another code made it."""
    content = run.record.content
    if TABLE not in found:
        gone = content is not None and TABLE in content.sha256
        return Finding("table", f"{TABLE} is gone" if gone else ""), []
    try:
        differs = difference(read_table(run.folder / TABLE), made)
    except StoreError as error:
        differs = error.message
    if not differs:
        return Finding("table"), []
    if content is None:
        return Finding("table"), [f"{TABLE} differs from what its scores give, which counts: {differs}"]
    as_written = content.sha256.get(TABLE) == found[TABLE]
    if as_written and content.measured_by != measuring_code():
        return Finding("table"), [OTHER_CODE]
    return Finding("table", f"{TABLE} does not follow from its scores: {differs}"), []


def difference(stored: pd.DataFrame, made: pd.DataFrame) -> str:
    """Say where two result tables differ by more than rounding; returns "" if they do not."""
    if len(stored) != len(made):
        return f"it has {len(stored)} rows, not {len(made)}"
    for name in COLUMNS:
        left, right = stored[name], made[name]
        if str(right.dtype) == "float64":
            values = left.to_numpy(np.float64), right.to_numpy(np.float64)
            same = np.isclose(*values, rtol=1e-9, atol=1e-12, equal_nan=True)
        else:
            same = (left.astype(object).fillna("") == right.astype(object).fillna("")).to_numpy()
        if not same.all():
            row = int(np.argmin(same))
            where = f"{made['dataset'][row]}, {made['manipulation'][row]}"
            return f"{name} of {where} is {left[row]}, not {right[row]}"
    return ""


def _known(place: Path) -> Checked | None:
    """What was kept of a check; None if nothing was, or what lies there is something else."""
    try:
        content = read_json(place, most=MOST_RECORD)
        rows = content["table"]
        table = None if rows is None else typed(pd.DataFrame(rows, columns=list(COLUMNS)))
        findings = tuple(Finding(str(check), str(problem)) for check, problem in content["findings"])
        return Checked(findings, table, tuple(map(str, content["notes"])))
    except (UnreadableError, ValueError, TypeError, KeyError):
        return None


def _keep(checked: Checked, place: Path) -> None:
    """Keep what came of a check, if the cache can be written to; the oldest give way to it."""
    table = checked.table
    rows = None if table is None else table.astype(object).where(table.notna(), None).to_numpy().tolist()
    content = {
        "findings": [[one.check, one.problem] for one in checked.findings],
        "notes": list(checked.notes),
        "table": rows,
    }
    with suppress(StoreError, OSError):
        write_text(place, json.dumps(content))
        others = list(place.parent.parent.glob("*/*.json"))
        if len(others) > KEPT:
            for old in sorted(others, key=lambda path: path.stat().st_mtime)[: KEPT // 4]:
                old.unlink(missing_ok=True)
