"""Boxes of MTCNN's quick searches are those of a full search, whatever the size of the face."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tests.benchmarks.talking_head import head_frames
from tests.photographs import photograph, photographs

from dfbench import Faces
from dfbench.data.faces.tracking import overlap
from dfbench_plugins.face_finders.cascade import Cascade, Found, Part
from dfbench_plugins.face_finders.equal_frames import NO_FACES, EqualFrames, size_below
from dfbench_plugins.face_finders.mtcnn import Mtcnn
from dfbench_plugins.face_finders.shrinking import summed


@pytest.fixture(scope="module")
def finder() -> Mtcnn:
    return Mtcnn("cpu")


def largest(faces: Faces) -> NDArray[np.float32]:
    sides = faces.boxes[:, 2:] - faces.boxes[:, :2]
    return np.asarray(faces.boxes[int(sides.prod(axis=1).argmax())])


@pytest.mark.slow
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
        for quick, full in zip(found, finder.find_all(frames), strict=True)
    ]
    assert np.mean(overlaps) >= 0.95, np.round(overlaps, 3)


@pytest.mark.parametrize("side", [60, 100, 220])
def test_a_face_is_the_same_in_a_part_of_the_frame(side: int) -> None:
    cascade = Cascade("cpu")
    for frame in head_frames(photographs(), side, every=60):
        ((seen, scores, _),) = cascade.find([summed(frame)], 20)
        x0, y0, x1, y1 = seen[scores.argmax()]
        beyond = max(x1 - x0, y1 - y0)
        smallest = size_below(0.75 * beyond)
        ((whole, scores, points),) = cascade.find([summed(frame)], smallest)
        part = (x0 - beyond, max(0.0, y0 - beyond), x1 + beyond, min(480.0, y1 + beyond))
        ((box, score, point),) = cascade.find([summed(frame)], smallest, [part])
        best = [np.abs(whole - one).sum(axis=1).argmin() for one in box]
        assert scores.argmax() in best
        np.testing.assert_allclose(box, whole[best], rtol=0, atol=1e-3)
        np.testing.assert_allclose(score, scores[best], rtol=0, atol=1e-5)
        np.testing.assert_allclose(point, points[best], rtol=0, atol=1e-3)


@pytest.mark.parametrize("part", [(300, 200, 310, 210), (350, 0, 640, 480)])
def test_nothing_is_found_outside_of_a_part(part: Part) -> None:
    frame = summed(pair(at=None))
    (found,) = Cascade("cpu").find([frame], 79, [part])
    assert [len(one) for one in found] == [0, 0, 0]
    assert len(Cascade("cpu").find([frame], 79)[0][0]) == 1


class Searches(list[tuple[int, int, bool]]):
    """What the cascade was asked for: how many frames, the smallest size, and whether for all of them."""

    def __init__(self, finder: Mtcnn, monkeypatch: pytest.MonkeyPatch) -> None:
        search = finder._cascade.find

        def counted(
            sums: Sequence[NDArray[np.int32]], smallest: float, parts: Sequence[Part] | None = None
        ) -> list[Found]:
            self.append((len(sums), round(smallest), parts is None))
            return search(sums, smallest, parts)

        monkeypatch.setattr(finder._cascade, "find", counted)

    def taken(self) -> list[tuple[int, int, bool]]:
        """Those since this was asked last."""
        taken = list(self)
        self.clear()
        return taken


@pytest.mark.slow
def test_small_faces_are_looked_for_near_the_last_ones(
    finder: Mtcnn, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, large = (list(head_frames(photographs(), side, every=8)) for side in (80, 220))
    nothing = np.full((480, 640, 3), 90, np.uint8)
    (alone,) = finder.find(large[:1])
    searches, of_video = Searches(finder, monkeypatch), finder.of_video()
    of_video.find(small[:3])
    large_ones, first, second, any_size = (3, 112, True), (1, 28, True), (1, 28, False), (1, 20, True)
    assert searches.taken() == [large_ones, first, second, any_size]
    of_video.find(small[3:5])
    assert searches.taken() == [(2, 112, True), (1, 28, False), any_size]
    (found,) = of_video.find(large[:1])
    assert searches.taken() == [(1, 112, True), any_size]
    assert np.array_equal(found.boxes, alone.boxes)
    of_video.find([nothing, nothing])
    assert searches.taken()[-2:] == [(1, 28, True), any_size]


def pair(*, at: int | None, large: int = 320, small: int = 70) -> NDArray[np.uint8]:
    """A large face at the left, unless it is of size 0, and a small one whose photograph begins `at` that column."""
    frame = Image.new("RGB", (640, 480), (110, 112, 115))
    if large:
        frame.paste(photograph().resize((large, large)), (20, 80))
    if at is not None:
        frame.paste(photograph().resize((small, small)), (at, 200))
    return np.asarray(frame, np.uint8)


def is_seen(faces: Faces, at: int | None, *, small: int = 70) -> bool:
    """Whether exactly one face of less than `small` px is there, in the middle of its photograph, or none."""
    centres = [float(box[0] + box[2]) / 2 for box in faces.boxes if box[2] - box[0] < small]
    return not centres if at is None else len(centres) == 1 and abs(centres[0] - at - small / 2) < small / 4


def test_a_small_face_beside_a_large_one_is_followed_to_where_it_comes_and_goes(finder: Mtcnn) -> None:
    there = [None, None, 400, 410, 420, 430, 440, 450, 460, 470, None, None]
    frames = [pair(at=one) for one in there]
    of_video = finder.of_video()
    found = [*of_video.find(frames[:6]), *of_video.find(frames[6:])]
    assert [is_seen(one, at) for one, at in zip(found, there, strict=True)] == [True] * len(there)
    assert all(len(one.boxes) == 1 + (at is not None) for one, at in zip(found, there, strict=True))


def test_a_small_face_that_walks_is_followed_beside_a_large_one(finder: Mtcnn) -> None:
    """By nearly two sides from frame to frame, and back."""
    there = [350, 435, 520, 435, 350, 435, 520, 435]
    found = finder.of_video().find([pair(at=one) for one in there])
    assert [is_seen(one, at) for one, at in zip(found, there, strict=True)] == [True] * len(there)


class FourSizes(Cascade):
    """Sees what it is told of in range of a search in a part: from the smallest size to 2.8 times that."""

    def __init__(self, *boxes: tuple[int, int, int, int]) -> None:
        self.boxes = np.asarray(boxes, np.float32)

    def find(
        self, sums: Sequence[NDArray[np.int32]], smallest: float, parts: Sequence[Part] | None = None
    ) -> list[Found]:
        sides = self.boxes[:, 2] - self.boxes[:, 0]
        # A smaller face shows, too.
        seen = self.boxes[(sides >= 0.7 * smallest) & ((sides <= 2.8 * smallest) | (parts is None))]
        return [(seen, np.ones(len(seen), np.float32), np.zeros((len(seen), 5, 2), np.float32)) for _ in sums]


def test_smaller_faces_nearby_do_not_hide_the_one_looked_for() -> None:
    """What is small beside it is searched for anew, from so small a size that its own is out of range."""
    boxes = [(200, 150, 310, 260), (320, 150, 380, 210), (320, 220, 352, 252)]
    frames = EqualFrames([pair(at=None)], FourSizes(*boxes), 800)
    wanted = Faces(np.asarray(boxes[:1], np.float32), np.ones(1, np.float32), np.zeros((1, 5, 2), np.float32))
    found = frames.with_near(0, NO_FACES, wanted)
    assert sorted(map(tuple, found.boxes.tolist())) == boxes


def test_a_small_face_alone_is_found_wherever_it_jumps(finder: Mtcnn) -> None:
    there = [50, 400, 60, None, 300, 310, 90, 500]
    found = finder.of_video().find([pair(at=one, large=0) for one in there])
    assert [is_seen(one, at) for one, at in zip(found, there, strict=True)] == [True] * len(there)


@pytest.mark.slow
def test_a_face_that_grows_and_shrinks_is_followed(finder: Mtcnn) -> None:
    sizes = [70, 100, 150, 220, 320, 220, 150, 100, 70]
    found = finder.of_video().find([pair(at=100, large=0, small=side) for side in sizes])
    assert [len(one.boxes) for one in found] == [1] * len(sizes)
    for side, one, whole in zip(
        sizes, found, finder.find_all([pair(at=100, large=0, small=s) for s in sizes]), strict=True
    ):
        assert overlap(one.boxes[0], whole.boxes[0]) > 0.85, side


def test_frames_of_another_shape_are_another_place(finder: Mtcnn) -> None:
    """The same face at the same columns of a frame twice as wide: nothing of the first is looked for in the second."""
    narrow = [pair(at=400, large=0)] * 2
    wide = [np.concatenate([one, one], axis=1) for one in narrow]
    of_video = finder.of_video()
    found = of_video.find([*narrow, *wide])
    assert [len(one.boxes) for one in found] == [1, 1, 2, 2]


def test_a_crowd_is_searched_at_once(finder: Mtcnn, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = Image.new("RGB", (640, 480), (110, 112, 115))
    for row in range(3):
        for column in range(4):
            frame.paste(photograph().resize((90, 90)), (15 + 155 * column, 10 + 155 * row))
    frames = [np.asarray(frame, np.uint8)] * 3
    searches = Searches(finder, monkeypatch)
    found = finder.of_video().find(frames)
    assert [len(one.boxes) for one in found] == [12] * 3
    assert searches.taken()[-3:] == [(1, 20, True), (1, 28, True), (1, 28, True)]
