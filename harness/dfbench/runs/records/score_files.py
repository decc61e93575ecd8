"""The files of a score table: their schema, their names, how each is written whole, and by what it is known again.

While a run goes on, its rows lie in shards, `scores/part-00000.parquet`, ...; at its end in one file, `scores.parquet`. The
SHA-256 of each stands in `scores.sha256` before the file has its name, in the form that `sha256sum -c` reads: a file that was
changed before the run went on is not taken for what was scored.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dfbench.data.parquet import parquet_schema, read_parquet_file
from dfbench.errors import StoreError, UnreadableError
from dfbench.files import write_text_whole, write_whole
from dfbench.formats import WRITTEN_BY, refuse_newer
from dfbench.runs.records.run_file import SUMS
from dfbench.untrusted import MOST_LIST, open_regular, read_text, require_regular
from dfbench.version import VERSION

SCHEMA_VERSION = 2  # 1 had no column `test`, and one test of a dataset
READABLE = (1, SCHEMA_VERSION)
FAILED_CLIP = -1
UNKNOWN = -1
MERGED = "scores.parquet"
SHARDS = "scores"
ELSEWHERE = (
    "or set `runs` in dfbench.toml to a folder on another disk",
    "then give the same command again: it goes on where it stopped",
)  # hints for what cannot be written to a run

_SUM = re.compile(r"(?P<sum>[0-9a-f]{64})  (?P<name>\S+)")
_SHARD = re.compile(r"part-[0-9]{5,9}\.parquet")

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
    ("test", pa.string()),  # the key of the test that the video is scored for: mostly the name of its dataset
)
ADDED_LATER = ("face_frames", "wanted_frames")  # columns that tables from before do not have
TEST = "test"  # nor this one: the name of the dataset stands for it there
COLUMNS = tuple(name for name, _ in _COLUMNS)


def metadata_of(merged: int | None = None) -> dict[str, str]:
    """What stands in a file beside its rows: the version, and of a merged file how many shards are in it."""
    pairs = {_VERSION_KEY: str(SCHEMA_VERSION), WRITTEN_BY: VERSION}
    return pairs if merged is None else {**pairs, _MERGED_KEY: str(merged)}


def score_schema() -> Any:
    """The Arrow schema of a score file."""
    return pa.schema(list(_COLUMNS)).with_metadata(metadata_of())


def score_table(rows: list[dict[str, Any]]) -> Any:
    """The Arrow table of `rows`, which have the fields of the schema."""
    return pa.Table.from_pylist(rows, schema=score_schema())


def write_scores(table: Any, target: Path, *, run: Path) -> None:
    """Write a score file of the run in the folder `run`, whole or not at all, and note its SHA-256. Raises StoreError."""

    def write(part: Path) -> None:
        pq.write_table(table, part, compression="zstd")
        if (run / SUMS).is_symlink():  # ours is a file
            (run / SUMS).unlink()
        # Before the file has its name: a file that is there is always noted.
        with (run / SUMS).open("a", encoding="utf-8") as sums:
            sums.write(f"{_sha256(part)}  {target.relative_to(run).as_posix()}\n")

    write_whole(target, write, hints=ELSEWHERE)


def keep_sum_of(run: Path, path: Path) -> None:
    """Keep of the noted sums that of one file: the shards that were merged into it are gone. Raises StoreError."""
    try:
        found = _sha256(path)
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror or error}", hints=(f"check {run}",)) from error
    write_text_whole(run / SUMS, f"{found}  {path.relative_to(run).as_posix()}\n", hints=ELSEWHERE)


def changed_files(run: Path) -> list[Path]:
    """Find the score files of an unfinished run that are not what was written; returns their paths, [] if all are.

    A file is known by any of the sums under its name, since a shard may have been written again. Raises StoreError.
    """
    noted: dict[str, set[str]] = {}
    try:
        for line in _sums_of(run).splitlines():
            if found := _SUM.fullmatch(line):
                noted.setdefault(found["name"], set()).add(found["sum"])
        there = [*([run / MERGED] if (run / MERGED).is_file() else []), *unmerged(run)]
        return [
            path for path in there if _sha256(path) not in noted.get(path.relative_to(run).as_posix(), ())
        ]
    except OSError as error:
        raise StoreError(
            f"the scores in {run} cannot be read: {error.strerror or error}", hints=(f"check {run}",)
        ) from error


def refuse_changed(run: Path, *, noted: bool) -> None:
    """Raise StoreError, which says what to remove, if a score file of an unfinished run was changed since it was written.

    `noted`: its record is of a version that notes sums; of an earlier one, nothing is known where none are.
    """
    if (noted or (run / SUMS).exists()) and (changed := changed_files(run)):
        more = f" (and {len(changed) - 1} more files)" * (len(changed) > 1)
        what = changed[0] if len(changed) == 1 else " ".join(map(str, changed))
        raise StoreError(
            f"{changed[0]}{more} was changed since it was written: it is not what was scored",
            hints=(
                f"remove {what} and run again: its videos are scored anew",
                "or score everything again: --force",
            ),
        )


def _sums_of(run: Path) -> str:
    try:
        return read_text(run / SUMS, most=MOST_LIST)
    except UnreadableError:  # what stands for no file refuses them all
        return ""


def _sha256(path: Path) -> str:
    require_regular(path, most=2**30)
    with open_regular(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def shards(folder: Path) -> list[Path]:
    """The shards of a run, in the order of writing."""
    found = [path for path in (folder / SHARDS).glob("part-*.parquet") if _SHARD.fullmatch(path.name)]
    return sorted(found, key=_number)


def unmerged(folder: Path) -> list[Path]:
    """The shards that are not in the merged file; those that are were left by a kill. Raises StoreError."""
    merged = _merged_count(folder)
    return [shard for shard in shards(folder) if _number(shard) >= merged]


def next_shard(folder: Path) -> int:
    """The number of the next shard. Raises StoreError."""
    return max([_merged_count(folder), *(_number(shard) + 1 for shard in shards(folder))])


def _number(shard: Path) -> int:
    return int(shard.stem.removeprefix("part-"))


def _merged_count(folder: Path) -> int:
    merged = folder / MERGED
    if not merged.is_file():
        return 0
    try:
        return int(_stored(merged).metadata[_MERGED_KEY.encode()])
    except (KeyError, ValueError) as error:
        raise _damaged(merged, "it does not say what was merged into it") from error


def _stored(path: Path) -> Any:
    """The schema of a score file, once it is known to be of our version."""
    try:
        schema = parquet_schema(path)
    except UnreadableError as error:
        raise _damaged(path, error.reason) from error
    metadata = schema.metadata or {}
    version, writer = (metadata.get(key.encode()) for key in (_VERSION_KEY, WRITTEN_BY))
    refuse_newer(path, "a score table", found=version, known=SCHEMA_VERSION, written_by=writer)
    if version not in [str(number).encode() for number in READABLE]:
        found = (
            "no dfbench score table"
            if version is None
            else f"of schema version {version.decode(errors='replace')}"
        )
        raise StoreError(
            f"{path} is {found}; this dfbench reads up to version {SCHEMA_VERSION}",
            hints=("use the dfbench version that wrote it, or remove the run's folder and run again",),
        )
    return schema


def read_file(path: Path, columns: list[str]) -> Any:
    """Read columns of a score file; returns an Arrow table of the schema's types. Raises StoreError if it is damaged."""
    known = _stored(path).names
    lacking = [name for name in columns if name in (*ADDED_LATER, TEST) and name not in known]
    there = [name for name in columns if name not in lacking]
    if TEST in lacking and "dataset" not in there:
        there.append("dataset")
    try:
        table = read_parquet_file(path, columns=there)
        table = table.cast(pa.schema([score_schema().field(name) for name in there]))
    except UnreadableError as error:
        raise _damaged(path, error.reason) from error
    except (ValueError, pa.ArrowException) as error:
        raise _damaged(path, error) from error
    for field in table.schema:
        if table.column(field.name).null_count and not pa.types.is_floating(
            field.type
        ):  # where NaN may stand as none
            raise _damaged(path, f"its column {field.name} has empty cells")
    for name in lacking:
        field = score_schema().field(name)
        values = table.column("dataset") if name == TEST else pa.array([UNKNOWN] * len(table), field.type)
        table = table.append_column(field, values)
    return table.select(columns)


def _damaged(path: Path, reason: object) -> StoreError:
    return StoreError(
        f"{path} cannot be read: {reason}",
        hints=(f"remove {path} and run again: its videos are scored anew",),
    )
