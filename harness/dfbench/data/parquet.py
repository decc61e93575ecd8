"""Read tables that others may have written: Parquet files say in a few kilobytes that they hold terabytes.

A column is stored as its different values and how often they follow one another, so that a million cells of a megabyte take no
room on disk. What a file holds is therefore counted before it is spread out in memory.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dfbench.errors import UnreadableError
from dfbench.untrusted import require_regular

MOST_BYTES = 2**31  # of a table in memory: 10 million rows of scores
MOST_VALUES = 2**28


def parquet_schema(path: Path) -> Any:
    """The schema of a Parquet file. Raises AbsentError, UnreadableError."""
    return _opened(path).schema_arrow


def read_parquet_file(path: Path, *, columns: Collection[str] | None = None) -> Any:
    """Read `columns` of a Parquet file, all if None; returns a table of texts, numbers, truth values and lists of numbers.

    Raises AbsentError, UnreadableError: also where a column is of another kind, or the table takes more than MOST_BYTES.
    """
    file = _opened(path)
    schema = file.schema_arrow
    names = schema.names if columns is None else list(columns)
    if len(set(schema.names)) != len(schema.names):
        raise UnreadableError(path, "it repeats the name of a column")
    if lacking := [name for name in names if name not in schema.names]:
        raise UnreadableError(path, f"it has no column {', '.join(lacking)}")
    for name in names:
        if not _is_plain(schema.field(name).type):
            raise UnreadableError(path, f"its column {name} is of {schema.field(name).type}")
    _require_few(path, file.metadata)
    texts = [name for name in names if _is_text(schema.field(name).type)]
    try:
        with pq.ParquetFile(path.absolute(), metadata=file.metadata, read_dictionary=texts) as packed:
            table = packed.read(columns=names)
        table.validate(full=True)  # texts that are no UTF-8, offsets that lead out of their column
        size = sum(_spread_out(table.column(name)) for name in texts)
        if size > MOST_BYTES:
            raise UnreadableError(path, f"its texts take {size} bytes, and at most {MOST_BYTES} are read")
        for name in texts:
            at = table.schema.get_field_index(name)
            table = table.set_column(at, schema.field(name), table.column(at).cast(schema.field(name).type))
    except (OSError, pa.ArrowException, ValueError, MemoryError) as error:
        raise UnreadableError(path, str(error)) from error
    return table.select(names).replace_schema_metadata(schema.metadata)


def _opened(path: Path) -> Any:
    try:
        with pq.ParquetFile(require_regular(path)) as file:
            return file
    except (OSError, pa.ArrowException, ValueError) as error:
        raise UnreadableError(path, str(error)) from error


def _require_few(path: Path, metadata: Any) -> None:
    """Raise UnreadableError if the columns hold more than they may, by what the file says itself."""
    values = size = 0
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        for number in range(row_group.num_columns):
            column = row_group.column(number)
            values, size = values + column.num_values, size + column.total_uncompressed_size
    if values > MOST_VALUES or size > MOST_BYTES:
        raise UnreadableError(path, f"it holds {values} values in {size} bytes")


def _is_plain(kind: Any) -> bool:
    if pa.types.is_list(kind):
        return bool(pa.types.is_integer(kind.value_type))
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    return bool(numeric or pa.types.is_boolean(kind) or pa.types.is_null(kind) or _is_text(kind))


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _spread_out(column: Any) -> int:
    """How many bytes the texts of a column take that is held as its different values."""
    return sum(
        pc.sum(pc.take(pc.binary_length(chunk.dictionary), chunk.indices)).as_py() or 0
        for chunk in column.chunks
    )
