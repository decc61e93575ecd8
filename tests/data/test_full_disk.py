"""What a write that the system ends midway leaves behind: nothing, and a word on what to do."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

# Files of this process end at 20 kB, where the system writes what fits and refuses the rest, as on a full disk.
SCRIPT = """
import json, resource, signal, sys
from pathlib import Path
import numpy as np
from dfbench.data.preparing.outcomes import PreparedResult
from dfbench.data.store.face_files import StoredFaces, read_faces, write_faces
from dfbench.data.preparing.box_table import write_tracks
from dfbench.errors import StoreError
from dfbench.types import FaceTrack, Label, Status, Video

def faces(rows, side):
    rng = np.random.default_rng(rows)
    track = FaceTrack(
        frame_indices=np.arange(rows), boxes=rng.random((rows, 4), np.float32), scores=np.ones(rows, np.float32),
        landmarks=rng.random((rows, 81, 2), np.float32), landmark_kind="dlib", frame_size=(40, 30),
        quality=np.ones(rows, np.float32),
    )
    crops = [rng.integers(0, 256, (side, side, 3), dtype=np.uint8) for _ in range(rows)]
    return StoredFaces(crops=crops, crop_boxes=np.zeros((rows, 4), np.float32), track=track)

folder = Path(sys.argv[1])
results = []
for number in range(4):
    path = folder / f"{number}.faces"
    write_faces(path, faces(20, 8))
    video = Video("toy", str(number), path, Label.REAL, "test", "real", "c23", (), str(number))
    results.append(PreparedResult(video, Status.OK, "", path))
before = sorted(one.name for one in folder.iterdir())
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
told = []
for write in (
    lambda: write_faces(folder / "new.faces", faces(20, 64)),
    lambda: write_faces(folder / "0.faces", faces(20, 64)),
    lambda: write_tracks(results, folder / "tracks.parquet"),
):
    try:
        write()
    except StoreError as error:
        told.append([error.message, list(error.hints)])
same = sorted(one.name for one in folder.iterdir()) == before and len(read_faces(folder / "0.faces").crops[0]) == 8
print(json.dumps([told, same]))
"""


@pytest.mark.slow
def test_a_write_that_ends_midway_leaves_what_was_there(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)], capture_output=True, text=True, check=True, timeout=120
    )
    told, same = json.loads(ended.stdout)
    assert [message.split(":")[0] for message, _ in told] == [
        f"cannot write {tmp_path / name}" for name in ("new.faces", "0.faces", "tracks.parquet")
    ]
    assert all("File too large" in message for message, _ in told)
    assert all(any("DFBENCH_CACHE" in hint for hint in hints) for _, hints in told)
    assert same
