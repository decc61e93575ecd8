"""Boxes of MTCNN's quick searches are those of a full search, whatever the size of the face."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.benchmarks.talking_head import head_frames
from tests.photographs import photographs

from dfbench import Faces
from dfbench.data.faces import overlap
from dfbench_plugins.face_finders.cascade import Found
from dfbench_plugins.face_finders.mtcnn import Mtcnn


@pytest.fixture(scope="module")
def finder() -> Mtcnn:
    return Mtcnn("cpu")


def largest(faces: Faces) -> NDArray[np.float32]:
    sides = faces.boxes[:, 2:] - faces.boxes[:, :2]
    return np.asarray(faces.boxes[int(sides.prod(axis=1).argmax())])


@pytest.mark.parametrize(
    ("side", "second"),
    [(60, 0), (80, 0), (100, 0), (130, 0), (160, 0), (180, 0), (220, 0), (260, 0), (220, 70)],
)
def test_boxes_overlap_those_of_a_full_search(finder: Mtcnn, side: int, second: int) -> None:
    frames = list(head_frames(photographs(), side, second=second, every=25))
    of_video = finder.of_video()
    found = [*of_video.find(frames[:6]), *of_video.find(frames[6:])]
    overlaps = [
        overlap(largest(quick), largest(full))
        for quick, full in zip(found, finder.find_small(frames), strict=True)
    ]
    assert np.mean(overlaps) >= 0.95, np.round(overlaps, 3)


def test_after_small_faces_it_looks_for_those_at_once(finder: Mtcnn, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two searches of the first frames, one of the next; large faces, and none, are searched for as ever."""
    searched: list[tuple[int, float]] = []
    search = finder._cascade.find

    def counted(sums: Sequence[NDArray[np.int32]], smallest: float) -> list[Found]:
        searched.append((len(sums), round(smallest)))
        return search(sums, smallest)

    monkeypatch.setattr(finder._cascade, "find", counted)
    small, large = (list(head_frames(photographs(), side, every=60)) for side in (80, 220))
    nothing = np.full((480, 640, 3), 90, np.uint8)
    of_video = finder.of_video()
    of_video.find(small[:2])
    assert searched == [(2, 112), (2, 28)]
    searched.clear()
    of_video.find(small[2:4])
    assert searched == [(2, 28)]
    searched.clear()
    (found,) = of_video.find(large[:1])
    assert searched == [(1, 28), (1, 112)]
    assert np.array_equal(found.boxes, finder.find(large[:1])[0].boxes)
    searched.clear()
    of_video.find([nothing])
    assert searched == [(1, 112), (1, 28)]
