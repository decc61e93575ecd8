"""Small faces beside a large one, found by MTCNN itself: their tracks are kept, and a mask can choose them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tests import photographs

from dfbench import Faces, FrameChoice, PrepareSpec
from dfbench.data.faces.tracking import merged_faces
from dfbench.data.faces.video_faces import prepare_video
from dfbench.data.store.face_files import StoredFaces, read_track
from dfbench_plugins.face_finders.mtcnn import Mtcnn, MtcnnOfVideo

WriteVideo = Callable[..., Path]
SPEC = PrepareSpec(FrameChoice("uniform", 4))
# Frame, the side of a large photograph and of a small one; faces take half of their photographs.
SIZES = pytest.mark.parametrize(
    ("frame", "large", "small"), [((640, 480), 320, 70), ((1920, 1080), 720, 190)], ids=["480p", "1080p"]
)


@pytest.fixture(scope="module")
def finder() -> Mtcnn:
    return Mtcnn("cpu")


@pytest.fixture(scope="module")
def photograph() -> Image.Image:
    return photographs.photograph()


def place(frame: tuple[int, int], side: int) -> tuple[int, int, int, int]:
    """Where the small photograph is: at the right, in the middle."""
    left, top = frame[0] - side - 20, (frame[1] - side) // 2
    return left, top, left + side, top + side


def scene(
    photograph: Image.Image, frame: tuple[int, int], large: int, small: int = 0
) -> list[NDArray[np.uint8]]:
    """Four equal frames with a large face at the left, and a small one at the right if `small` is not 0."""
    picture = Image.new("RGB", frame, (110, 112, 115))
    picture.paste(photograph.resize((large, large)), (20, (frame[1] - large) // 2))
    if small:
        picture.paste(photograph.resize((small, small)), place(frame, small)[:2])
    return [np.asarray(picture, np.uint8)] * 4


def prepared(path: Path, finder: Mtcnn, mask: Path | None = None) -> StoredFaces:
    stored = path.with_suffix(".faces")
    prepare_video(path, SPEC, finder, stored, mask_path=mask)
    return read_track(stored)


def inside(box: NDArray[np.float32], frame: tuple[int, int], side: int) -> bool:
    x0, y0, x1, y1 = place(frame, side)
    return bool(x0 < box[0] < box[2] < x1 and y0 < box[1] < box[3] < y1)


@SIZES
def test_a_small_face_beside_a_large_one_keeps_its_track(
    write_video: WriteVideo,
    photograph: Image.Image,
    finder: Mtcnn,
    frame: tuple[int, int],
    large: int,
    small: int,
) -> None:
    images = scene(photograph, frame, large, small)
    (quick,) = finder.find(images[:1])
    assert len(quick.boxes) == 1  # what this is about
    stored = prepared(write_video("two.mp4", images), finder)
    seen = stored.seen
    assert [int((seen.track == number).sum()) for number in range(int(seen.track.max()) + 1)] == [4, 4]
    assert all(inside(box, frame, small) for box in seen.boxes[seen.track == 1])
    assert not any(inside(box, frame, small) for box in stored.track.boxes)


@SIZES
def test_a_mask_over_a_small_face_chooses_it(
    write_video: WriteVideo,
    photograph: Image.Image,
    finder: Mtcnn,
    monkeypatch: pytest.MonkeyPatch,
    frame: tuple[int, int],
    large: int,
    small: int,
) -> None:
    monkeypatch.setattr(MtcnnOfVideo, "find", lambda _, frames: finder.find(frames))  # only the mask tells
    x0, y0, x1, y1 = place(frame, small)
    mask = np.zeros((frame[1], frame[0], 3), np.uint8)
    mask[y0 + small // 4 : y1 - small // 4, x0 + small // 4 : x1 - small // 4] = 255
    two = write_video("two.mp4", scene(photograph, frame, large, small))
    stored = prepared(two, finder, write_video("mask.mp4", [mask] * 4))
    assert len(stored.track.boxes) == 4
    assert all(inside(box, frame, small) for box in stored.track.boxes)


@pytest.mark.slow
def test_a_mask_over_a_face_that_was_found_asks_for_no_other(
    write_video: WriteVideo, photograph: Image.Image, finder: Mtcnn, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    every = MtcnnOfVideo.find_all

    def counted(self: MtcnnOfVideo, frames: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        asked.append(len(frames))
        return every(self, frames)

    monkeypatch.setattr(MtcnnOfVideo, "find_all", counted)
    path = write_video("one.mp4", scene(photograph, (640, 480), 320))
    on, off = np.zeros((2, 480, 640, 3), np.uint8)
    on[160:320, 100:260] = off[:100, 500:] = 255
    prepared(path, finder)
    prepared(path, finder, write_video("on.mp4", [on] * 4))
    assert asked == []
    prepared(path, finder, write_video("off.mp4", [off] * 4))
    assert asked == [4]


def test_a_face_is_there_once() -> None:
    def faces(*boxes: tuple[int, int, int, int]) -> Faces:
        count = len(boxes)
        return Faces(
            np.asarray(boxes, np.float32), np.ones(count, np.float32), np.zeros((count, 5, 2), np.float32)
        )

    both = merged_faces(faces((0, 0, 100, 120)), faces((5, 5, 95, 110), (20, 20, 40, 45), (90, 0, 130, 50)))
    assert both.boxes.tolist() == [[0, 0, 100, 120], [90, 0, 130, 50]]
    assert len(both.scores) == len(both.points) == 2
