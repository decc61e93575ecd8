"""Which prepared videos a training can use: long enough, with landmarks where fakes are made of them, of both labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.runs.toy_runs import Notes
from tests.training.lines import LineRecipe, line_recipe, request, write_face

from dfbench import FaceFile, Label, RunError
from dfbench.training.usable import usable_training, usable_validation

NO_LANDMARKS = np.full((81, 2), np.nan)
REAL, FAKE = Label.REAL, Label.FAKE
PSEUDO: dict[str, Any] = {
    "fakes": "pseudo",
    "validation_fakes": "pseudo",
    "synthesizer": "any",
    "balance": "none",
}


def faces(folder: Path, *kinds: tuple[Label, int, bool]) -> list[FaceFile]:
    """A video for each label, number of frames, and whether it has landmarks."""
    return [
        write_face(
            folder / f"{number}.faces",
            label,
            seed=number,
            frames=frames,
            landmarks=None if landmarks else NO_LANDMARKS,
        )
        for number, (label, frames, landmarks) in enumerate(kinds)
    ]


def names(files: Any) -> list[str]:
    return [file.path.stem for file in files]


def ask(files: list[FaceFile], folder: Path) -> tuple[Any, Notes]:
    notes = Notes()
    return request(files, files, folder, progress=notes), notes


def recipe(**fields: Any) -> LineRecipe:
    return line_recipe(**{"frames": 2, "train_sampling": "uniform", **fields})


def test_short_videos_are_left_out_and_named(tmp_path: Path) -> None:
    files = faces(tmp_path, (REAL, 6, True), (REAL, 1, True), (FAKE, 2, True), (FAKE, 1, True))
    asked, notes = ask(files, tmp_path)
    found = usable_training(asked, recipe())
    assert names(found.files) == ["0", "2"]
    assert found.labels == [0, 1]
    assert [track.tolist() for track in found.tracks] == [list(range(6)), [0, 1]]
    assert notes.said == [
        "2 training videos are left out, with fewer than 2 frames with a face: real/1, forged/3"
    ]


def test_successive_clips_need_room_for_where_they_begin(tmp_path: Path) -> None:
    """A clip may begin up to its length later, drawn for each epoch."""
    asked, notes = ask(faces(tmp_path, (REAL, 3, True), (FAKE, 3, True), (FAKE, 2, True)), tmp_path)
    found = usable_training(asked, recipe(train_sampling="successive"))
    assert names(found.files) == ["0", "1"]
    assert "fewer than 3 successive frames" in notes.said[0]
    strided = recipe(train_sampling="successive", train_stride=2)
    assert strided.shortest_track() == 4
    with pytest.raises(RunError, match="no training video has 4 successive frames with a face") as caught:
        usable_training(asked, strided)
    assert caught.value.hints


def test_names_of_many_videos_are_cut_short(tmp_path: Path) -> None:
    kinds = [(REAL, 1, True)] * 7 + [(FAKE, 4, True), (REAL, 4, True)]
    asked, notes = ask(faces(tmp_path, *kinds), tmp_path)
    usable_training(asked, recipe())
    assert notes.said[0].endswith(": real/0, real/1, real/2, real/3, real/4, ...")


def test_fakes_are_made_of_faces_with_landmarks_alone(tmp_path: Path) -> None:
    files = faces(tmp_path, (REAL, 6, False), (REAL, 6, True))
    asked, notes = ask(files, tmp_path)
    assert names(usable_training(asked, recipe(**PSEUDO)).files) == ["1"]
    held_out = usable_validation(asked, recipe(**PSEUDO))
    assert names(held_out.files) == ["1"]
    assert {video for video, _ in held_out.clips} == {0}
    assert notes.said == [
        "1 training videos are left out, without landmarks: real/0",
        "1 validation videos are left out, without landmarks: real/0",
    ]
    bare, _ = ask(files[:1], tmp_path)
    for choose, role in ((usable_training, "training"), (usable_validation, "validation")):
        with pytest.raises(RunError, match=f"no {role} video has landmarks, which the synthesizer 'any'"):
            choose(bare, recipe(**PSEUDO))


def test_real_fakes_need_no_landmarks(tmp_path: Path) -> None:
    asked, notes = ask(faces(tmp_path, (REAL, 6, False), (FAKE, 6, False)), tmp_path)
    assert len(usable_training(asked, recipe()).files) == 2
    assert len(usable_validation(asked, recipe()).files) == 2
    assert notes.said == []


@pytest.mark.parametrize("label", [REAL, FAKE])
def test_videos_of_one_label_teach_nothing(tmp_path: Path, label: Label) -> None:
    asked, _ = ask(faces(tmp_path, (label, 6, True), (label, 6, True)), tmp_path)
    with pytest.raises(RunError, match="training on real fakes needs real and fake videos"):
        usable_training(asked, recipe())
    with pytest.raises(RunError, match="validation on real fakes needs real and fake videos") as caught:
        usable_validation(asked, recipe())
    assert caught.value.hints == ("validate on pseudo-fakes instead: --set validation_fakes=pseudo",)


def test_labels_are_those_of_what_is_left(tmp_path: Path) -> None:
    """A fake that is too short is no fake to train on."""
    asked, _ = ask(faces(tmp_path, (REAL, 6, True), (FAKE, 1, True)), tmp_path)
    with pytest.raises(RunError, match="only one kind is there"):
        usable_training(asked, recipe())
    with pytest.raises(RunError, match="only one kind is there"):
        usable_validation(asked, recipe())


def test_pseudo_fakes_are_validated_on_clips_that_share_no_frame(tmp_path: Path) -> None:
    asked, _ = ask(faces(tmp_path, (REAL, 5, True), (REAL, 2, True)), tmp_path)
    held_out = usable_validation(asked, recipe(**PSEUDO))
    assert list(held_out.clips) == [(0, [0, 1]), (0, [2, 3]), (1, [0, 1])]


def test_videos_of_both_labels_are_validated_as_they_are_scored(tmp_path: Path) -> None:
    asked, notes = ask(faces(tmp_path, (REAL, 6, True), (REAL, 1, True), (FAKE, 6, True)), tmp_path)
    scored = recipe(clips_per_video=3)
    held_out = usable_validation(asked, scored)
    assert names(held_out.files) == ["0", "2"]
    assert [video for video, _ in held_out.clips] == [0] * 3 + [1] * 3
    assert all(len(positions) == scored.frames for _, positions in held_out.clips)
    assert notes.said[0].startswith("validation video real/1 is left out: ")
