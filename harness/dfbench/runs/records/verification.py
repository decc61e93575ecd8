"""Whether a stored run follows from what it says of itself: its record, its list of videos, its scores.

`run.json` holds a digest of itself, the identity of the run, which covers the digest of its list of videos, and the SHA-256 of
each file beside it. Whatever was edited, swapped, lost or cut off no longer fits one of these. Whoever edits all of them in
step is not found: this notices accidents and careless hands, and is no proof against a forger.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from dfbench.data.datasets.manifest import fingerprints_digest, manifest_digest
from dfbench.errors import DfbenchError, StoreError
from dfbench.runs.records.provenance import file_sha256
from dfbench.runs.records.run_file import FILES, MANIFEST, NAME, SUMS
from dfbench.runs.records.run_manifest import expected_videos, manifest_of_tests
from dfbench.runs.records.score_files import (
    ADDED_LATER,
    FAILED_CLIP,
    MERGED,
    SHARDS,
    UNKNOWN,
    unmerged,
)
from dfbench.runs.records.score_table import sigmoid
from dfbench.types import Counts, Status, Video

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dfbench.runs.records.facts import RecordedTest
    from dfbench.runs.records.record import RunRecord
    from dfbench.runs.records.stored_run import StoredRun

NO_MANIFEST = "without a manifest, as runs of earlier versions: labels and list of videos cannot be checked"
_FACTS = ("dataset", "label", "manipulation", "split", "compression", "group")
_VIDEO = ["test", "video_id"]
_NAMED = 3  # videos that a sentence names
_ROUNDING = 1e-6  # between a logit and its probability, on another processor


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one check: `check` says what was looked at, `problem` what is wrong, "" if nothing is."""

    check: str
    problem: str = ""


MOST_FILE = 2**30  # bytes of a file of a run: a hundred times the scores of the largest data set


def content_of(folder: Path, names: Sequence[str]) -> dict[str, str]:
    """SHA-256 (hex) of those files of a run that are there, by name. Raises DataError."""
    return {name: file_sha256(folder / name, most=MOST_FILE) for name in names if (folder / name).is_file()}


def record_findings(record: RunRecord) -> Iterator[Finding]:
    """Check that a record is as it was written, and that its identity is that of what it says."""
    try:
        if record.has_digest:
            same = record.told_digest == record.digest()
            yield Finding("record", "" if same else f"{NAME} was changed since it was written")
        elif record.content is not None:
            yield Finding("record", f"{NAME} does not say what it was when it was written")
        same = record.identity == record.own_identity()
        yield Finding("identity", "" if same else f"the identity in {NAME} is not that of what it says")
    except (TypeError, ValueError, RecursionError) as error:
        yield Finding("record", f"{NAME} says what no run can: {error}")


def file_findings(run: StoredRun, found: Mapping[str, str]) -> Iterator[Finding]:
    """Check that the lists and scores beside a record are the files that it was written for.

    `found`: what `content_of` returned of the run. The tables are not looked at: they are made anew of the scores.
    """
    if run.record.content is None:
        if (run.folder / SUMS).exists():  # which only versions leave whose records have content
            yield Finding("record", f"{NAME} does not say what the files beside it were")
        return
    for name in (MANIFEST, FILES, MERGED):
        if name not in found:
            yield Finding(name, f"{name} is gone")
        else:
            same = run.record.content.sha256.get(name) == found[name]
            yield Finding(
                name, "" if same else f"{name} was changed since the run ended, or is of another run"
            )


def list_findings(run: StoredRun) -> tuple[list[Finding], pd.DataFrame | None]:
    """Check the list of videos against the identity of the run; returns what was found, and the list if there is one."""
    check = "list of videos"
    try:
        manifest = run.manifest()
        if manifest is None:
            return [], None
        videos = expected_videos(manifest)
    except DfbenchError as error:
        return [Finding(check, error.message)], None
    found = [Finding(check, problem) for problem in _list_problems(videos, run.record.tests)]
    files = run.files()
    for key, test in run.record.tests.items():
        of_test = {video: known for video, known in files.items() if video[0] == key}
        if test.files != fingerprints_digest(of_test):
            found.append(Finding("files", f"{FILES} is not the list of the files of {key} that were scored"))
    return found or [Finding(check), Finding("files")], manifest


def _list_problems(videos: Mapping[str, Sequence[Video]], tests: Mapping[str, RecordedTest]) -> Iterator[str]:
    for key in dict.fromkeys([*tests, *videos]):
        test, expected = tests.get(key), videos.get(key, ())
        if test is None:
            yield f"{MANIFEST} lists videos of {key}, which the run does not score"
            continue
        if test.manifest != manifest_digest(expected) or test.videos != len(expected):
            yield f"{MANIFEST} lists other videos of {key}, or other labels or groups, than the identity of the run stands for"
            continue
        listed = None if test.lists is None else test.lists.listed
        fakes = sum(int(video.label) for video in expected)
        if listed is not None and listed != Counts(len(expected) - fakes, fakes):
            yield f"{NAME} counts other reals and fakes of {key} than {MANIFEST} lists"


def score_findings(run: StoredRun, manifest: pd.DataFrame | None) -> tuple[list[Finding], pd.DataFrame]:
    """Check the scores against the list of videos, and each row in itself; returns what was found, and the scores.

    Without a list, the numbers of videos alone are compared. Raises StoreError if there are no scores that can be read.
    """
    if not (run.folder / MERGED).is_file():
        raise StoreError(f"{MERGED} is gone: nothing of what {run.name} says can be checked")
    scores = run.scores()
    problems = [f"{SHARDS}/{shard.name} was put beside the finished scores" for shard in unmerged(run.folder)]
    problems += _row_problems(scores)
    if not problems:
        if manifest is None:
            problems += _count_problems(scores, run.record.tests)
        else:
            problems += _expected_problems(scores, manifest)
    return [Finding("scores", problem) for problem in problems] or [Finding("scores")], scores


def expected_problems(scores: pd.DataFrame, expected: Mapping[str, Sequence[Video]]) -> list[str]:
    """Say where scores are not those of the `expected` videos of each test; returns [] if they are."""
    return [*_expected_problems(scores, manifest_of_tests(expected))]


def held_against(videos: pd.DataFrame, expected: Mapping[str, Sequence[Video]]) -> pd.DataFrame:
    """A table of scored videos, as of `video_scores`, held against the videos that are expected: a row for each of these.

    Label, group and the like are those that are expected; a video without a row in the scores is missing, and what is
    scored and not expected is left out.
    """
    manifest = manifest_of_tests(expected)
    rows = manifest[[*_VIDEO, *_FACTS]].merge(
        videos.drop(columns=list(_FACTS)).drop_duplicates(_VIDEO), on=_VIDEO, how="left"
    )
    gone = rows["status"].isna()
    broken = (rows["status"] == Status.OK) & ~np.isfinite(rows["logit"].to_numpy(np.float64))
    rows.loc[broken, "status"] = str(Status.ERROR)
    rows.loc[gone, "status"] = str(Status.MISSING)
    rows.loc[gone, "reason"] = f"its rows are gone from {MERGED}"
    rows[["n_clips", "seconds"]] = rows[["n_clips", "seconds"]].fillna(0)
    counts = [name for name in ADDED_LATER if name in rows]
    rows[counts] = rows[counts].fillna(UNKNOWN)
    return rows


def _row_problems(scores: pd.DataFrame) -> Iterator[str]:
    """What no writer of scores writes."""
    status, clip = scores["status"].to_numpy(dtype=str), scores["clip"].to_numpy()
    logit, prob = scores["logit"].to_numpy(np.float64), scores["prob"].to_numpy(np.float64)
    scored = status == Status.OK
    yield from _told("the status of", scores, ~np.isin(status, [*Status]), "is none")
    yield from _told("the score of", scores, scored & ~np.isfinite(logit), "is no finite number")
    finite = scored & np.isfinite(logit)
    apart = np.zeros(len(scores), dtype=bool)
    apart[finite] = ~(np.abs(sigmoid(logit[finite]) - prob[finite]) <= _ROUNDING)
    yield from _told("the probability of", scores, apart, "is not that of its logit")
    failed = ~scored & ((clip != FAILED_CLIP) | ~np.isnan(logit) | ~np.isnan(prob))
    yield from _told("the failed video", scores, failed, "has a score")
    yield from _told(
        "", scores, scores.duplicated([*_VIDEO, "clip"]).to_numpy(), "stands twice in the scores"
    )
    groups = scores.groupby(_VIDEO, sort=False, observed=True)
    several = groups["status"].transform("nunique").to_numpy() > 1
    yield from _told("", scores, several, "has rows of several outcomes")
    numbered = clip == groups.cumcount().to_numpy()
    yield from _told("clips of", scores, scored & ~numbered, "are lost or out of order")


def _count_problems(scores: pd.DataFrame, tests: Mapping[str, RecordedTest]) -> Iterator[str]:
    counts = Counter(scores[_VIDEO].drop_duplicates()["test"].tolist())
    for key in dict.fromkeys([*tests, *counts]):
        expected = tests[key].videos if key in tests else 0
        if counts[key] != expected:
            yield f"the scores hold {counts[key]} videos of {key}, where the run expects {expected}"


def _expected_problems(scores: pd.DataFrame, manifest: pd.DataFrame) -> Iterator[str]:
    rows = scores.merge(
        manifest[[*_VIDEO, *_FACTS]], on=_VIDEO, how="left", suffixes=("", "_listed"), indicator=True
    )
    foreign = (rows["_merge"] == "left_only").to_numpy()
    yield from _told("", scores, foreign, "has scores and is not expected")
    for name in _FACTS:
        differs = ~foreign & (rows[name].to_numpy() != rows[f"{name}_listed"].to_numpy())
        yield from _told(f"the {name} of", scores, differs, f"is another in the scores than in {MANIFEST}")
    lost = manifest[~_among(manifest, scores)]
    yield from _told("", lost, np.ones(len(lost), dtype=bool), f"is expected and has no row in {MERGED}")


def _among(videos: pd.DataFrame, others: pd.DataFrame) -> NDArray[np.bool_]:
    return pd.MultiIndex.from_frame(videos[_VIDEO]).isin(pd.MultiIndex.from_frame(others[_VIDEO]))


def _told(what: str, rows: pd.DataFrame, wrong: NDArray[np.bool_], how: str) -> Iterator[str]:
    """A sentence of the videos for which something is `wrong`, if there are any."""
    if not wrong.any():
        return
    videos = list(dict.fromkeys(rows["test"][wrong] + "/" + rows["video_id"][wrong]))
    more = f" and {len(videos) - _NAMED} more" if len(videos) > _NAMED else ""
    yield f"{what} {', '.join(videos[:_NAMED])}{more} {how}".strip()
