"""Tables that others wrote: of other columns and kinds, damaged, or a hundred kilobytes that stand for terabytes."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dfbench.data.parquet import MOST_BYTES, parquet_schema, read_parquet_file
from dfbench.errors import AbsentError, DfbenchError, StoreError, UnreadableError
from dfbench.results.tables import COLUMNS as TABLE_COLUMNS
from dfbench.results.tables import SCHEMA_VERSION as TABLE_VERSION
from dfbench.results.tables import read_table
from dfbench.runs.records import score_table as scores
from dfbench.runs.records.score_table import ScoreWriter, any_scores, done_videos, read_scores
from dfbench.types import Label, Status, Video


def video(number: int = 0) -> Video:
    return Video(
        dataset="folder",
        video_id=f"{number}.mp4",
        path=Path(f"{number}.mp4"),
        label=Label.FAKE,
        split="test",
        manipulation="fake",
        compression="",
        identities=(),
        group=str(number),
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with ScoreWriter(tmp_path / "run") as writer:
        for number in range(3):
            writer.add_video(video(number), frames=np.zeros((2, 4), np.int64), logits=np.array([0.5, number]))
        writer.add_status(video(9), status=Status.NO_FACE, reason="none")
        writer.finish()
    return tmp_path / "run"


def changed(folder: Path, **columns: object) -> Path:
    """The score table of `folder` with other columns; None leaves one out."""
    table = pq.read_table(folder / scores.MERGED)
    metadata = table.schema.metadata
    for name, values in columns.items():
        at = table.schema.get_field_index(name)
        table = table.remove_column(at) if values is None else table.set_column(at, name, pa.array(values))
    pq.write_table(table.replace_schema_metadata(metadata), folder / scores.MERGED)
    return folder


def test_what_we_write_is_read_as_pyarrow_reads_it(folder: Path) -> None:
    path = folder / scores.MERGED
    assert read_parquet_file(path).equals(pq.read_table(path, partitioning=None), check_metadata=True)
    assert read_parquet_file(path, columns=["logit", "dataset"]).column_names == ["logit", "dataset"]
    assert len(read_scores(folder)) == 7


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"label": ["x"] * 7}, "cannot be read"),
        ({"label": [1.5] * 7}, "cannot be read"),
        ({"label": [300] * 7}, "cannot be read"),
        ({"label": [1] * 6 + [None]}, "label has empty cells"),
        ({"dataset": [[1]] * 7}, "cannot be read"),
        ({"logit": ["x"] * 7}, "cannot be read"),
        ({"logit": [[1.0]] * 7}, "logit"),
        ({"frames": [[[1]]] * 7}, "frames is of list"),
        ({"frames": [{"a": 1}] * 7}, "frames is of struct"),
        ({"status": [*["ok"] * 6, None]}, "status has empty cells"),
        ({"video_id": [b"\xff"] * 7}, "video_id is of binary"),
        ({"status": None}, "no column status"),
        ({"video_id": None}, "no column video_id"),
    ],
)  # fmt: skip
def test_columns_of_another_kind_are_named(folder: Path, columns: dict[str, object], said: str) -> None:
    with pytest.raises(StoreError, match=rf"scores\.parquet.*{said}"):
        read_scores(changed(folder, **columns))


@pytest.mark.parametrize("metadata", [{b"dfbench.scores": b"\xff"}, {b"dfbench.scores": b"1"}, {}])
def test_what_a_table_says_of_itself_may_be_anything(folder: Path, metadata: dict[bytes, bytes]) -> None:
    path = folder / scores.MERGED
    pq.write_table(pq.read_table(path).replace_schema_metadata(metadata), path)
    with pytest.raises(StoreError, match=r"scores\.parquet"):
        done_videos(folder)


def test_files_named_like_no_part_are_none(folder: Path) -> None:
    (folder / scores.SHARDS).mkdir(exist_ok=True)
    for name in (
        "part-x.parquet",
        "part-.parquet",
        f"part-{'9' * 5000}"[:200] + ".parquet",
        "part-1e9.parquet",
    ):
        (folder / scores.SHARDS / name).write_bytes(b"x")
    assert len(read_scores(folder)) == 7


def test_pipes_and_devices_are_no_tables(folder: Path) -> None:
    path = folder / scores.MERGED
    path.unlink()
    os.mkfifo(path)
    assert not any_scores(folder)
    for read in (parquet_schema, read_parquet_file, read_table):
        with pytest.raises((UnreadableError, StoreError), match="named pipe"):
            read(path)
    with pytest.raises(AbsentError):
        read_parquet_file(folder / "none")
    with pytest.raises(UnreadableError, match="folder"):
        read_parquet_file(folder)


def test_a_small_file_of_many_large_texts_is_refused_before_it_takes_memory(tmp_path: Path) -> None:
    cells = pa.DictionaryArray.from_arrays(pa.array(np.zeros(100_000, np.int32)), ["z" * 10**6])
    path = tmp_path / "bomb.parquet"
    pq.write_table(pa.table({"text": cells}), path, store_schema=False)
    assert path.stat().st_size < 200_000
    assert str(pq.read_schema(path).field("text").type) == "string"
    with pytest.raises(UnreadableError, match=f"100000000000 bytes, and at most {MOST_BYTES}"):
        read_parquet_file(path)


def test_a_small_file_of_many_rows_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dfbench.data.parquet.MOST_VALUES", 1000)
    path = tmp_path / "long.parquet"
    pq.write_table(pa.table({"a": pa.array([[0] * 10] * 200)}), path)
    with pytest.raises(UnreadableError, match="2000 values"):
        read_parquet_file(path)


def test_a_column_may_stand_once_and_hold_text(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table([pa.array([1]), pa.array([2])], names=["a", "a"]), path)
    with pytest.raises(UnreadableError, match="repeats"):
        read_parquet_file(path)
    broken = pa.StringArray.from_buffers(1, pa.py_buffer(np.array([0, 1], np.int32)), pa.py_buffer(b"\xff"))
    pq.write_table(pa.table({"a": broken}), path)
    with pytest.raises(UnreadableError, match=r"table\.parquet"):
        read_parquet_file(path)


@pytest.mark.parametrize("value", ["x", float("inf"), 1e300, None, True, [1], b"\xff"])
@pytest.mark.parametrize("column", ["auc", "n_real", "dataset", "cross_dataset"])
def test_a_result_table_of_other_kinds_is_one_or_an_error_that_names_it(
    column: str, value: object, tmp_path: Path
) -> None:
    path = tmp_path / "table.parquet"
    row: dict[str, object] = dict.fromkeys(TABLE_COLUMNS, 1)
    table = pa.Table.from_pandas(pd.DataFrame([{**row, column: value}]), preserve_index=False)
    pq.write_table(table.replace_schema_metadata({b"dfbench.table": str(TABLE_VERSION).encode()}), path)
    try:
        read_table(path)
    except StoreError as error:
        assert "table.parquet" in error.message  # noqa: PT017 # whether it raises is not the question


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_damage_is_told_as_such(folder: Path, data: st.DataObject) -> None:
    path = folder / "damaged.parquet"
    content = bytearray((folder / scores.MERGED).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        # The footer, which says what is where, is at the end.
        place = data.draw(
            st.integers(0, 2500).map(lambda back: max(0, len(content) - 1 - back))
            | st.integers(0, len(content) - 1)
        )
        content[place] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    path.write_bytes(content)
    try:
        read_parquet_file(path).to_pandas()
    except DfbenchError as error:
        assert "damaged.parquet" in error.message  # noqa: PT017 # as above
