"""The score table on disk: raw scores first, every metric is computed from them later.

One row a clip, and one row for each video that could not be scored (`clip` -1, with a status and a reason), so no
expected video is ever lost; where a scored video has a reason, it is a note about it. While a run goes on, rows
arrive in shards, `scores/part-00000.parquet`, ...; at its end they become one file, `scores.parquet`. Each file is
written under a temporary name and then renamed, so a killed run leaves whole files only and the next one goes on
after the last of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from dfbench.data.folders import make_below
from dfbench.errors import ScoreError, StoreError
from dfbench.files import cannot_write, leftovers
from dfbench.runs.records.run_file import SUMS
from dfbench.runs.records.score_files import (
    ADDED_LATER,
    COLUMNS,
    ELSEWHERE,
    FAILED_CLIP,
    MERGED,
    SCHEMA_VERSION,
    SHARDS,
    TEST,
    UNKNOWN,
    keep_sum_of,
    metadata_of,
    next_shard,
    read_file,
    score_schema,
    score_table,
    shards,
    unmerged,
    write_scores,
)
from dfbench.text import storable
from dfbench.types import Pooling, Status, Video

__all__ = [
    "ADDED_LATER",
    "COLUMNS",
    "FAILED_CLIP",
    "MERGED",
    "SCHEMA_VERSION",
    "SHARDS",
    "SUMS",
    "UNKNOWN",
    "ScoreWriter",
    "TestScores",
    "any_scores",
    "done_videos",
    "logit",
    "pooled_scores",
    "read_scores",
    "sigmoid",
    "video_scores",
    "with_tests",
]

_VIDEO = ["test", "video_id"]  # what tells a video of one test from those of all others
_FIXED = ["dataset", "label", "manipulation", "split", "compression", "group"]


class ScoreWriter:
    """Appends the outcomes of videos to the score table in `folder`, a shard every `every` videos.

    Use it as a context manager: leaving it, by an error or an interrupt too, writes what is waiting. One
    writer a folder at a time. `told` takes from a reason what its readers need not know. Raises StoreError if a file cannot
    be written.
    """

    def __init__(self, folder: Path, *, every: int = 50, told: Callable[[str], str] = str) -> None:
        if every < 1:
            raise ValueError(f"every must be at least 1, got {every}")
        self._folder = folder
        self._every = every
        self._told = told
        self._rows: list[dict[str, Any]] = []
        self._waiting = 0
        try:
            make_below(folder, folder / SHARDS)
            for leftover in [*leftovers(folder), *leftovers(folder / SHARDS)]:
                leftover.unlink()  # of a killed run
        except OSError as error:
            raise cannot_write(folder, error, hints=ELSEWHERE) from error
        self._next = next_shard(folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.flush()

    def done_videos(self, *, retry: Collection[str] = ()) -> set[tuple[str, str]]:
        """As the function `done_videos`, for this folder; what waits for the next flush is not counted."""
        return done_videos(self._folder, retry=retry)

    def of_test(self, key: str) -> TestScores:
        """Return what adds the outcomes of videos for the test with this key."""
        return TestScores(self, key)

    def add_video(
        self,
        video: Video,
        *,
        test: str = "",
        frames: NDArray[np.integer[Any]],
        logits: NDArray[np.floating[Any]],
        seconds: float = 0.0,
        reason: str = "",
        face_frames: int = UNKNOWN,
        wanted_frames: int = UNKNOWN,
    ) -> None:
        """Add a video that was scored, its k >= 1 clips in order; `reason`: what is to be said of it all the same.

        `test`: the key of the test that it is scored for, "" for that of its dataset's name.
        frames (k, T): positions in the video of each clip's frames; logits (k,) of "fake"; seconds of the whole
        video. The face is in `face_frames` of the `wanted_frames` of the video. Raises ScoreError if the shapes do not fit,
        there is no clip, or a logit is not finite.
        """
        name = f"{video.dataset}/{video.video_id}"
        positions, values = np.asarray(frames), np.asarray(logits, dtype=np.float64)
        if values.ndim != 1 or positions.ndim != 2 or len(positions) != len(values):
            raise ScoreError(
                f"{name}: frames {positions.shape} and logits {values.shape} must be (k, T) and (k,)"
            )
        if not len(values):
            raise ScoreError(f"{name}: scored without a clip")
        if not np.isfinite(values).all():
            raise ScoreError(
                f"{name}: the detector returned the logit {values[~np.isfinite(values)][0]}",
                hints=("check the detector's weights and its input normalisation",),
            )
        share = seconds / len(values)
        self._append(
            _row(
                video,
                test,
                number,
                clip,
                logit,
                Status.OK,
                storable(self._told(reason)),
                share,
                face_frames,
                wanted_frames,
            )
            for number, (clip, logit) in enumerate(zip(positions.tolist(), values.tolist(), strict=True))
        )

    def add_status(
        self, video: Video, *, status: Status, reason: str, seconds: float = 0.0, test: str = ""
    ) -> None:
        """Add a video that could not be scored. Raises ScoreError for the status "ok" or an empty reason."""
        if status is Status.OK or not reason:
            raise ScoreError(f"{video.dataset}/{video.video_id}: a failed video needs a status and a reason")
        told = storable(self._told(reason))
        self._append([_row(video, test, FAILED_CLIP, (), math.nan, status, told, seconds)])

    def flush(self) -> None:
        """Write the rows that are waiting as one shard."""
        if not self._rows:
            return
        name = f"part-{self._next:05d}.parquet"
        write_scores(score_table(self._rows), self._folder / SHARDS / name, run=self._folder)
        self._next += 1
        self._rows = []
        self._waiting = 0

    def finish(self) -> Path:
        """Merge everything into `scores.parquet`, remove the shards and return the path."""
        self.flush()
        target = self._folder / MERGED
        scores = read_scores(self._folder)
        table = pa.Table.from_pandas(scores, schema=score_schema(), preserve_index=False)
        # The number of merged shards is stored, so that shards left by a kill between here and their removal
        # are known to be merged already.
        write_scores(table.replace_schema_metadata(metadata_of(merged=self._next)), target, run=self._folder)
        try:
            for shard in shards(self._folder):
                shard.unlink()
            (self._folder / SHARDS).rmdir()
        except OSError as error:
            raise cannot_write(self._folder / SHARDS, error, hints=ELSEWHERE) from error
        keep_sum_of(self._folder, target)
        return target

    def _append(self, rows: Iterable[dict[str, Any]]) -> None:
        (self._folder / SHARDS).mkdir(exist_ok=True)  # gone after `finish`
        self._rows.extend(rows)
        self._waiting += 1
        if self._waiting >= self._every:
            self.flush()


@dataclass(frozen=True, slots=True)
class TestScores:
    """Adds the outcomes of videos of one test to a score table; the methods are those of `ScoreWriter`."""

    __test__: ClassVar[bool] = False  # for pytest

    writer: ScoreWriter
    key: str

    def add_video(
        self,
        video: Video,
        *,
        frames: NDArray[np.integer[Any]],
        logits: NDArray[np.floating[Any]],
        seconds: float = 0.0,
        reason: str = "",
        face_frames: int = UNKNOWN,
        wanted_frames: int = UNKNOWN,
    ) -> None:
        """Add a video that was scored, as `ScoreWriter.add_video` does."""
        self.writer.add_video(
            video,
            test=self.key,
            frames=frames,
            logits=logits,
            seconds=seconds,
            reason=reason,
            face_frames=face_frames,
            wanted_frames=wanted_frames,
        )

    def add_status(self, video: Video, *, status: Status, reason: str, seconds: float = 0.0) -> None:
        """Add a video that could not be scored, as `ScoreWriter.add_status` does."""
        self.writer.add_status(video, test=self.key, status=status, reason=reason, seconds=seconds)


def read_scores(folder: Path, *, columns: Sequence[str] = COLUMNS) -> pd.DataFrame:
    """The score table of a run, finished or not, in the order of writing; empty if nothing was scored yet.

    A video that failed and was tried again counts with its last outcome. Raises StoreError if a file is damaged,
    has another schema version, or scores a video twice.
    """
    merged = folder / MERGED
    wanted = list(dict.fromkeys([*columns, *_VIDEO, "status"]))
    tables = [read_file(merged, wanted)] if merged.is_file() else []
    tables += [read_file(shard, wanted) for shard in unmerged(folder)]
    if not tables:
        tables = [score_schema().empty_table().select(wanted)]
    scores: pd.DataFrame = pa.concat_tables([table.replace_schema_metadata() for table in tables]).to_pandas()
    if len(tables) > 1:
        part = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
        scores = _last_outcomes(scores, pd.Series(part, index=scores.index), folder)
    return scores[list(columns)]


def done_videos(folder: Path, *, retry: Collection[str] = ()) -> set[tuple[str, str]]:
    """(key of the test, video_id) of each video with an outcome on disk, except those whose status is in `retry`."""
    scores = read_scores(folder, columns=[*_VIDEO, "status"])
    kept = scores.loc[~scores["status"].isin(list(retry)), _VIDEO].drop_duplicates()
    return set(zip(kept["test"], kept["video_id"], strict=True))


def any_scores(folder: Path) -> bool:
    """Whether the run in `folder` has a file of scores, damaged or not."""
    return (folder / MERGED).is_file() or bool(shards(folder))


def video_scores(clips: pd.DataFrame, pooling: Pooling | str) -> pd.DataFrame:
    """Pool rows of the score table; returns a row for each video of each test, in their order.

    Columns: test, dataset, video_id, label, manipulation, split, compression, group, score (in [0, 1], NaN if the
    video failed), logit (of the score, NaN if it failed), n_clips, status, reason, seconds, and, where `clips` has
    them, face_frames and wanted_frames. Clip logits are pooled as `pooling` says: mean_logit (the mean logit), mean_prob
    (the mean probability) or max (the highest logit).
    Raises ScoreError if a video has both scored and failed rows, or rows that disagree on its label.
    """
    how = Pooling(pooling)
    clips = with_tests(clips)
    ids = [clips[name] for name in _VIDEO]
    videos = clips.groupby(_VIDEO, sort=False, observed=True)
    counts = [name for name in ADDED_LATER if name in clips]
    table = videos[[*_FIXED, "status", "reason", *counts]].first()
    _check_agreement(clips, table)
    table["score"], table["logit"] = pooled_scores(clips, _VIDEO, how)
    counted = (clips["status"] == Status.OK).groupby(ids, sort=False)
    table["n_clips"] = counted.sum().to_numpy(dtype=np.int64)
    table["seconds"] = videos["seconds"].sum()
    order = [
        "test",
        "dataset",
        "video_id",
        *_FIXED[1:],
        "score",
        "logit",
        "n_clips",
        "status",
        "reason",
        "seconds",
        *counts,
    ]
    return table.reset_index()[order]


def with_tests(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a table of clips or videos with its column `test`: the names of the datasets if it has none."""
    return rows if "test" in rows else rows.assign(test=rows["dataset"])


def pooled_scores(
    clips: pd.DataFrame, by: Sequence[str], pooling: Pooling
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pool clips with the columns `logit` and `prob` into videos, which the columns `by` tell apart, in their order.

    Returns the probability in [0, 1] and its logit, (n,) float64 each; NaN for a video whose clips are.
    """
    values = clips["prob" if pooling is Pooling.MEAN_PROB else "logit"]
    videos = values.groupby([clips[name] for name in by], sort=False, observed=True)
    value = (videos.max() if pooling is Pooling.MAX else videos.mean()).to_numpy(dtype=np.float64)
    return (value, logit(value)) if pooling is Pooling.MEAN_PROB else (sigmoid(value), value)


def sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / (1 + exp(-logits)) without overflow: float64 of any shape, in [0, 1]."""
    small = np.exp(-np.abs(logits))
    return np.asarray(np.where(logits >= 0, 1.0, small) / (1.0 + small), dtype=np.float64)


def logit(probs: NDArray[np.float64]) -> NDArray[np.float64]:
    """The inverse of `sigmoid`, always finite: float64 of any shape."""
    # Probabilities of exactly 0 or 1 are those of logits beyond the reach of float64: the nearest finite ones.
    inside = np.clip(probs, np.finfo(np.float64).tiny, 1.0 - np.finfo(np.float64).epsneg)
    return np.asarray(np.log(inside) - np.log1p(-inside), dtype=np.float64)


def _check_agreement(clips: pd.DataFrame, videos: pd.DataFrame) -> None:
    ids = pd.MultiIndex.from_frame(clips[_VIDEO])
    position = videos.index.get_indexer(ids)
    for name in ("label", "status"):
        differs = clips[name].to_numpy() != videos[name].to_numpy()[position]
        if differs.any():
            test, video_id = ids[int(np.argmax(differs))]
            raise ScoreError(f"{test}/{video_id}: its rows in the score table disagree on its {name}")


def _last_outcomes(scores: pd.DataFrame, part: pd.Series[int], folder: Path) -> pd.DataFrame:
    """Rows of the last file that mentions their video; an earlier outcome may only be a failure."""
    last = part.groupby([scores[name] for name in _VIDEO]).transform("max")
    superseded = part < last
    twice = scores[superseded & (scores["status"] == Status.OK)]
    if len(twice):
        first = twice.iloc[0]
        raise StoreError(
            f"{folder}: {first['test']}/{first['video_id']} was scored twice",
            hints=("one process at a time may write to a run; remove the folder and run again",),
        )
    return scores[~superseded].reset_index(drop=True)


def _row(
    video: Video,
    test: str,
    clip: int,
    frames: Sequence[int],
    logit: float,
    status: Status,
    reason: str,
    seconds: float,
    face_frames: int = UNKNOWN,
    wanted_frames: int = UNKNOWN,
) -> dict[str, Any]:
    return {
        "dataset": video.dataset,
        "video_id": video.video_id,
        "clip": clip,
        "label": int(video.label),
        "manipulation": video.manipulation,
        "split": video.split,
        "compression": video.compression,
        "group": video.group,
        "frames": [int(frame) for frame in frames],
        "logit": logit,
        "prob": float(sigmoid(np.asarray(logit))),
        "status": str(status),
        "reason": reason,
        "seconds": seconds,
        "face_frames": face_frames,
        "wanted_frames": wanted_frames,
        TEST: test or video.dataset,
    }
