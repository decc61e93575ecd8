"""From a scored run to its table: made of the scores, held against the videos that the run expects, and stored beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dfbench.errors import DfbenchError, RunError, StoreError
from dfbench.results.checked import RUN_FILES, TABLE, TABLE_CSV, check_run, measuring_code
from dfbench.results.tables import ALL, result_table, write_table
from dfbench.runs.records.run_file import MANIFEST
from dfbench.runs.records.run_manifest import write_manifest
from dfbench.runs.records.stored_run import StoredRun
from dfbench.runs.records.verification import content_of, expected_problems, held_against

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from dfbench.interfaces import Progress
    from dfbench.runs.scoring.evaluation import ScoredRun

ALTERED = "does not follow from its record"


def table_of(scored: ScoredRun, *, cache: Path, progress: Progress) -> pd.DataFrame:
    """The result table of a run that was scored, now or before, which is stored with it; returns the table.

    A run that was altered since it was scored is held against the videos that it should have, and its table says so; it is
    left as it is. Raises DfbenchError if no table can be made or stored.
    """
    run = scored.run
    if scored.computed:
        table = result_table(run.videos(), record=run.record)
        _store(scored, table, cache)
        return table
    checked = check_run(run, kept=cache)
    altered = [one.problem for one in checked.findings if one.problem and one.check != "table"]
    if not altered and run.record.content is None:
        altered = expected_problems(run.scores(), scored.plan.videos)
    if altered or checked.table is None:
        return _held_against_record(scored, altered or list(checked.problems))
    for problem in checked.problems:
        progress.note(f"warning: {problem}: it is written anew")
    if checked.problems or not _is_stored(run):
        try:
            _store(scored, checked.table, cache)
        except StoreError as error:
            # Somebody else's run may be looked at where it may not be written to.
            progress.note(f"warning: {error.message}: the table that is stored there stays")
    return checked.table


def _held_against_record(scored: ScoredRun, altered: list[str]) -> pd.DataFrame:
    """The table of a run that was altered, which says so: what its scores give for the videos that were expected."""
    name, asked = scored.run.name, StoredRun(scored.run.folder, scored.plan.record)
    try:
        table = result_table(held_against(asked.videos(), scored.plan.videos), record=scored.plan.record)
    except DfbenchError as error:
        raise RunError(
            f"{name} {ALTERED}: {'; '.join(altered)}",
            hints=(error.message, "score it again:   --force", "look at it:       dfbench runs verify"),
        ) from error
    told = f"{name} {ALTERED}: {'; '.join(altered)}; it is on no board, --force scores it again"
    whole = table["manipulation"] == ALL
    table.loc[whole, "note"] = [f"{told}; {note}" if note else told for note in table.loc[whole, "note"]]
    return table


def _is_stored(run: StoredRun) -> bool:
    """Whether the tables beside a run are those that this version made of it."""
    content = run.record.content
    if content is None or content.measured_by != measuring_code():
        return False
    found = content_of(run.folder, (TABLE, TABLE_CSV))
    return found == {name: content.sha256.get(name) for name in (TABLE, TABLE_CSV)}


def _store(scored: ScoredRun, table: pd.DataFrame, cache: Path) -> None:
    """Write the tables of a run, and in its record what they are; one of an earlier version gets its list of videos, too."""
    folder, record = scored.run.folder, scored.run.record
    write_table(table, folder)
    if record.content is None or MANIFEST not in record.content.sha256:
        write_manifest(folder, scored.plan.videos, scored.session.source.roots.values())
    content = content_of(folder, (*RUN_FILES, TABLE_CSV))
    written = scored.run.write(record.with_content(content, measured_by=measuring_code()))
    check_run(written, kept=cache, made=table)  # so that the first board need not make it again
