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
from dfbench.runs.evidence.recorded import RecordedRun, open_run, session_of
from dfbench.runs.planning.session import Session
from dfbench.runs.planning.setup import Setup
from dfbench.runs.planning.sources import configured_source, with_corpora
from dfbench.runs.records.recorded_names import dataset_of
from dfbench.runs.records.run_file import NAME, read_files, read_record, run_folders
from dfbench.runs.records.run_manifest import expected_videos, read_manifest
from dfbench.runs.records.score_files import changed_files
from dfbench.runs.records.score_table import read_scores
from dfbench.runs.records.verification import CONTENT, Finding, content_of, has_content, record_findings
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
        record = read_record(folder)
    except StoreError as error:
        return Verified(folder.name, folder, State.UNREADABLE, problems=(error.message,))
    if record.get("status") != "complete":
        return _unfinished(folder, record)
    checked = check_run(folder, record)
    findings = [*checked.findings, *_csv_finding(folder, record, checked)]
    notes = [*checked.notes, *_name_note(folder, record)]
    if not checked.problems:
        of_data, told = _data_findings(folder, record, setup, progress)
        findings += of_data
        notes += told
    problems = tuple(one.problem for one in findings if one.problem)
    state = State.FOLLOWS if has_content(record) else State.EARLIER
    return Verified(
        folder.name,
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


def _name_note(folder: Path, record: Mapping[str, Any]) -> list[str]:
    """Whether a folder is called as a run of another identity is: it was renamed, or its record is of another run."""
    named = re.search(r"-([0-9a-f]{12})$", folder.name)
    if named is None or str(record.get("identity")).startswith(named[1]):
        return []
    return [
        f"its folder is called as the run of another identity, which is {str(record.get('identity'))[:12]} now"
    ]


def _unfinished(folder: Path, record: Mapping[str, Any]) -> Verified:
    problems = [one.problem for one in record_findings(record) if one.problem]
    try:
        if CONTENT in record:
            problems += [f"{path.name} was changed since it was written" for path in changed_files(folder)]
    except DfbenchError as error:
        problems.append(error.message)
    state = State.ALTERED if problems else State.UNFINISHED
    why = f"{record.get('status')}: {record['error']}" if record.get("error") else str(record.get("status"))
    return Verified(folder.name, folder, state, ("record", "scores"), tuple(problems), (why,))


def _csv_finding(folder: Path, record: Mapping[str, Any], checked: Checked) -> Iterator[Finding]:
    """Whether table.csv, which people read, is what was written, or what the scores give."""
    noted = record.get(CONTENT)
    if not isinstance(noted, Mapping) or TABLE_CSV not in noted or checked.table is None:
        return
    try:
        found = content_of(folder, (TABLE_CSV,)).get(TABLE_CSV)
        same = found == noted[TABLE_CSV] or (
            found is not None
            and read_bytes(folder / TABLE_CSV, most=MOST_RECORD) == csv_of(checked.table).encode()
        )
    except DfbenchError:
        same = False
    gone = not (folder / TABLE_CSV).is_file()
    yield Finding(
        TABLE_CSV, "" if same else f"{TABLE_CSV} {'is gone' if gone else 'was changed since it was written'}"
    )


def _data_findings(
    folder: Path, record: Mapping[str, Any], setup: Setup, progress: Progress
) -> tuple[list[Finding], list[str]]:
    """Compare the list of videos with the data sets at hand; returns what was found, and what is only to be known."""
    try:
        session = _session_at_hand(RecordedRun(folder, record), setup, progress)
        if session is None:
            return [], ["the data are not at hand: labels and groups are as the run has them"]
        manifest = read_manifest(folder)
        facts = _FACTS if manifest is not None else _SCORED_FACTS
        expected = _scored(folder) if manifest is None else expected_videos(manifest)
        findings: list[Finding] = []
        notes: list[str] = []
        for name, videos in expected.items():
            problem, told = _compared(name, videos, facts, read_files(folder), session)
            findings.append(Finding(DATA, problem))
            notes += told
    except DfbenchError as error:
        return [], [f"the data cannot be compared: {error.message}"]
    return findings, notes


def _scored(folder: Path) -> dict[str, list[Video]]:
    """The videos of each test as the scores of a run tell of them, which has no manifest; without their people."""
    found: dict[str, list[Video]] = {}
    names = ["test", "dataset", "video_id", "label", "split", "manipulation", "compression", "group"]
    for row in read_scores(folder, columns=names).drop_duplicates(names).to_dict("records"):
        facts = {str(name): row[name] for name in names if name not in ("test", "label")}
        video = Video(**facts, label=Label(row["label"]), path=Path(), identities=())
        found.setdefault(row["test"], []).append(video)
    return found


def _session_at_hand(run: RecordedRun, setup: Setup, progress: Progress) -> Session | None:
    """Return a session on the data that a run was made on, if they are there; none are made for it."""
    registry, settings = setup.registry, setup.settings
    corpus = str(run.record["corpus"])
    if (settings.cache / "corpora" / corpus).is_dir():
        return session_of(run, setup, progress)
    if not settings.data.roots:
        return None
    source = with_corpora(configured_source(settings, registry), registry)
    datasets = [dataset_of(run.record, test) for test in run.record["datasets"]]
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
