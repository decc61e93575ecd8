"""All boxes of a prepared dataset in one Parquet file, for whoever wants to look at them with pandas.

It is made of the face files and can be made again at any time; nothing in dfbench reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from dfbench.data.folders import require_below
from dfbench.data.preparing.outcomes import PreparedResult
from dfbench.data.store.face_files import ELSEWHERE, StoredFaces, plain_name, read_track
from dfbench.errors import StoreError
from dfbench.files import write_whole
from dfbench.types import Status

TRACKS = "tracks.parquet"
VIDEOS_AT_ONCE = 256
_BOX = ("x0", "y0", "x1", "y1")
SCHEMA = pa.schema(
    [
        ("video_id", pa.string()),
        ("frame", pa.int64()),
        ("track", pa.int32()),
        ("cut", pa.bool_()),
        *((name, pa.float32()) for name in _BOX),
        ("score", pa.float32()),
        ("quality", pa.float32()),
        ("points", pa.list_(pa.float32())),
        ("landmarks", pa.list_(pa.float32())),
    ]
)


def tracks_path(faces: Path, root: Path) -> Path:
    """Where the table of the dataset at `root` is, one of whose face files is `faces`.

    Face files of several roots lie in one folder, and each root has a table.
    """
    unique = sha256(str(root.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:10]
    return faces.parent / f"{plain_name(root.name)[:60]}-{unique}" / TRACKS


def write_tracks(results: Iterable[PreparedResult], path: Path) -> int:
    """Write the table of all results that are OK, in their order, and return its number of rows. Raises StoreError.

    Columns: video_id; frame, its position in the video; track, 0 is the main face; cut: true for a box that a crop was
    cut around (gaps filled, smoothed), false for what the finder saw; x0, y0, x1, y1 in frame pixels; score; quality of
    a cut face; points, x y of five places of a seen face; landmarks, x y of 81 places of a cut one, if there are any.
    """
    rows = 0

    def write(part: Path) -> None:
        nonlocal rows
        with pq.ParquetWriter(part, SCHEMA, compression="zstd") as writer:
            for table in _tables(results):
                writer.write_table(table)
                rows += table.num_rows

    require_below(path.parent.parent, path.parent)
    write_whole(path, write, hints=ELSEWHERE)
    return rows


def _tables(results: Iterable[PreparedResult]) -> Iterator[pa.Table]:
    waiting: list[pa.Table] = []
    for result in results:
        if result.status is not Status.OK:
            continue
        try:
            faces = read_track(result.path, wanted=result.wanted)
        except StoreError:
            continue  # somebody else makes it anew just now
        waiting += [_cut(result.video.video_id, faces), _seen(result.video.video_id, faces)]
        if len(waiting) >= 2 * VIDEOS_AT_ONCE:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def _cut(video_id: str, faces: StoredFaces) -> pa.Table:
    track = faces.track
    count = len(track.frame_indices)
    marks = track.landmarks.reshape(count, -1)
    return _table(
        video_id,
        track.frame_indices,
        track.boxes,
        track.scores,
        track=np.zeros(count, np.int32),
        cut=True,
        quality=track.quality,
        points=[None] * count,
        landmarks=list(marks) if marks.size else [None] * count,
    )


def _seen(video_id: str, faces: StoredFaces) -> pa.Table:
    seen = faces.seen
    count = len(seen.track)
    return _table(
        video_id,
        seen.frame_indices,
        seen.boxes,
        seen.scores,
        track=seen.track,
        cut=False,
        quality=[None] * count,
        points=list(seen.points.reshape(count, 10)),
        landmarks=[None] * count,
    )


def _table(
    video_id: str,
    frames: NDArray[np.int64],
    boxes: NDArray[np.float32],
    scores: NDArray[np.float32],
    *,
    cut: bool,
    **columns: Any,
) -> pa.Table:
    count = len(frames)
    values = {
        "video_id": [video_id] * count,
        "frame": frames,
        "cut": [cut] * count,
        "score": scores,
        **dict(zip(_BOX, boxes.T, strict=True)),
        **columns,
    }
    return pa.table([pa.array(values[one.name], one.type) for one in SCHEMA], schema=SCHEMA)
