"""Whose faces a synthesizer may blend into a clip: those of other people of the same set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.training.lines import METHOD, line_recipe, request, write_face

from dfbench import FaceFile, Label, OtherFaces, PseudoFake, RunError, Synthesizer
from dfbench.training import FaceClip, standard_samples
from dfbench.training import other_faces as module
from dfbench.training.loaders import Library
from dfbench.training.other_faces import FaceTable, maker_of

PEOPLE = (("anna",), ("bob",), ("anna", "carl"), (), ("dora",))
RECIPE = line_recipe(fakes="pseudo", synthesizer="other", validation_fakes="pseudo", train_crop=32)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[FaceFile]:
    """Videos of 3 to 7 frames, of which one shows two people, and of one nobody says whom."""
    folder = tmp_path_factory.mktemp("others")
    made = [
        write_face(folder / f"{number}.faces", Label.REAL, seed=number, frames=3 + number)
        for number in range(len(PEOPLE))
    ]
    return [
        replace(file, video=replace(file.video, identities=people))
        for file, people in zip(made, PEOPLE, strict=True)
    ]


def table_of(files: Sequence[FaceFile]) -> FaceTable:
    return FaceTable(files, Library([file.path for file in files]), RECIPE)


class Watching:
    """Blends nothing, and notes among whom it was to look."""

    def __init__(self, faces: OtherFaces | None = None, calls: list[tuple[int, int]] | None = None) -> None:
        self.faces, self.calls = faces, [] if calls is None else calls

    def among(self, faces: OtherFaces) -> Synthesizer:
        return Watching(faces, self.calls)

    def synthesize(
        self, frames: NDArray[np.uint8], landmarks: NDArray[np.float32], rng: np.random.Generator
    ) -> PseudoFake:
        del landmarks, rng
        assert self.faces is not None
        self.calls.append((len(self.faces), int(frames[0, 0, 0, 0])))
        fake, _ = self.faces.clip(len(self.faces) - 1, len(frames))
        return PseudoFake(frames, fake, np.ones(frames.shape[:3], np.float32))


def videos_of(others: OtherFaces, files: Sequence[FaceFile]) -> set[int]:
    """The videos whose faces are among `others`, told by their pixels."""
    library = Library([file.path for file in files])
    first = [
        [library.cut(video, [row], recipe=RECIPE)[0][0].tobytes() for row in range(3 + video)]
        for video in range(len(files))
    ]
    found = [others.clip(face, 1)[0][0].tobytes() for face in range(len(others))]
    assert len(set(found)) == len(found)
    return {video for video, pictures in enumerate(first) if set(pictures) & set(found)}


@pytest.mark.parametrize(
    ("video", "others"),
    [(0, {1, 3, 4}), (1, {0, 2, 3, 4}), (2, {1, 3, 4}), (3, {0, 1, 2, 4}), (4, {0, 1, 2, 3})],
)
def test_faces_of_the_people_in_a_video_are_left_out_whatever_video_they_are_in(
    files: list[FaceFile], video: int, others: set[int]
) -> None:
    found = table_of(files).others(video)
    assert videos_of(found, files) == others
    assert len(found) == sum(3 + number for number in others)


def test_landmarks_and_clips_are_those_of_a_face(files: list[FaceFile]) -> None:
    others = table_of(files).others(1)
    library = Library([file.path for file in files])
    # Faces 0 to 2 are of video 0, and the next ones of video 2, as video 1 is left out.
    for face, video, rows in ((1, 0, [1, 2]), (2, 0, [1, 2]), (3, 2, [0, 1]), (7, 2, [3, 4])):
        frames, landmarks = others.clip(face, 2)
        expected = library.cut(video, rows, recipe=RECIPE)
        np.testing.assert_array_equal(frames, expected[0])
        np.testing.assert_array_equal(landmarks, expected[1])
    np.testing.assert_array_equal(others.landmarks(np.array([3])), library.cut(2, [0], recipe=RECIPE)[1])
    longer, _ = others.clip(0, 5)  # of a video of three frames
    assert [picture.tobytes() for picture in longer[2:]] == [longer[2].tobytes()] * 3


def test_of_very_many_faces_every_second_or_third_is_kept(
    files: list[FaceFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_FACES", 13)  # of 25
    table = table_of(files)
    assert [rows.tolist() for rows in table.positions[:2]] == [[0, 2], [0, 2]]
    others = table.others(0)
    frames, _ = others.clip(len(others) - 1, 1)  # the last face of the last video
    np.testing.assert_array_equal(frames, table.library.cut(4, [6], recipe=RECIPE)[0])


def test_a_synthesizer_that_blends_nobody_in_makes_samples_as_before(files: list[FaceFile]) -> None:
    asked: list[Any] = []

    def samples(recipe: Any, synthesizer: Any, *, training: bool) -> Any:
        asked.append((recipe, synthesizer, training))
        return "maker"

    library = Library([file.path for file in files])
    assert maker_of(samples, RECIPE, None, files, library, training=True) == "maker"  # type: ignore[comparison-overlap]
    assert asked == [(RECIPE, None, True)]


def test_each_video_has_its_own_others(files: list[FaceFile]) -> None:
    synthesizer = Watching()
    library = Library([file.path for file in files])
    maker = maker_of(standard_samples, RECIPE, synthesizer, files, library, training=True)
    for video in (0, 1, 0):
        clip = FaceClip(*library.cut(video, [0, 1], recipe=RECIPE), Label.REAL, video)
        maker(clip, np.random.default_rng(0))
    assert [count for count, _ in synthesizer.calls] == [4 + 6 + 7, 3 + 5 + 6 + 7, 4 + 6 + 7]


def test_a_set_of_one_person_is_refused_before_anything_is_trained(
    files: list[FaceFile], tmp_path: Path
) -> None:
    alone = [files[0], files[2]]
    fields = {"train_crop": "32", "frames": "2"}
    trainer = METHOD.trainer("pseudo", {**fields, "synthesizer": "other"})
    with pytest.raises(RunError, match="shows the only people of its set") as caught:
        trainer.fit(request(alone, files, tmp_path, synthesizer=Watching()))
    assert any("--synthesizer" in hint for hint in caught.value.hints)
