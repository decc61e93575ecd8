"""The face of an excerpt stands where its frames do, also in a folder from which frames are missing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tests.data.test_sequences import png, write

from dfbench.data.faces.video_faces import prepare_video
from dfbench.data.store.face_files import read_track
from dfbench.progress import SilentProgress
from dfbench.runs.evidence.excerpts import cut_face, follow_face
from dfbench.types import ClipSpec, Faces, FrameChoice, PrepareSpec

NUMBERS = [*range(6), *range(20, 26)]


class Still:
    """One face, always in the same place."""

    def find(self, frames: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        points = np.full((1, 5, 2), 30, np.float32)
        face = Faces(np.asarray([[10, 10, 50, 50]], np.float32), np.ones(1, np.float32), points)
        return [face] * len(frames)


def test_frames_that_are_missing_move_no_other(tmp_path: Path) -> None:
    files = {f"{number}.png": png(5 * number + 20, (80, 60)) for number in NUMBERS}
    path = write(tmp_path / "video", files)
    prepare_video(path, PrepareSpec(FrameChoice("first", 26)), Still(), tmp_path / "one.faces")
    like = read_track(tmp_path / "one.faces")
    face = follow_face(path, 0, 26, finder=Still(), like=like, progress=SilentProgress())
    assert face.positions.tolist() == NUMBERS
    crops = np.concatenate(list(cut_face(path, 0, 26, face.main, ClipSpec(frames=4, size=16))))
    assert [(int(crop[8, 8, 0]) - 20) // 5 for crop in crops] == NUMBERS
    later = follow_face(path, 3, 20, finder=Still(), like=like, progress=SilentProgress())
    assert later.positions.tolist() == [3, 4, 5, 20, 21, 22]
    crops = np.concatenate(list(cut_face(path, 3, 20, later.main, ClipSpec(frames=2, size=16))))
    assert [(int(crop[8, 8, 0]) - 20) // 5 for crop in crops] == later.positions.tolist()
