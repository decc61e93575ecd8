"""`dfbench runs verify`: everything that can be checked of stored runs, with the data sets where these are at hand.

A board checks what its figures rest on. Here nothing is taken from the cache, unfinished runs are looked at, too, and the list of
videos is compared with the data set that it was made of. It is no proof against a forger, who makes a whole other run.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dfbench.csv_text import csv_of
from dfbench.data.datasets.manifest import file_fingerprints
from dfbench.errors import DfbenchError, StoreError
from dfbench.results.checked import TABLE_CSV, Checked, check_run
from dfbench.runs.evidence.recorded import open_run, session_of
from dfbench.runs.planning.session import Session
from dfbench.runs.planning.setup import Setup
from dfbench.runs.planning.sources import configured_source, with_corpora
from dfbench.runs.records.run_file import NAME, run_folders
from dfbench.runs.records.score_files import changed_files
from dfbench.runs.records.stored_run import StoredRun
from dfbench.runs.records.verification import Finding, content_of, record_findings
from dfbench.types import Label, Video
from dfbench.untrusted import MOST_RECORD, read_bytes

if TYPE_CHECKING:
    import pandas as pd

    from dfbench.interfaces import Progress
    from dfbench.settings import Settings

DATA = "data"
_SCORED_FACTS = ("label", "manipulation", "split", "compression", "group")
_FACTS = (*_SCORED_FACTS, "identities")
_NAMED = 3  # videos that a sentence names


class State(StrEnum):
    """What came of verifying a run."""

    FOLLOWS = "follows"
    EARLIER = "no manifest"
    UNFINISHED = "unfinished"
    ALTERED = "does not follow"
    UNREADABLE = "unreadable"


WRONG = (State.ALTERED, State.UNREADABLE)


@dataclass(frozen=True, slots=True)
class Verified:
    """A run that was verified: what was checked of it, what does not follow, and what else is to be known."""

    run: str
    folder: Path
    state: State
    checked: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Everything, JSON-ready."""
        return {**asdict(self), "folder": str(self.folder), "state": str(self.state)}


def folders_of(names: Sequence[str], settings: Settings) -> list[Path]:
    """The folders of runs that are meant: of a run, of several runs, or the name (or its beginning) of a stored run.

    Without names, all stored runs. Raises UnknownNameError, StoreError if there is none.
    """
    found: dict[Path, None] = {}
    for name in names or [str(settings.runs)]:
        folder = Path(name)
        if (folder / NAME).is_file():
            runs = [folder]
        else:
            runs = list(run_folders(folder)) if folder.is_dir() else []
            if not runs and names:
                runs = [open_run(name, settings).folder]
        found.update(dict.fromkeys(runs))
    if not found:
        raise StoreError(f"there are no runs in {settings.runs}", hints=("name a folder of runs",))
    return list(found)


def verify(folder: Path, setup: Setup, progress: Progress) -> Verified:
    """Check one run. Never raises for what it may hold; what cannot be checked for want of data is noted."""
    try:
        run = StoredRun.read(folder)
    except StoreError as error:
        return Verified(folder.name, folder, State.UNREADABLE, problems=(error.message,))
    if not run.record.complete:
        return _unfinished(run)
    checked = check_run(run)
    findings = [*checked.findings, *_csv_finding(run, checked)]
    notes = [*checked.notes, *_name_note(run)]
    if not checked.problems:
        of_data, told = _data_findings(run, setup, progress)
        findings += of_data
        notes += told
    problems = tuple(one.problem for one in findings if one.problem)
    state = State.EARLIER if run.record.content is None else State.FOLLOWS
    return Verified(
        run.name,
        folder,
        State.ALTERED if problems else state,
        tuple(dict.fromkeys(one.check for one in findings)),
        problems,
        tuple(notes),
    )


def table_of(verified: Sequence[Verified]) -> pd.DataFrame:
    """The verified runs as a table, a row each: run, folder, state, checked, problems, notes."""
    import pandas as pd

    columns = ["run", "folder", "state", "checked", "problems", "notes"]
    rows = [one.to_json() for one in verified]
    return pd.DataFrame(
        [{**row, **{name: "; ".join(row[name]) for name in columns[3:]}} for row in rows], columns=columns
    ).astype("str")


def _name_note(run: StoredRun) -> list[str]:
    """Whether a folder is called as a run of another identity is: it was renamed, or its record is of another run."""
    named = re.search(r"-([0-9a-f]{12})$", run.name)
    if named is None or run.record.identity.startswith(named[1]):
        return []
    return [f"its folder is called as the run of another identity, which is {run.record.identity[:12]} now"]


def _unfinished(run: StoredRun) -> Verified:
    record = run.record
    problems = [one.problem for one in record_findings(record) if one.problem]
    try:
        if record.content is not None:
            problems += [
                f"{path.name} was changed since it was written" for path in changed_files(run.folder)
            ]
    except DfbenchError as error:
        problems.append(error.message)
    state = State.ALTERED if problems else State.UNFINISHED
    why = f"{record.status}: {record.error}" if record.error else record.status
    return Verified(run.name, run.folder, state, ("record", "scores"), tuple(problems), (why,))


def _csv_finding(run: StoredRun, checked: Checked) -> Iterator[Finding]:
    """Whether table.csv, which people read, is what was written, or what the scores give."""
    content, csv = run.record.content, run.folder / TABLE_CSV
    if content is None or TABLE_CSV not in content.sha256 or checked.table is None:
        return
    try:
        found = content_of(run.folder, (TABLE_CSV,)).get(TABLE_CSV)
        same = found == content.sha256[TABLE_CSV] or (
            found is not None and read_bytes(csv, most=MOST_RECORD) == csv_of(checked.table).encode()
        )
    except DfbenchError:
        same = False
    how = "was changed since it was written" if csv.is_file() else "is gone"
    yield Finding(TABLE_CSV, "" if same else f"{TABLE_CSV} {how}")


def _data_findings(run: StoredRun, setup: Setup, progress: Progress) -> tuple[list[Finding], list[str]]:
    """Compare the list of videos with the data sets at hand; returns what was found, and what is only to be known."""
    try:
        session = _session_at_hand(run, setup, progress)
        if session is None:
            return [], ["the data are not at hand: labels and groups are as the run has them"]
        listed = run.expected()
        facts = _FACTS if listed is not None else _SCORED_FACTS
        findings: list[Finding] = []
        notes: list[str] = []
        for name, videos in (_scored(run) if listed is None else listed).items():
            problem, told = _compared(name, videos, facts, run.files(), session)
            findings.append(Finding(DATA, problem))
            notes += told
    except DfbenchError as error:
        return [], [f"the data cannot be compared: {error.message}"]
    return findings, notes


def _scored(run: StoredRun) -> dict[str, list[Video]]:
    """The videos of each test as the scores of a run tell of them, which has no manifest; without their people."""
    found: dict[str, list[Video]] = {}
    names = ["test", "dataset", "video_id", "label", "split", "manipulation", "compression", "group"]
    for row in run.scores(names).drop_duplicates(names).to_dict("records"):
        facts = {str(name): row[name] for name in names if name not in ("test", "label")}
        video = Video(**facts, label=Label(row["label"]), path=Path(), identities=())
        found.setdefault(row["test"], []).append(video)
    return found


def _session_at_hand(run: StoredRun, setup: Setup, progress: Progress) -> Session | None:
    """Return a session on the data that a run was made on, if they are there; none are made for it."""
    registry, settings = setup.registry, setup.settings
    corpus = run.record.corpus
    if (settings.cache / "corpora" / corpus).is_dir():
        return session_of(run, setup, progress)
    if not settings.data.roots:
        return None
    source = with_corpora(configured_source(settings, registry), registry)
    datasets = [test.dataset for test in run.record.tests.values()]
    at_hand = all(source.has(registry.dataset(name)) for name in datasets)
    here = at_hand and source.corpus_of(datasets) == corpus
    return Session(setup.host, settings, source, progress) if here else None


def _compared(
    name: str,
    videos: Sequence[Video],
    compared: Sequence[str],
    files: Mapping[tuple[str, str], tuple[str, ...]],
    session: Session,
) -> tuple[str, list[str]]:
    """What the data set at hand says otherwise of the videos of a test, and of which it has another file or none.

    `name`: the key of the test. `compared`: the fields of a video that the run tells.
    """
    spec = session.registry.dataset(videos[0].dataset if videos else name)
    here: dict[tuple[str, str], Video] = {}
    for compression in dict.fromkeys(video.compression for video in videos):
        index = session.index(spec.name, compression if compression in spec.compressions else None)
        here.update({(compression, one.video_id): one for one in index.videos})
    differs: list[str] = []
    absent: list[str] = []
    found: list[Video] = []
    for video in videos:
        other = here.get((video.compression, video.video_id))
        if other is None:
            absent.append(video.video_id)
            continue
        found.append(other)
        facts = [fact for fact in compared if getattr(video, fact) != getattr(other, fact)]
        differs += [f"{video.video_id} ({', '.join(facts)})"] * bool(facts)
    changed = [
        video_id
        for (_, video_id), now in file_fingerprints(found, test=name).items()
        if any(now) and files.get((name, video_id), now) != now
    ]
    notes = [
        f"{name} at hand does not list {_some(absent)}" if absent else "",
        f"{name} at hand has other files than were scored: {_some(changed)}" if changed else "",
    ]
    problem = f"{name} at hand says otherwise of {_some(differs)}" if differs else ""
    return problem, [note for note in notes if note]


def _some(videos: Sequence[str]) -> str:
    more = len(videos) - _NAMED
    return ", ".join(videos[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def states_of(verified: Sequence[Verified]) -> str:
    """How many runs ended in which state, in a sentence."""
    counts = Counter(one.state for one in verified)
    return ", ".join(f"{counts[state]} {state}" for state in State if counts[state])
