"""From frames to the faces of one person: where is looked, whose face is chosen, what is held in memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dfbench.data.datasets.manifest import file_fingerprints, fingerprints_digest
from dfbench.data.faces import video_faces
from dfbench.data.faces.cutting import sharpness
from dfbench.data.faces.search import look
from dfbench.data.faces.video_faces import WantedFrames, prepare_video
from dfbench.data.fingerprints import fingerprint
from dfbench.data.preparing.outcomes import PreparedResult, known_outcome
from dfbench.data.store.face_files import read_faces
from dfbench.types import Faces, FrameChoice, Label, PrepareSpec, Video

WriteVideo = Callable[..., Path]

LARGE, SMALL = (20, 20, 90, 100), (120, 40, 160, 90)


def faces_at(*boxes: tuple[int, int, int, int]) -> Faces:
    shape = np.asarray(boxes, dtype=np.float32).reshape(-1, 4)
    points = np.repeat(shape[:, None, :2] + 10, 5, axis=1)
    return Faces(shape, np.full(len(boxes), 0.9, np.float32), points)


class Two:
    """Two people, the larger one on the left."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def find(self, frames: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        self.asked.append(len(frames))
        return [faces_at(LARGE, SMALL) for _ in frames]


class ByBrightness:
    """A face whose box tells how bright the frame is."""

    def find(self, frames: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        return [faces_at((int(frame[0, 0, 0]), 0, int(frame[0, 0, 0]) + 20, 20)) for frame in frames]


def grey(count: int, width: int = 180, height: int = 120) -> list[NDArray[np.uint8]]:
    return [np.full((height, width, 3), 40 + 2 * t % 200, dtype=np.uint8) for t in range(count)]


def mask_of(box: tuple[int, int, int, int], *, scale: int = 1) -> NDArray[np.uint8]:
    mask = np.zeros((120 // scale, 180 // scale, 3), dtype=np.uint8)
    x0, y0, x1, y1 = (one // scale for one in box)
    mask[y0:y1, x0:x1] = 255
    return mask


def fake(path: Path, mask: Path | None = None) -> Video:
    return Video("toy", "one", path, Label.FAKE, "test", "swap", "c23", (), "one", mask)


SPEC = PrepareSpec(FrameChoice("uniform", 6))


def test_everything_that_was_seen_is_kept(write_video: WriteVideo, tmp_path: Path) -> None:
    prepare_video(write_video("two.mp4", grey(20)), SPEC, Two(), tmp_path / "one.faces")
    stored = read_faces(tmp_path / "one.faces")
    assert stored.track.boxes[0].tolist() == list(LARGE)
    seen = stored.seen
    assert seen.track.tolist() == [0] * 6 + [1] * 6
    assert seen.frame_indices.tolist() == 2 * stored.track.frame_indices.tolist()
    assert seen.boxes[[0, 6]].tolist() == [list(LARGE), list(SMALL)]
    np.testing.assert_allclose(seen.scores, 0.9)
    assert seen.points.shape == (12, 5, 2)


@pytest.mark.parametrize(("frames", "scale"), [(20, 1), (3, 1), (20, 2)], ids=["whole", "short", "half size"])
def test_the_mask_tells_whose_face_was_forged(
    write_video: WriteVideo, tmp_path: Path, frames: int, scale: int
) -> None:
    mask = write_video("mask.mp4", [mask_of(SMALL, scale=scale)] * frames)
    prepare_video(write_video("two.mp4", grey(20)), SPEC, Two(), tmp_path / "one.faces", mask_path=mask)
    stored = read_faces(tmp_path / "one.faces")
    assert stored.track.boxes[0].tolist() == list(SMALL)
    assert stored.seen.boxes[stored.seen.track == 0][0].tolist() == list(SMALL)


def known(video: Video, path: Path) -> PreparedResult | None:
    return known_outcome(video, path, fingerprint(video.path))


def test_faces_count_for_the_mask_that_is_there(write_video: WriteVideo, tmp_path: Path) -> None:
    mask, path = tmp_path / "mask.mp4", tmp_path / "one.faces"
    video = fake(write_video("two.mp4", grey(20)), mask)
    alone = fake(video.path)  # what a dataset says where it finds no mask
    for first in (alone, video):
        prepare_video(first.path, SPEC, Two(), path, mask_path=first.mask_path)
        assert known(video, path)
        assert known(alone, path)
    before = fingerprints_digest(file_fingerprints([video]))
    write_video("mask.mp4", [mask_of(SMALL)] * 20)
    assert known(video, path) is None  # it came later
    assert fingerprints_digest(file_fingerprints([video])) != before
    prepare_video(video.path, SPEC, Two(), path, mask_path=video.mask_path)
    assert known(video, path)
    assert known(alone, path) is None  # without it, the other face is the main one
    write_video("mask.mp4", [mask_of(LARGE)] * 20)
    assert known(video, path) is None
    prepare_video(
        video.path, SPEC, ByBrightness(), path, mask_path=video.mask_path
    )  # one face, so that the mask has no say
    mask.unlink()
    write_video("mask.mp4", [mask_of(LARGE)] * 9)
    assert known(video, path)
    assert known(alone, path)


@pytest.mark.parametrize("kind", ["black", "absent", "damaged"])
def test_a_mask_that_tells_nothing_leaves_the_main_face(
    write_video: WriteVideo, tmp_path: Path, kind: str
) -> None:
    mask = tmp_path / "mask.mp4"
    if kind == "black":
        mask = write_video("mask.mp4", [np.zeros((120, 180, 3), np.uint8)] * 4)
    elif kind == "damaged":
        mask.write_bytes(b"no video")
    prepare_video(write_video("two.mp4", grey(20)), SPEC, Two(), tmp_path / "one.faces", mask_path=mask)
    assert read_faces(tmp_path / "one.faces").track.boxes[0].tolist() == list(LARGE)


@pytest.mark.parametrize(
    ("kind", "said"),
    [("aside", "outside of every face"), ("damaged", "cannot be read"), ("black", "its mask is black")],
)
def test_a_mask_that_chooses_nobody_is_told(
    write_video: WriteVideo, tmp_path: Path, kind: str, said: str
) -> None:
    """A tenth of what is marked is in the box of the smaller face."""
    x0, _, x1, y1 = SMALL
    if kind == "aside":
        mask = write_video("mask.mp4", [mask_of((x0, y1 - 5, x1, y1 + 25))] * 20)
    elif kind == "black":
        mask = write_video("mask.mp4", [np.zeros((120, 180, 3), np.uint8)] * 20)
    else:
        (mask := tmp_path / "mask.mp4").write_bytes(b"no video")
    video, path = fake(write_video("two.mp4", grey(20)), mask), tmp_path / "one.faces"
    note = prepare_video(video.path, SPEC, Two(), path, mask_path=mask).note
    assert said in note
    assert read_faces(path).origin.note == note
    assert read_faces(path).track.boxes[0].tolist() == list(LARGE)
    outcome = known(video, path)
    assert outcome is not None
    assert outcome.reason == note


class Leaving:
    """Two people, of whom the smaller one is gone for a while, twice."""

    def find(self, frames: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        return [self._in(round((float(one.mean()) - 40) / 2)) for one in frames]

    def _in(self, number: int) -> Faces:
        gone = 14 <= number < 20 or 40 <= number < 46
        return faces_at(LARGE) if gone else faces_at(LARGE, SMALL)


def test_a_forged_face_that_leaves_and_comes_back_is_chosen_all_the_same(
    write_video: WriteVideo, tmp_path: Path
) -> None:
    """It is three tracks, none of which holds half of what was changed; the longest is cut out."""
    mask = write_video("mask.mp4", [mask_of(SMALL)] * 60)
    video, path, spec = write_video("two.mp4", grey(60)), tmp_path / "one.faces", FrameChoice("first", 60)
    assert prepare_video(video, PrepareSpec(spec), Leaving(), path, mask_path=mask).note == ""
    stored = read_faces(path)
    assert stored.track.boxes[0].tolist() == list(SMALL)
    assert stored.track.frame_indices.tolist() == list(range(20, 40))


def test_a_mask_that_marks_something_in_a_short_part_tells_whose_face_it_is(
    write_video: WriteVideo, tmp_path: Path
) -> None:
    """Of twenty wanted frames, eight are compared with their masks; the two that mark something are between these."""
    black = np.zeros((120, 180, 3), np.uint8)
    mask = write_video("mask.mp4", [mask_of(SMALL) if t in (4, 12) else black for t in range(20)])
    video, path, spec = write_video("two.mp4", grey(20)), tmp_path / "one.faces", FrameChoice("first", 20)
    assert prepare_video(video, PrepareSpec(spec), Two(), path, mask_path=mask).note == ""
    assert read_faces(path).track.boxes[0].tolist() == list(SMALL)


@settings(deadline=None, max_examples=60)
@given(
    positions=st.lists(st.integers(0, 60), unique=True, min_size=1, max_size=40).map(sorted),
    every=st.integers(1, 6),
)
def test_no_box_is_guessed_across_a_gap(positions: list[int], every: int) -> None:
    frames = [(one, np.full((30, 90, 3), one, np.uint8)) for one in positions]
    search = look(frames, ByBrightness(), every)
    assert search.positions.tolist() == positions
    assert search.frame_size == (90, 30)
    # What was found is that of the frame that it is said to be of.
    assert [int(faces.boxes[0, 0]) for faces in search.found] == [positions[r] for r in search.looked_at]
    assert search.looked_at == sorted(set(search.looked_at))
    searched = set(search.looked_at)
    for row, position in enumerate(positions):
        first = row == 0 or positions[row - 1] != position - 1
        last = row == len(positions) - 1 or positions[row + 1] != position + 1
        if first or last or every == 1:
            assert row in searched
    assert all(b - a <= every for a, b in zip(search.looked_at, search.looked_at[1:], strict=False))


def test_frames_far_apart_are_all_searched(write_video: WriteVideo) -> None:
    path = write_video("two.mp4", grey(40))
    for choice, searched in ((FrameChoice("uniform", 8), 8), (FrameChoice("first", 9), 3)):
        finder = Two()
        look(WantedFrames(path, choice), finder, 4)
        assert sum(finder.asked) == searched


def test_what_does_not_fit_is_decoded_again(
    write_video: WriteVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = write_video("two.mp4", grey(30))
    prepare_video(video, SPEC, Two(), tmp_path / "held.faces")
    monkeypatch.setattr(video_faces, "HELD_BYTES", 100_000)
    prepare_video(video, SPEC, Two(), tmp_path / "again.faces")
    assert (tmp_path / "again.faces").read_bytes() == (tmp_path / "held.faces").read_bytes()


def test_memory_does_not_grow_with_the_number_of_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decode(
        path: Path, choice: FrameChoice, *, chosen: Callable[[list[list[int]]], None], **_: object
    ) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        del path  # frames of the decoder are not numpy's to count
        chosen([list(range(choice.count))])
        yield from ((t, np.full((480, 640, 3), t, np.uint8)) for t in range(choice.count))

    monkeypatch.setattr(video_faces, "read_frames", decode)
    monkeypatch.setattr(video_faces, "HELD_BYTES", 1_000_000)
    (tmp_path / "none.mp4").touch()
    peaks = []
    for count in (40, 200):
        spec = PrepareSpec(FrameChoice("first", count), max_size=32, detect_every=4)
        tracemalloc.start()
        prepare_video(tmp_path / "none.mp4", spec, Two(), tmp_path / "one.faces")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    frame = 640 * 480 * 3
    assert peaks[0] > 8 * frame  # a batch for the finder: what is measured are the frames
    assert peaks[1] < peaks[0] + 2 * frame


def test_a_sharp_face_has_more_quality_than_a_blurred_one() -> None:
    rng = np.random.default_rng(0)
    sharp = rng.integers(0, 256, (100, 100, 3), dtype=np.uint8)
    blurred = np.full_like(sharp, 90)
    box = np.asarray([10, 10, 90, 90], np.float32)
    assert sharpness(sharp, box) > 100 > sharpness(blurred, box) == 0
    assert sharpness(sharp, np.asarray([200, 200, 240, 240], np.float32)) == 0
