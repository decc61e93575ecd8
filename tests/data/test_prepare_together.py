"""Several specs at once: a video is decoded once, and each face file is equal to the byte to the one that is made alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.data.toy_stage import SPEC, ToyStage, toy_stage

from dfbench.data.decoding import video_file
from dfbench.data.decoding.video import read_frames
from dfbench.data.faces import video_faces
from dfbench.data.faces.video_faces import Made, Wanted, prepare_together, prepare_video
from dfbench.data.preparing.prepare import Preparation, Report, prepare_all, prepared
from dfbench.data.store.face_files import read_faces
from dfbench.errors import NoFaceError, UndecodableVideoError, VideoError
from dfbench.interfaces import FaceFinder
from dfbench.progress import SilentProgress
from dfbench.types import Faces, FrameChoice, PrepareSpec, Status, Video

WriteVideo = Callable[..., Path]
Frames = Sequence[NDArray[np.uint8]]
HEIGHT, WIDTH, COUNT = 96, 128, 24
LARGE, SMALL = (10, 10, 70, 80), (84, 20, 116, 60)


def faces_at(*boxes: tuple[float, float, float, float]) -> Faces:
    shape = np.asarray(boxes, dtype=np.float32).reshape(-1, 4)
    points = np.repeat(shape[:, None, :2] + 10, 5, axis=1)
    return Faces(shape, np.full(len(shape), 0.9, np.float32), points)


def brightness(frame: NDArray[np.uint8]) -> int:
    return round(float(frame[:4, :4].mean()))


@dataclass
class Plain:
    """Two people, told by nothing but the frame; `seen` counts how often each frame was searched."""

    seen: Counter[int] = field(default_factory=Counter)

    def find(self, frames: Frames) -> list[Faces]:
        self.seen.update(map(brightness, frames))
        return [self.faces(one) for one in frames]

    def faces(self, frame: NDArray[np.uint8]) -> Faces:
        moved = brightness(frame) % 7
        left, top, right, bottom = LARGE
        return faces_at((left + moved, top, right + moved, bottom), SMALL)


@dataclass
class Batched(Plain):
    """What it finds depends on how many frames it is given at once, as the rounding of a network does."""

    def find(self, frames: Frames) -> list[Faces]:
        found = super().find(frames)
        return [replace(one, boxes=one.boxes + np.float32(0.3) * len(frames)) for one in found]


@dataclass
class Following(Plain):
    """Finds the larger face alone, where it depends on the frames before, and both if it is asked for all."""

    place: int = 0

    def of_video(self) -> Following:
        return Following(self.seen)

    def find(self, frames: Frames) -> list[Faces]:
        found = []
        for one in super().find(frames):
            self.place += 1
            found.append(replace(one, boxes=one.boxes + self.place / 4).only([0]))
        return found

    def find_all(self, frames: Frames) -> list[Faces]:
        return [self.faces(one) for one in frames]


@dataclass
class Nobody(Plain):
    def faces(self, frame: NDArray[np.uint8]) -> Faces:
        del frame
        return faces_at()


UNIFORM = FrameChoice("uniform", 8)
SPECS = [
    PrepareSpec(UNIFORM),
    PrepareSpec(FrameChoice("uniform", 8, clip=4), landmarks=True),
    PrepareSpec(UNIFORM, max_size=64),
    PrepareSpec(FrameChoice("uniform", 5), max_size=384),
    PrepareSpec(FrameChoice("runs", 3, 4, clip=4)),
    PrepareSpec(FrameChoice("first", 11), detect_every=4),
    PrepareSpec(FrameChoice("first", 11), detect_every=3),
]
PLANS = 5  # different ways to search among them: the first three are one


def scene(number: int) -> NDArray[np.uint8]:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    frame = np.stack([rows * 2, columns, (rows + columns) % 90], axis=2).astype(np.uint8)
    frame[:8, :8] = 8 * number + 20
    return frame


def mask(box: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    x0, y0, x1, y1 = box
    picture[y0:y1, x0:x1] = 255
    return picture


@pytest.fixture
def video(write_video: WriteVideo) -> Path:
    return write_video("video.mp4", [scene(number) for number in range(COUNT)])


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many frames each pass over a video gave."""
    passes: list[int] = []
    read = read_frames

    def counted(*arguments: Any, **more: Any) -> Iterator[Any]:
        passes.append(0)
        for one in read(*arguments, **more):
            passes[-1] += 1
            yield one

    monkeypatch.setattr(video_faces, "read_frames", counted)
    return passes


def together(
    path: Path, finder: FaceFinder, folder: Path, mask_path: Path | None, *, may_be_shared: bool = False
) -> list[Made | VideoError]:
    wanted = [Wanted(spec, folder / f"{number}.faces", may_be_shared) for number, spec in enumerate(SPECS)]
    return prepare_together(path, wanted, finder, mask_path=mask_path)


@pytest.mark.slow
@pytest.mark.parametrize("marked", [None, LARGE, SMALL, (0, 90, 128, 96)])
@pytest.mark.parametrize("kind", [Plain, Batched, Following])
def test_each_file_is_that_which_its_spec_gets_alone(
    video: Path,
    write_video: WriteVideo,
    tmp_path: Path,
    decoded: list[int],
    kind: type[Plain],
    marked: tuple[int, int, int, int] | None,
) -> None:
    mask_path = None if marked is None else write_video("mask.mp4", [mask(marked)] * COUNT)
    made = together(video, kind(), tmp_path / "together", mask_path)
    assert len(decoded) == 1
    for number, (spec, one) in enumerate(zip(SPECS, made, strict=True)):
        alone = tmp_path / f"{number}.faces"
        origin = prepare_video(video, spec, kind(), alone, mask_path=mask_path)
        there = tmp_path / "together" / alone.name
        assert one == Made(there, origin)
        assert there.read_bytes() == alone.read_bytes()
    assert len(decoded) == 1 + len(SPECS)


def test_no_frame_is_decoded_twice_nor_searched_twice_for_the_same_frames(
    video: Path, tmp_path: Path, decoded: list[int]
) -> None:
    finder, alone = Plain(), Plain()
    together(video, finder, tmp_path / "together", None)
    (at_once,) = decoded
    for number, spec in enumerate(SPECS):
        prepare_video(video, spec, alone, tmp_path / f"{number}.faces")
    assert at_once < COUNT <= sum(decoded[1:])
    assert max(finder.seen.values()) <= PLANS
    saved = alone.seen - finder.seen
    assert saved.total() == 2 * 8  # the second and third spec want the frames of the first
    assert finder.seen.total() + saved.total() == alone.seen.total()


def test_frames_that_are_not_held_are_decoded_twice_for_all_specs(
    video: Path, tmp_path: Path, decoded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    together(video, Plain(), tmp_path / "held", None)
    monkeypatch.setattr(video_faces, "HELD_BYTES", 1000)
    together(video, Plain(), tmp_path / "again", None)
    assert len(decoded) == 3
    for number in range(len(SPECS)):
        held, again = (tmp_path / name / f"{number}.faces" for name in ("held", "again"))
        assert held.read_bytes() == again.read_bytes()


def test_what_a_larger_file_holds_is_not_stored_again(
    write_video: WriteVideo, tmp_path: Path, decoded: list[int]
) -> None:
    class OneFace(Plain):
        def faces(self, frame: NDArray[np.uint8]) -> Faces:
            del frame
            return faces_at(LARGE)

    path = write_video("video.mp4", [scene(number) for number in range(COUNT)])
    made = together(path, OneFace(), tmp_path / "together", None, may_be_shared=True)
    files = [one.path.stem for one in made if isinstance(one, Made)]
    # The second is as large as the first, and has landmarks besides; of one face, clips of any length are alike.
    assert files == ["1", "1", "1", "3", "4", "5", "6"]
    assert sorted(one.stem for one in (tmp_path / "together").iterdir()) == sorted(set(files))
    for number, one in enumerate(made):
        assert isinstance(one, Made)
        alone = tmp_path / f"{number}.faces"
        assert prepare_video(path, SPECS[number], OneFace(), alone) == one.origin
        served, own = read_faces(one.path, wanted=SPECS[number]), read_faces(alone)
        for crop, other in zip(served.crops, own.crops, strict=True):
            np.testing.assert_array_equal(crop, other)
        np.testing.assert_array_equal(served.track.landmarks, own.track.landmarks)
        assert served.track.landmark_kind == own.track.landmark_kind
    assert len(decoded) == 1 + len(SPECS)


def test_a_video_without_a_face_has_none_for_anybody(video: Path, tmp_path: Path) -> None:
    made = together(video, Nobody(), tmp_path, None)
    alone = []
    for spec in SPECS:
        with pytest.raises(NoFaceError) as caught:
            prepare_video(video, spec, Nobody(), tmp_path / "one.faces")
        alone.append(caught.value.message)
    assert [one.message for one in made if isinstance(one, NoFaceError)] == alone


def test_a_damaged_frame_is_no_fault_for_those_who_do_not_want_it(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = video_file._decoded

    def stumble(path: Path, index: Any, wanted: Sequence[int], **more: Any) -> Iterator[Any]:
        for position, frame in decode(path, index, wanted, **more):
            if position == COUNT - 1:
                raise UndecodableVideoError(f"{path}: frame {position} is damaged")
            yield position, frame

    monkeypatch.setattr(video_file, "_decoded", stumble)
    made = together(video, Plain(), tmp_path / "together", None)
    fine = [number for number, one in enumerate(made) if isinstance(one, Made)]
    assert fine == [5, 6]  # the first frames
    for number in fine:
        prepare_video(video, SPECS[number], Plain(), tmp_path / "one.faces")
        there = tmp_path / "together" / f"{number}.faces"
        assert there.read_bytes() == (tmp_path / "one.faces").read_bytes()


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ToyStage:
    monkeypatch.syspath_prepend(tmp_path)
    return toy_stage(tmp_path, 3)


def staged(toy: ToyStage, store: str, *wanted: Preparation[Video]) -> list[Report[Video]]:
    return prepare_all(
        wanted,
        store_root=toy.folder / store,
        corpus="toy",
        finder="toy_finder:Finder",
        workers=1,
        progress=SilentProgress(),
    )


def test_the_stage_works_once_for_all_specs_and_knows_what_a_larger_store_holds(toy: ToyStage) -> None:
    large, other = PrepareSpec(SPEC.frames, max_size=512), PrepareSpec(FrameChoice("runs", 1, 3))
    videos = toy.videos
    reports = staged(
        toy,
        "store",
        Preparation(videos, SPEC),
        Preparation(videos[1:], large),
        Preparation(videos[:2], other),
    )
    assert [len(one.videos) for one in reports] == [3, 2, 2]
    assert [one.status for one in reports[0].videos] == [Status.NO_FACE, Status.OK, Status.OK]
    # Of the black video and the second, two specs want other frames; of the third, both want the same.
    assert toy.log() == {0: 2, 1: 2, 2: 1}
    assert [one.wanted for one in reports[0].videos] == [None, SPEC, SPEC]
    assert [one.path for one in reports[0].videos[1:]] == [one.path for one in reports[1].videos]
    staged(toy, "store", Preparation(videos, SPEC), Preparation(videos[1:], large))
    assert toy.log().total() == 5  # nothing is done twice

    def looked_up(spec: PrepareSpec) -> list[Any]:
        return prepared(
            videos, spec, store_root=toy.folder / "store", corpus="toy", progress=SilentProgress()
        )

    assert [one and one.wanted for one in looked_up(replace(SPEC, max_size=64))[1:]] == [
        replace(SPEC, max_size=64)
    ] * 2
    assert looked_up(PrepareSpec(SPEC.frames, max_size=640))[1:] == [None, None]


@pytest.mark.slow
def test_a_trainer_gets_files_of_its_own_cut_out_of_the_larger_ones(toy: ToyStage) -> None:
    videos = toy.videos[1:]
    staged(toy, "store", Preparation(videos, PrepareSpec(SPEC.frames, max_size=512)))
    before = toy.log().total()
    (report,) = staged(toy, "store", Preparation(videos, SPEC, own_files=True))
    assert toy.log().total() == before  # neither decoded nor searched
    (exact,) = staged(toy, "exact", Preparation(videos, SPEC))
    assert [one.wanted for one in report.videos] == [None, None]
    for mine, alone in zip(report.videos, exact.videos, strict=True):
        assert mine.path.relative_to(toy.folder / "store") == alone.path.relative_to(toy.folder / "exact")
        assert mine.path.read_bytes() == alone.path.read_bytes()


@pytest.mark.slow
def test_a_crash_for_one_spec_is_none_for_another(toy: ToyStage) -> None:
    crash = toy.tell("crash-1")
    other = PrepareSpec(FrameChoice("runs", 1, 3))
    reports = staged(toy, "store", Preparation(toy.videos, SPEC), Preparation(toy.videos, other))
    for one in reports:
        assert [each.status for each in one.videos] == [Status.NO_FACE, Status.ERROR, Status.OK]
        assert "the process that worked on it died" in one.videos[1].reason
    crash.unlink()
