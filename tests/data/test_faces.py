"""From faces in single frames to tracks: what is linked, what is filled in, what is averaged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dfbench.data.faces.tracking import MAX_GAP, SHORT_PAUSE, MainFace, follow, held_rows, link
from dfbench.types import Faces

LONG_PAUSE = SHORT_PAUSE + 1


def seen(*lefts: float, side: float = 40.0) -> Faces:
    """Faces at height 50, so far from the left."""
    boxes = np.asarray([(x, 50, x + side, 50 + side) for x in lefts], dtype=np.float32).reshape(-1, 4)
    points = np.repeat(boxes[:, None, :2] + 5, 5, axis=1)
    return Faces(boxes, np.full(len(boxes), 0.9, np.float32), points)


def first_face(found: list[Faces], looked_at: list[int], positions: NDArray[np.int64]) -> MainFace:
    """The face that was seen first, of frames at `positions` that were searched in rows `looked_at`."""
    track = link(found, positions[looked_at].tolist())[0]
    main = follow(track, looked_at, positions)
    assert held_rows(track, looked_at, positions).tolist() == main.rows.tolist()
    return main


def followed(lefts: list[float | None], positions: list[int]) -> MainFace:
    """The face that was seen first, where every frame was searched and None is a frame without one."""
    found = [seen() if one is None else seen(one) for one in lefts]
    return first_face(found, list(range(len(found))), np.asarray(positions))


def lefts(main: MainFace) -> list[float]:
    return [float(one) for one in main.boxes[:, 0]]


def test_boxes_of_frames_far_apart_are_left_alone() -> None:
    main = followed([0, 9, 27], [0, 10, 20])
    assert lefts(main) == [0, 9, 27]
    assert main.points[:, 0, 0].tolist() == [5, 14, 32]


def test_boxes_of_successive_frames_are_averaged() -> None:
    assert lefts(followed([0, 9, 27], [4, 5, 6])) == [3, 12, 21]


def test_each_run_of_frames_is_averaged_alone() -> None:
    main = followed([0, 3, 20, 26], [0, 1, 60, 61])
    assert lefts(main) == [1, 2, 22, 24]
    assert main.scores.tolist() == pytest.approx([0.9] * 4)


def test_a_missed_frame_is_filled_in_between_its_neighbours() -> None:
    main = followed([0, None, 6, 6, 6], [0, 1, 2, 3, 4])
    assert main.rows.tolist() == [0, 1, 2, 3, 4]
    assert lefts(main) == [1, 3, 5, 6, 6]
    assert main.scores.tolist() == pytest.approx([0.9, 0, 0.9, 0.9, 0.9])


def test_a_missed_frame_far_from_others_is_left_out() -> None:
    main = followed([0, None, 6], [0, 30, 60])
    assert main.rows.tolist() == [0, 2]


def test_frames_skipped_on_purpose_are_filled_in_within_their_run() -> None:
    found = [seen(0), seen(8), seen(20)]
    main = first_face(found, [0, 4, 5], np.asarray([0, 1, 2, 3, 4, 50]))
    assert main.rows.tolist() == [0, 1, 2, 3, 4, 5]
    assert lefts(main) == [0.75, 2, 4, 6, 7.25, 20]  # of 2/3 and 22/3, in quarters


def test_boxes_that_differ_in_the_rounding_of_another_processor_are_one() -> None:
    rng = np.random.default_rng(0)
    same = 0
    for _ in range(50):
        places = (rng.normal(0.0, 2.0, 30).cumsum() + 300).astype(np.float32)
        here = followed(places.tolist(), list(range(30)))
        there = followed((places + rng.normal(0.0, 2e-5, 30)).tolist(), list(range(30)))
        assert (here.boxes * 4 == np.rint(here.boxes * 4)).all()
        same += int((here.boxes == there.boxes).all())
    assert same >= 47


@pytest.mark.parametrize(
    ("looked_at", "found_at", "kept"),
    [([0, 8, 16, 24, 25], 24, range(25)), ([0, 4, 5], 0, range(4)), ([0, 4, 8, 9], 0, range(4))],
    ids=["the last frame searched", "a short last step", "the first alone"],
)
def test_a_frame_that_was_searched_in_vain_ends_the_face(
    looked_at: list[int], found_at: int, kept: range
) -> None:
    found = [seen(0) if row <= found_at else seen() for row in looked_at]
    main = first_face(found, looked_at, np.arange(looked_at[-1] + 1))
    assert main.rows.tolist() == list(kept)


def test_a_face_is_found_again_after_a_pause() -> None:
    tracks = link([seen(0), seen(60)], [0, LONG_PAUSE])
    assert [one.rows for one in tracks] == [[0, 1]]


@pytest.mark.parametrize(
    ("left", "side", "pause"),
    [(60, 40, SHORT_PAUSE), (130, 40, LONG_PAUSE), (60, 90, LONG_PAUSE), (60, 20, LONG_PAUSE)],
    ids=["too soon", "too far", "too large", "too small"],
)
def test_what_may_be_another_person_is_another_track(left: float, side: float, pause: int) -> None:
    assert [one.rows for one in link([seen(0), seen(left, side=side)], [0, pause])] == [[0], [1]]


def test_after_a_pause_who_overlaps_goes_first_then_who_is_nearest() -> None:
    before, after = seen(0, 100, 200), seen(75, 205, 45)
    tracks = link([before, after], [0, LONG_PAUSE])
    assert [[int(box[0]) for box in one.boxes] for one in tracks] == [[0, 45], [100, 75], [200, 205]]


def test_a_face_that_stays_away_too_long_is_a_new_track() -> None:
    for away, tracks in ((MAX_GAP - 1, 1), (MAX_GAP, 2)):
        found = [seen(0), *[seen()] * away, seen(0)]
        assert len(link(found, range(len(found)))) == tracks
        assert len(link(found, range(0, 10 * len(found), 10))) == tracks


def test_without_a_face_there_is_no_track() -> None:
    assert link([seen(), seen()], [0, 1]) == []


def averaged(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each with its neighbours, written out; the ends count twice."""
    last = len(boxes) - 1
    return np.stack(
        [(boxes[max(0, i - 1)] + one + boxes[min(last, i + 1)]) / 3 for i, one in enumerate(boxes)]
    )


@settings(deadline=None, max_examples=100)
@given(
    moves=st.lists(
        st.tuples(st.sampled_from([1, 1, 1, 2, 30]), st.floats(-9, 9, width=32)), min_size=1, max_size=30
    )
)
def test_a_face_seen_in_every_frame_keeps_every_frame(moves: list[tuple[int, float]]) -> None:
    positions = np.cumsum([step for step, _ in moves])
    places = np.cumsum([move for _, move in moves]) + 300
    main = followed([float(one) for one in places], positions.tolist())
    assert main.rows.tolist() == list(range(len(moves)))
    runs = np.split(places, np.flatnonzero(np.diff(positions) > 1) + 1)
    np.testing.assert_allclose(lefts(main), np.concatenate([averaged(run) for run in runs]), atol=0.1251)
