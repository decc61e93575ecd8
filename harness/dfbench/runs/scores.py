"""The score table on disk: raw scores first, every metric is computed from them later.

One row a clip, and one row for each video that could not be scored (`clip` -1, with a status and a reason), so no
expected video is ever lost; where a scored video has a reason, it is a note about it. While a run goes on, rows
arrive in shards, `scores/part-00000.parquet`, ...; at its end they become one file, `scores.parquet`. Each file is
written under a temporary name and then renamed, so a killed run leaves whole files only and the next one goes on
after the last of them.
"""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from dfbench.data.folders import make_below
from dfbench.errors import ScoreError, StoreError
from dfbench.text import storable
from dfbench.types import Pooling, Status, Video

SCHEMA_VERSION = 1
FAILED_CLIP = -1
UNKNOWN = -1
MERGED = "scores.parquet"
SHARDS = "scores"

_VERSION_KEY = "dfbench.scores"
_MERGED_KEY = "dfbench.merged_shards"
_COLUMNS: tuple[tuple[str, Any], ...] = (
    ("dataset", pa.string()),
    ("video_id", pa.string()),
    ("clip", pa.int32()),  # 0, 1, ... in order; FAILED_CLIP in a status row
    ("label", pa.int8()),  # 0 real, 1 fake
    ("manipulation", pa.string()),
    ("split", pa.string()),
    ("compression", pa.string()),
    ("group", pa.string()),  # the cluster for resampling, unique in its dataset
    ("frames", pa.list_(pa.int32())),  # positions of the clip's frames in the video
    ("logit", pa.float64()),  # of "fake"; NaN in a status row
    ("prob", pa.float64()),  # sigmoid of the logit; NaN in a status row
    ("status", pa.string()),
    ("reason", pa.string()),
    ("seconds", pa.float64()),  # the clip's share of the video's scoring time
    ("face_frames", pa.int32()),  # of the wanted frames, those that hold the face; UNKNOWN if nobody counted
    ("wanted_frames", pa.int32()),
)
ADDED_LATER = ("face_frames", "wanted_frames")  # columns that tables from before do not have
COLUMNS = tuple(name for name, _ in _COLUMNS)
_VIDEO = ["dataset", "video_id"]
_FIXED = ["label", "manipulation", "split", "compression", "group"]


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
            for leftover in [*folder.glob(".*.tmp"), *(folder / SHARDS).glob(".*.tmp")]:
                leftover.unlink()  # of a killed run
        except OSError as error:
            raise _cannot_write(folder, error) from error
        self._next = _next_shard(folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.flush()

    def done_videos(self, *, retry: Collection[str] = ()) -> set[tuple[str, str]]:
        """As the function `done_videos`, for this folder; what waits for the next flush is not counted."""
        return done_videos(self._folder, retry=retry)

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
        """A video that was scored, its k >= 1 clips in order; `reason`: what is to be said of it all the same.

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

    def add_status(self, video: Video, *, status: Status, reason: str, seconds: float = 0.0) -> None:
        """A video that could not be scored. Raises ScoreError for the status "ok" or an empty reason."""
        if status is Status.OK or not reason:
            raise ScoreError(f"{video.dataset}/{video.video_id}: a failed video needs a status and a reason")
        self._append([_row(video, FAILED_CLIP, (), math.nan, status, storable(self._told(reason)), seconds)])

    def flush(self) -> None:
        """Write the rows that are waiting as one shard."""
        if not self._rows:
            return
        name = f"part-{self._next:05d}.parquet"
        _write(_table(self._rows), self._folder / SHARDS / name)
        self._next += 1
        self._rows = []
        self._waiting = 0

    def finish(self) -> Path:
        """Merge everything into `scores.parquet`, remove the shards and return the path."""
        self.flush()
        target = self._folder / MERGED
        scores = read_scores(self._folder)
        table = pa.Table.from_pandas(scores, schema=_schema(), preserve_index=False)
        # The number of merged shards is stored, so that shards left by a kill between here and their removal
        # are known to be merged already.
        _write(table.replace_schema_metadata(_metadata(merged=self._next)), target)
        try:
            for shard in _shards(self._folder):
                shard.unlink()
            (self._folder / SHARDS).rmdir()
        except OSError as error:
            raise _cannot_write(self._folder / SHARDS, error) from error
        return target

    def _append(self, rows: Iterable[dict[str, Any]]) -> None:
        (self._folder / SHARDS).mkdir(exist_ok=True)  # gone after `finish`
        self._rows.extend(rows)
        self._waiting += 1
        if self._waiting >= self._every:
            self.flush()


def read_scores(folder: Path, *, columns: Sequence[str] = COLUMNS) -> pd.DataFrame:
    """The score table of a run, finished or not, in the order of writing; empty if nothing was scored yet.

    A video that failed and was tried again counts with its last outcome. Raises StoreError if a file is damaged,
    has another schema version, or scores a video twice.
    """
    merged = folder / MERGED
    wanted = list(dict.fromkeys([*columns, *_VIDEO, "status"]))
    tables = [_read(merged, wanted)] if merged.is_file() else []
    tables += [_read(shard, wanted) for shard in _unmerged(folder)]
    if not tables:
        tables = [_schema().empty_table().select(wanted)]
    scores: pd.DataFrame = pa.concat_tables([table.replace_schema_metadata() for table in tables]).to_pandas()
    if len(tables) > 1:
        part = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
        scores = _last_outcomes(scores, pd.Series(part, index=scores.index), folder)
    return scores[list(columns)]


def done_videos(folder: Path, *, retry: Collection[str] = ()) -> set[tuple[str, str]]:
    """(dataset, video_id) of each video with an outcome on disk, except those whose status is in `retry`."""
    scores = read_scores(folder, columns=[*_VIDEO, "status"])
    kept = scores.loc[~scores["status"].isin(list(retry)), _VIDEO].drop_duplicates()
    return set(zip(kept["dataset"], kept["video_id"], strict=True))


def any_scores(folder: Path) -> bool:
    """Whether the run in `folder` has a file of scores, damaged or not."""
    return (folder / MERGED).is_file() or bool(_shards(folder))


def video_scores(clips: pd.DataFrame, pooling: Pooling | str) -> pd.DataFrame:
    """One row a video out of rows of the score table, in their order.

    Columns: dataset, video_id, label, manipulation, split, compression, group, score (in [0, 1], NaN if the
    video failed), logit (of the score, NaN if it failed), n_clips, status, reason, seconds, and, where `clips` has
    them, face_frames and wanted_frames. Clip logits are pooled as `pooling` says: mean_logit (the mean logit), mean_prob
    (the mean probability) or max (the highest logit).
    Raises ScoreError if a video has both scored and failed rows, or rows that disagree on its label.
    """
    how = Pooling(pooling)
    videos = clips.groupby(_VIDEO, sort=False, observed=True)
    counts = [name for name in ADDED_LATER if name in clips]
    table = videos[[*_FIXED, "status", "reason", *counts]].first()
    _check_agreement(clips, table)
    values = clips["prob" if how is Pooling.MEAN_PROB else "logit"]
    pooled = values.groupby([clips["dataset"], clips["video_id"]], sort=False, observed=True)
    value = (pooled.max() if how is Pooling.MAX else pooled.mean()).to_numpy(dtype=np.float64)
    table["score"] = value if how is Pooling.MEAN_PROB else sigmoid(value)
    table["logit"] = logit(value) if how is Pooling.MEAN_PROB else value
    counted = (clips["status"] == Status.OK).groupby([clips["dataset"], clips["video_id"]], sort=False)
    table["n_clips"] = counted.sum().to_numpy(dtype=np.int64)
    table["seconds"] = videos["seconds"].sum()
    order = [*_VIDEO, *_FIXED, "score", "logit", "n_clips", "status", "reason", "seconds", *counts]
    return table.reset_index()[order]


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
            dataset, video_id = ids[int(np.argmax(differs))]
            raise ScoreError(f"{dataset}/{video_id}: its rows in the score table disagree on its {name}")


def _last_outcomes(scores: pd.DataFrame, part: pd.Series[int], folder: Path) -> pd.DataFrame:
    """Rows of the last file that mentions their video; an earlier outcome may only be a failure."""
    last = part.groupby([scores["dataset"], scores["video_id"]]).transform("max")
    superseded = part < last
    twice = scores[superseded & (scores["status"] == Status.OK)]
    if len(twice):
        first = twice.iloc[0]
        raise StoreError(
            f"{folder}: {first['dataset']}/{first['video_id']} was scored twice",
            hints=("one process at a time may write to a run; remove the folder and run again",),
        )
    return scores[~superseded].reset_index(drop=True)


def _row(
    video: Video,
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
    }


def _metadata(merged: int | None = None) -> dict[str, str]:
    pairs = {_VERSION_KEY: str(SCHEMA_VERSION)}
    return pairs if merged is None else {**pairs, _MERGED_KEY: str(merged)}


def _schema() -> Any:
    return pa.schema(list(_COLUMNS)).with_metadata(_metadata())


def _table(rows: list[dict[str, Any]]) -> Any:
    return pa.Table.from_pylist(rows, schema=_schema())


def _write(table: Any, target: Path) -> None:
    temporary = target.with_name(f".{target.name}.tmp")
    try:
        pq.write_table(table, temporary, compression="zstd")
        os.replace(temporary, target)  # noqa: PTH105 # the atomic one, by its own name
    except OSError as error:
        with suppress(OSError):  # the folder itself may be what is wrong
            temporary.unlink(missing_ok=True)
        raise _cannot_write(target, error) from error


def _cannot_write(target: Path, error: OSError) -> StoreError:
    if error.errno == errno.ENOSPC:
        hints = (
            f"free some space on the disk that holds {target.parent}, or set `runs` in dfbench.toml to another disk",
            "then give the same command again: it goes on where it stopped",
        )
        return StoreError(f"no space left on the device while writing {target}", hints=hints)
    return StoreError(f"cannot write {target}: {error.strerror or error}", hints=(f"check {target.parent}",))


def _shards(folder: Path) -> list[Path]:
    return sorted((folder / SHARDS).glob("part-*.parquet"), key=_number)


def _number(shard: Path) -> int:
    return int(shard.stem.removeprefix("part-"))


def _merged_count(folder: Path) -> int:
    merged = folder / MERGED
    return int(_stored(merged).metadata[_MERGED_KEY.encode()]) if merged.is_file() else 0


def _unmerged(folder: Path) -> list[Path]:
    merged = _merged_count(folder)
    return [shard for shard in _shards(folder) if _number(shard) >= merged]


def _next_shard(folder: Path) -> int:
    return max([_merged_count(folder), *(_number(shard) + 1 for shard in _shards(folder))])


def _stored(path: Path) -> Any:
    """The schema of a score file, once it is known to be of our version."""
    try:
        schema = pq.read_schema(path)
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path, error) from error
    version = (schema.metadata or {}).get(_VERSION_KEY.encode())
    if version != str(SCHEMA_VERSION).encode():
        found = "no dfbench score table" if version is None else f"of schema version {version.decode()}"
        raise StoreError(
            f"{path} is {found}; this dfbench reads version {SCHEMA_VERSION}",
            hints=("use the dfbench version that wrote it, or remove the run's folder and run again",),
        )
    return schema


def _read(path: Path, columns: list[str]) -> Any:
    known = _stored(path).names
    lacking = [name for name in columns if name in ADDED_LATER and name not in known]
    try:
        table = pq.read_table(
            path, columns=[name for name in columns if name not in lacking], partitioning=None
        )
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path, error) from error
    for name in lacking:
        field = _schema().field(name)
        table = table.append_column(field, pa.array([UNKNOWN] * len(table), field.type))
    return table.select(columns)


def _damaged(path: Path, error: Exception) -> StoreError:
    return StoreError(
        f"{path} cannot be read: {error}", hints=(f"remove {path} and run again: its videos are scored anew",)
    )
