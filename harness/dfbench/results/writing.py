"""Tables and texts of results, written whole or not at all, and tables read back."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from dfbench.data.parquet import read_parquet_file
from dfbench.errors import StoreError, UnreadableError
from dfbench.files import write_text_whole, write_whole
from dfbench.formats import WRITTEN_BY, refuse_newer
from dfbench.version import VERSION

AGAIN = ("then give the command again",)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8. Raises StoreError."""
    write_text_whole(path, text, hints=AGAIN)


def write_parquet(path: Path, frame: pd.DataFrame, *, kind: str, version: int) -> None:
    """Write `frame` with `dfbench.<kind>` = `version` in its metadata. Raises StoreError."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    marks = {f"dfbench.{kind}": str(version), WRITTEN_BY: VERSION}
    marked = {**(table.schema.metadata or {}), **{key.encode(): mark.encode() for key, mark in marks.items()}}
    write_whole(
        path,
        lambda temporary: pq.write_table(table.replace_schema_metadata(marked), temporary),
        hints=AGAIN,
    )


def read_parquet(path: Path, *, kind: str, version: int) -> pd.DataFrame:
    """What `write_parquet` wrote. Raises StoreError if it is absent, damaged, or of another kind or version."""
    try:
        table = read_parquet_file(path)
    except UnreadableError as error:
        raise StoreError(error.message, hints=("give the run again",)) from error
    metadata = table.schema.metadata or {}
    found, writer = (metadata.get(key.encode()) for key in (f"dfbench.{kind}", WRITTEN_BY))
    refuse_newer(path, f"a {kind}", found=found, known=version, written_by=writer)
    if found != str(version).encode():
        what = (
            f"no dfbench {kind}" if found is None else f"a {kind} of version {found.decode(errors='replace')}"
        )
        raise StoreError(
            f"{path} is {what}; this dfbench reads version {version}", hints=("give the run again",)
        )
    try:
        # Without what the file says of pandas: types are given by whoever reads it, and nothing else is obeyed.
        frame: pd.DataFrame = table.replace_schema_metadata(None).to_pandas()
    except (ValueError, TypeError, LookupError, pa.ArrowException) as error:
        raise StoreError(f"{path} is damaged: {error}", hints=("give the run again",)) from error
    return frame
