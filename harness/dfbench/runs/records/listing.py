"""The stored runs at a glance: what each is, and how it ended; nothing of it is checked."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from dfbench.errors import StoreError
from dfbench.runs.records.record import RunRecord
from dfbench.runs.records.run_file import run_folders


@dataclass(frozen=True, slots=True)
class ListedRun:
    """A run as its record tells it; of one that cannot be read, only `run`, its folder's name, and the `problem`."""

    run: str
    entry: str = ""
    protocol: str = ""
    corpus: str = ""
    status: str = ""
    started: str = ""
    finished: str = ""
    problem: str = ""

    def to_json(self) -> dict[str, str]:
        """Everything, JSON-ready."""
        return asdict(self)


def listed_runs(runs: Path) -> list[ListedRun]:
    """The runs in the folder `runs`, by name. Raises StoreError if it cannot be listed."""
    return [_listed(folder) for folder in run_folders(runs)]


def _listed(folder: Path) -> ListedRun:
    try:
        record = RunRecord.read(folder)
    except StoreError as error:
        return ListedRun(folder.name, status="unreadable", problem=error.message)
    return ListedRun(
        folder.name,
        entry=record.entry,
        protocol=record.protocol.name,
        corpus=record.corpus,
        status=record.status,
        started=record.started,
        finished=record.finished,
        problem=record.error,
    )
