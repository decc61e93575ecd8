"""Whose face a video is about: one that is there, of those the heaviest, and nothing outside of the frame weighs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.chance import examples

from dfbench.data.clips import clip_positions
from dfbench.data.decoding.video import wanted_indices
from dfbench.data.faces.main_track import clips_filled, ranked, seen_inside, weight
from dfbench.data.faces.tracking import Track
from dfbench.data.faces.video_faces import prepare_video
from dfbench.data.store.face_files import read_faces
from dfbench.errors import NoFaceError
from dfbench.types import ClipSpec, Faces, FrameChoice, PrepareSpec, Sampling

WriteVideo = Callable[..., Path]
Box = tuple[int, int, int, int]

WIDTH, HEIGHT, LENGTH = 180, 120, 40
FRAME = (WIDTH, HEIGHT)
SMALL, LARGE = (130, 30, 160, 60), (10, 10, 90, 110)  # 900 and 8000 pixels
CLIPS = ClipSpec(frames=4, size=32, per_video=3)
CHOICES = {
    "uniform": CLIPS.frame_choice(),
    "runs": replace(CLIPS, sampling=Sampling.CONSECUTIVE).frame_choice(),
    "first": FrameChoice("first", 12, clip=4),
}


class Scripted:
    """Finds a face at each box in the frames that it is said to be in; a frame's number is its brightness."""

    def __init__(self, faces: Sequence[tuple[Box, Sequence[int]]]) -> None:
        self._faces = faces

    def find(self, frames: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        return [self._in(round((float(one.mean()) - 20) / 5)) for one in frames]

    def _in(self, number: int) -> Faces:
        boxes = [box for box, where in self._faces if number in where]
        shape = np.asarray(boxes, dtype=np.float32).reshape(-1, 4)
        return Faces(
            shape, np.full(len(shape), 0.9, np.float32), np.repeat(shape[:, None, :2] + 10, 5, axis=1)
        )


@pytest.fixture
def chosen(write_video: WriteVideo, tmp_path: Path) -> Callable[..., tuple[Box, int, int]]:
    path = write_video(
        "numbered.mp4", [np.full((HEIGHT, WIDTH, 3), 20 + 5 * t, np.uint8) for t in range(LENGTH)]
    )

    def choose(
        choice: FrameChoice, *faces: tuple[Box, Sequence[int]], every: int = 1
    ) -> tuple[Box, int, int]:
        """Box of the stored face in the first frame that holds it, how many hold it, and how many were wanted."""
        spec = PrepareSpec(choice, detect_every=every)
        prepare_video(path, spec, Scripted(faces), tmp_path / "one.faces")
        stored = read_faces(tmp_path / "one.faces")
        x0, y0, x1, y1 = (round(float(one)) for one in stored.track.boxes[0])
        return (x0, y0, x1, y1), len(stored.track.frame_indices), stored.origin.wanted_frames

    return choose


def wanted(how: str) -> list[int]:
    return [int(one) for one in wanted_indices(CHOICES[how], LENGTH)]


@pytest.mark.parametrize("how", sorted(CHOICES))
@pytest.mark.parametrize("every", [1, 3])
def test_a_face_that_is_there_throughout_goes_before_a_larger_one_that_passes(
    chosen: Callable[..., tuple[Box, int, int]], how: str, every: int
) -> None:
    frames = wanted(how)
    assert chosen(CHOICES[how], (LARGE, frames[:1]), (SMALL, frames), every=every) == (SMALL, 12, 12)
    assert chosen(CHOICES[how], (LARGE, frames), (SMALL, frames), every=every) == (LARGE, 12, 12)


def test_of_faces_that_are_there_for_most_of_the_time_the_larger_counts(
    chosen: Callable[..., tuple[Box, int, int]],
) -> None:
    choice = FrameChoice("uniform", 12)
    frames = wanted_indices(choice, LENGTH).tolist()
    assert chosen(choice, (LARGE, frames[:6]), (SMALL, frames)) == (LARGE, 6, 12)
    assert chosen(choice, (LARGE, frames[:5]), (SMALL, frames)) == (SMALL, 12, 12)


@pytest.mark.parametrize("how", sorted(CHOICES))
def test_a_face_seen_once_never_goes_before_one_seen_three_times(
    chosen: Callable[..., tuple[Box, int, int]], how: str
) -> None:
    """Neither fills a clip of four."""
    frames = wanted(how)
    assert chosen(CHOICES[how], (LARGE, frames[5:6]), (SMALL, frames[4:7])) == (SMALL, 3, 12)


@pytest.mark.parametrize("how", sorted(CHOICES))
def test_a_face_that_fills_no_clip_leaves_the_video_to_one_that_does(
    chosen: Callable[..., tuple[Box, int, int]], how: str
) -> None:
    """Three of the frames in which the smaller face is are enough for the larger one to be as often there."""
    frames = wanted(how)
    box, held, _ = chosen(CHOICES[how], (LARGE, frames[1:4]), (SMALL, frames[4:8]))
    assert (box, held) == (SMALL, 4)


def test_clips_and_not_frames_decide(chosen: Callable[..., tuple[Box, int, int]]) -> None:
    """A face in three of the four frames of each run is in most frames, and fills no clip."""
    runs = [number for start in (0, 18, 36) for number in range(start, start + 3)]
    last = range(36, 40)
    assert chosen(CHOICES["runs"], (LARGE, runs), (SMALL, [*last])) == (SMALL, 4, 12)


@pytest.mark.parametrize(
    "outside",
    [(-400, 10, 20, 110), (170, -300, 500, 110), (100, 100, 900, 900), (-500, -500, 25, 25)],
    ids=["left", "right", "below", "corner"],
)
def test_what_lies_outside_of_the_frame_does_not_weigh(
    chosen: Callable[..., tuple[Box, int, int]], outside: Box
) -> None:
    x0, y0, x1, y1 = outside
    inside = (min(x1, WIDTH) - max(x0, 0)) * (min(y1, HEIGHT) - max(y0, 0))
    middle = (60, 30, 100, 90)
    assert (x1 - x0) * (y1 - y0) > 10 * 2400 > 10 * inside / 2
    frames = wanted("uniform")
    assert inside < 2400
    assert chosen(CHOICES["uniform"], (outside, frames), (middle, frames)) == (middle, 12, 12)


def test_a_face_outside_of_the_frame_is_none(
    chosen: Callable[..., tuple[Box, int, int]],
) -> None:
    frames = wanted("uniform")
    beside = (WIDTH, 0, WIDTH + 90, 90)
    assert chosen(CHOICES["uniform"], (beside, frames), (SMALL, frames[:2])) == (SMALL, 2, 12)
    with pytest.raises(NoFaceError, match="no face in any of 12 frames"):
        chosen(CHOICES["uniform"], (beside, frames), ((-90, -90, 0, 0), frames))


def track(rows: Sequence[int], box: Box, score: float = 0.9) -> Track:
    boxes = [np.asarray(box, np.float32)] * len(rows)
    return Track(list(rows), boxes, [score] * len(rows), [np.zeros((5, 2), np.float32)] * len(rows))


boxes = st.tuples(st.integers(-80, 200), st.integers(-80, 140), st.integers(1, 150), st.integers(1, 150)).map(
    lambda one: (one[0], one[1], one[0] + one[2], one[1] + one[3])
)


@settings(deadline=None, max_examples=examples(200))
@given(
    box=boxes,
    right=st.booleans(),
    down=st.booleans(),
    steps=st.tuples(st.integers(0, 99), st.integers(0, 99)),
)
def test_moving_a_box_outwards_never_gives_it_more_weight(
    box: Box, right: bool, down: bool, steps: tuple[int, int]
) -> None:
    """Outwards: away from the middle of the frame, on either axis."""
    middle = ((box[0] + box[2]) / 2 >= WIDTH / 2, (box[1] + box[3]) / 2 >= HEIGHT / 2)
    assume(middle == (right, down))
    across, along = steps[0] * (1 if right else -1), steps[1] * (1 if down else -1)
    moved = (box[0] + across, box[1] + along, box[2] + across, box[3] + along)
    assert weight(track([0], moved), FRAME) <= weight(track([0], box), FRAME)
    assert weight(track([0], box), FRAME) <= 0.9 * WIDTH * HEIGHT * (1 + 1e-6)


tracks = st.tuples(st.sets(st.integers(0, 11), min_size=1), boxes, st.floats(0.1, 1))


@settings(deadline=None, max_examples=examples(300))
@given(
    given_tracks=st.lists(tracks, min_size=2, max_size=4),
    more=st.sets(st.integers(0, 11), min_size=1),
    how=st.sampled_from(sorted(CHOICES)),
    every=st.sampled_from([1, 2, 5]),
)
def test_more_sightings_never_make_a_face_lose(
    given_tracks: list[tuple[set[int], Box, float]], more: set[int], how: str, every: int
) -> None:
    positions = wanted_indices(CHOICES[how], LENGTH)
    looked_at = sorted({*range(0, len(positions), every), len(positions) - 1})

    def main(faces: list[tuple[set[int], Box, float]]) -> tuple[int, float]:
        known = [
            track(sorted({row % len(looked_at) for row in rows}), box, score) for rows, box, score in faces
        ]
        first = ranked(
            known, looked_at=looked_at, positions=positions, choice=CHOICES[how], frame_size=FRAME
        )[0]
        return next(number for number, one in enumerate(known) if one is first), weight(first, FRAME)

    number, heavy = main(given_tracks)
    rows, box, score = given_tracks[number]
    again = [*given_tracks]
    again[number] = (rows | more, box, score)
    after, heavier = main(again)
    assert (after, heavier >= heavy) == (number, True)


@settings(deadline=None, max_examples=examples(150))
@given(
    held=st.sets(st.integers(0, 30), min_size=1).map(sorted),
    length=st.integers(1, 5),
    sampling=st.sampled_from(list(Sampling)),
)
def test_clips_are_counted_as_they_are_cut(held: list[int], length: int, sampling: Sampling) -> None:
    spec = ClipSpec(frames=length, size=32, per_video=99, sampling=sampling)
    frames = np.asarray(held)
    filled = clips_filled(frames, spec.frame_choice())
    if filled:
        assert len(clip_positions(frames, spec)) == filled
    assert filled <= len(held) // length


def test_only_faces_that_share_something_with_the_frame_are_kept() -> None:
    found = Scripted([(SMALL, [0]), ((-40, 0, 0, 40), [0]), ((WIDTH - 1, 0, 300, 40), [0])]).find(
        [np.full((HEIGHT, WIDTH, 3), 20, np.uint8)]
    )[0]
    assert seen_inside(found, FRAME).boxes[:, 0].tolist() == [SMALL[0], WIDTH - 1]
