"""`manifest.parquet` beside run.json: each video that each test of a run expects, with its label, its group and its file.

What was scored is held against this table, and not against itself: a video without a row in the scores is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dfbench.data.datasets.manifest import COLUMNS, manifest_of, videos_of
from dfbench.errors import StoreError, UnreadableError
from dfbench.files import write_whole
from dfbench.formats import WRITTEN_BY, refuse_newer
from dfbench.runs.records.run_file import MANIFEST
from dfbench.types import Video
from dfbench.version import VERSION

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 2  # 1 had no column `test`, and one test of a dataset
_READABLE = (b"1", b"2")
_KEY = b"dfbench.manifest"


def write_manifest(folder: Path, videos: Mapping[str, Sequence[Video]], roots: Iterable[Path] = ()) -> None:
    """Write the table of the videos that each test of a run expects, by its key. Raises StoreError.

    Their paths are relative to that of `roots` which they lie in; of a file elsewhere the name alone is told.
    """
    known = sorted({str(root.absolute()) for root in roots}, key=len, reverse=True)
    placed = {key: [_placed(video, known) for video in of_test] for key, of_test in videos.items()}
    write_table_of_videos(folder, manifest_of_tests(placed))


def manifest_of_tests(videos: Mapping[str, Sequence[Video]]) -> pd.DataFrame:
    """Return the table of the videos of several tests, by key: the columns of `manifest_of`, and `test`, the key.

    Raises ManifestError if a test has a video twice.
    """
    import pandas as pd

    tables = [manifest_of(of_test).assign(test=key) for key, of_test in videos.items()]
    return pd.concat(tables, ignore_index=True) if tables else manifest_of(()).assign(test="")


def write_table_of_videos(folder: Path, manifest: pd.DataFrame) -> None:
    """Write the manifest of a run, whole or not at all. Raises StoreError."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(manifest, preserve_index=False)
    marked = table.replace_schema_metadata({_KEY: str(FORMAT), WRITTEN_BY: VERSION})
    write_whole(folder / MANIFEST, lambda part: pq.write_table(marked, part, compression="zstd"))


def read_manifest(folder: Path) -> pd.DataFrame | None:
    """Read the table of the videos that a run expects; returns it with the columns of `manifest_of_tests`.

    Returns None for a run of before there were any.

    Raises StoreError if it is damaged or a later dfbench wrote it, and ManifestError if it repeats a video.
    """
    import pyarrow as pa

    from dfbench.data.parquet import parquet_schema, read_parquet_file

    path = folder / MANIFEST
    if not path.is_file():
        return None
    try:
        metadata = parquet_schema(path).metadata or {}
        version, writer = metadata.get(_KEY), metadata.get(WRITTEN_BY.encode())
        refuse_newer(path, "a list of videos", found=version, known=FORMAT, written_by=writer)
        if version not in _READABLE:
            raise ValueError(f"it is no manifest of a version up to {FORMAT}")
        columns = COLUMNS if version == b"1" else (*COLUMNS, "test")
        table = read_parquet_file(path, columns=columns)
        kinds = [(name, pa.int8() if name == "label" else pa.string()) for name in columns]
        frame: pd.DataFrame = table.cast(pa.schema(kinds)).to_pandas()
        if version == b"1":
            frame["test"] = frame["dataset"]
    except (UnreadableError, ValueError, pa.ArrowException) as error:
        reason = error.reason if isinstance(error, UnreadableError) else error
        raise StoreError(
            f"{path} cannot be read: {reason}", hints=("score the run again:  dfbench run ... --force",)
        ) from error
    return frame


def expected_videos(manifest: pd.DataFrame) -> dict[str, list[Video]]:
    """Return the videos of a manifest by the key of their test.

    Raises ManifestError if it holds what is no video, or a video twice in one test.
    """
    return {
        str(key): videos_of(of_test) for key, of_test in manifest.groupby("test", sort=False, observed=True)
    }


def _placed(video: Video, roots: Sequence[str]) -> Video:
    mask = video.mask_path
    return replace(
        video,
        path=_relative(video.path, roots),
        mask_path=None if mask is None else _relative(mask, roots),
    )


def _relative(path: Path, roots: Sequence[str]) -> Path:
    text = str(path.absolute())
    inside = next((root for root in roots if text.startswith(f"{root}/")), None)
    return Path(path.name) if inside is None else Path(text[len(inside) + 1 :])
