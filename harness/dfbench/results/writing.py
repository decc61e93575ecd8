"""Result files, written whole or not at all: under a temporary name first, then renamed."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from dfbench.data.folders import cleared
from dfbench.data.parquet import read_parquet_file
from dfbench.errors import StoreError, UnreadableError


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8. Raises StoreError."""
    write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8", newline="\n"))


def write_parquet(path: Path, frame: pd.DataFrame, *, kind: str, version: int) -> None:
    """Write `frame` with `dfbench.<kind>` = `version` in its metadata. Raises StoreError."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    marked = {**(table.schema.metadata or {}), f"dfbench.{kind}".encode(): str(version).encode()}
    write_whole(path, lambda temporary: pq.write_table(table.replace_schema_metadata(marked), temporary))


def read_parquet(path: Path, *, kind: str, version: int) -> pd.DataFrame:
    """What `write_parquet` wrote. Raises StoreError if it is absent, damaged, or of another kind or version."""
    try:
        table = read_parquet_file(path)
    except UnreadableError as error:
        raise StoreError(error.message, hints=("give the run again",)) from error
    found = (table.schema.metadata or {}).get(f"dfbench.{kind}".encode())
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


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Have `write` fill a temporary file and rename it to `path`. Raises StoreError; a full disk gets its hint."""
    # Of this process: another may write the same file at the same time.
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(cleared(temporary))
        os.replace(temporary, path)  # noqa: PTH105 # the atomic one, by its own name
    except OSError as error:
        with suppress(OSError):  # the folder itself may be what is wrong
            temporary.unlink(missing_ok=True)
        if error.errno == errno.ENOSPC:
            hints = (f"free some space on the disk that holds {path.parent} and give the command again",)
            raise StoreError(f"no space left on the device while writing {path}", hints=hints) from error
        raise StoreError(
            f"cannot write {path}: {error.strerror or error}", hints=(f"check {path.parent}",)
        ) from error
