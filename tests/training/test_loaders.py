"""Clips as a training loads them: decoded once, drawn by their address alone, and made of another video if none can be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.training.lines import Brighter, LineRecipe, faces_of, line_recipe, request

from dfbench import FaceFile, SynthesisError, World
from dfbench.data import read_faces
from dfbench.training import loaders
from dfbench.training.loaders import (
    Library,
    TrainingClips,
    ValidationClips,
    compute_threads,
    data_workers,
    frame_indices,
    join_validation,
)
from dfbench.training.order import Address
from dfbench.training.samples import FaceClip, Sample, standard_samples

PSEUDO = line_recipe(fakes="pseudo", validation_fakes="pseudo", synthesizer="any", balance="none")


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> list[FaceFile]:
    """Two real and two fake videos of six frames."""
    return faces_of(tmp_path_factory.mktemp("faces"), reals=2, fakes=2, seed=7)


def paths(faces: Sequence[FaceFile]) -> list[Path]:
    return [file.path for file in faces]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files whose faces were decoded."""
    seen: list[str] = []

    def noted(path: Path, **options: Any) -> Any:
        seen.append(path.name)
        return read_faces(path, **options)

    monkeypatch.setattr(loaders, "read_faces", noted)
    return seen


def test_a_video_is_decoded_once_and_cut_as_if_it_were_not_kept(
    faces: list[FaceFile], reads: list[str]
) -> None:
    recipe = line_recipe()
    kept, none = Library(paths(faces)), Library(paths(faces), cache_bytes=0)
    for positions in ([0, 1], [3, 4], [1, 4]):
        crops, landmarks = kept.cut(1, positions, recipe=recipe)
        others = none.cut(1, positions, recipe=recipe)
        assert np.array_equal(crops, others[0])
        assert np.array_equal(landmarks, others[1])
        clips = recipe.clips()
        assert np.array_equal(kept.crops(1, positions, clips=clips), none.crops(1, positions, clips=clips))
    assert len(reads) == 1 + 6


def test_no_more_is_kept_than_there_is_room_for(faces: list[FaceFile], reads: list[str]) -> None:
    recipe = line_recipe()
    library = Library(
        paths(faces), cache_bytes=1
    )  # the first video goes beyond it, and is the last that is kept
    for video in (0, 1, 0, 1):
        library.cut(video, [0, 1], recipe=recipe)
    assert reads.count(faces[0].path.name) == 1
    assert reads.count(faces[1].path.name) == 2


class Failing:
    """A maker of samples that fails so often, and notes the clips and the first draw that it was handed."""

    def __init__(self, failures: int) -> None:
        self.left = failures
        self.seen: list[tuple[int, float]] = []

    def __call__(self, clip: FaceClip, rng: np.random.Generator) -> Sample:
        self.seen.append((clip.video, float(rng.random())))
        if self.left:
            self.left -= 1
            raise SynthesisError("not this one")
        return Sample(clip.frames[None], np.array([int(clip.label)], np.int64))


def training(
    faces: list[FaceFile], maker: Any, *, seed: int = 1, recipe: LineRecipe | None = None
) -> TrainingClips:
    return TrainingClips(
        Library(paths(faces)),
        [frame_indices(path) for path in paths(faces)],
        recipe=recipe or line_recipe(),
        maker=maker,
        seed=seed,
        labels=[int(file.video.label) for file in faces],
    )


ADDRESS = Address(epoch=2, video=2, clip=1, start=2, stride=1)


def test_what_is_drawn_depends_on_the_address_and_the_seed_alone(faces: list[FaceFile]) -> None:
    draws = []
    for seed, address in [
        (1, ADDRESS),
        (2, ADDRESS),
        (1, ADDRESS._replace(epoch=3)),
        (1, ADDRESS._replace(clip=2)),
        (1, ADDRESS._replace(video=3)),
    ]:
        for _ in range(2):  # in another process, after other clips
            maker = Failing(0)
            clips = training(faces, maker, seed=seed)
            _ = clips[ADDRESS._replace(video=0)]
            _ = clips[address]
            draws.append(maker.seen[-1][1])
    assert draws[::2] == draws[1::2]
    assert len(set(draws[::2])) == 5


def test_a_clip_of_which_no_sample_can_be_made_is_tried_anew_and_then_another_of_its_label(
    faces: list[FaceFile],
) -> None:
    maker = Failing(TrainingClips.ATTEMPTS - 1)
    batch = training(faces, maker)[ADDRESS]
    videos = [video for video, _ in maker.seen]
    assert videos[: TrainingClips.ELSEWHERE_AFTER] == [2] * TrainingClips.ELSEWHERE_AFTER
    assert {faces[video].video.label for video in videos} == {faces[2].video.label}
    assert len({draw for _, draw in maker.seen}) == TrainingClips.ATTEMPTS
    assert batch.labels.tolist() == [1]
    with pytest.raises(SynthesisError, match="not this one"):
        _ = training(faces, Failing(TrainingClips.ATTEMPTS))[ADDRESS]


def test_failed_attempts_do_not_change_later_clips(faces: list[FaceFile]) -> None:
    failed, smooth = Failing(3), Failing(0)
    after = ADDRESS._replace(clip=0, start=0)
    for maker in (failed, smooth):
        clips = training(faces, maker)
        _ = clips[ADDRESS]
        _ = clips[after]
    assert failed.seen[-1] == smooth.seen[-1]


def test_frames_of_a_clip_are_a_stride_apart(faces: list[FaceFile]) -> None:
    wide = training(faces, Failing(0))[ADDRESS._replace(start=1, stride=3)].clips
    crops, _ = Library(paths(faces)).cut(2, [1, 4], recipe=line_recipe())
    assert np.array_equal(wide[0].numpy(), crops)


def validation(
    faces: list[FaceFile], maker: Any, *, recipe: LineRecipe = PSEUDO, **options: Any
) -> ValidationClips:
    return ValidationClips(
        Library(paths(faces)),
        [(0, [0, 1]), (1, [2, 3])],
        recipe=recipe,
        maker=maker,
        seed=1,
        labels=[0, 0, 1, 1],
        **options,
    )


def test_pseudo_fakes_of_validation_are_made_once(faces: list[FaceFile]) -> None:
    synthesizer = Brighter()
    clips = validation(faces, standard_samples(PSEUDO, synthesizer, training=False))
    first = [clips[turn, index] for turn in (0, 1) for index in (0, 1)]
    assert synthesizer.calls == 2
    assert torch.equal(first[0].clips, first[2].clips)
    assert [item.video.tolist() for item in first[:2]] == [[0, 0], [1, 1]]
    assert [item.label.tolist() for item in first[:2]] == [[0, 1], [0, 1]]
    unkept = Brighter()
    clips = validation(faces, standard_samples(PSEUDO, unkept, training=False), cache_bytes=10)
    again = [clips[turn, 0] for turn in (0, 1)]
    assert unkept.calls == 2  # there is no room for it
    assert all(torch.equal(item.clips, first[0].clips) for item in again)


class Anew(LineRecipe):
    """Draws the pseudo-fakes of validation in every round."""

    @property
    def validates_anew(self) -> bool:
        return True


def test_a_recipe_may_have_them_made_anew_in_every_round(faces: list[FaceFile]) -> None:
    maker = Failing(0)
    clips = validation(faces, maker, recipe=Anew.parse(PSEUDO.model_dump()))
    for turn in (0, 0, 1):
        _ = clips[turn, 0]
    draws = [draw for _, draw in maker.seen]
    assert draws[0] == draws[1] != draws[2]


def test_a_clip_of_which_nothing_can_be_made_is_empty_and_joins_the_rest(faces: list[FaceFile]) -> None:
    clips = validation(faces, Failing(ValidationClips.ATTEMPTS))
    nothing, one = clips[0, 0], clips[0, 1]
    assert (len(nothing.clips), nothing.label.tolist(), nothing.clips.dtype) == (0, [], torch.uint8)
    joined = join_validation([nothing, replace_size(one), nothing])
    assert (joined.video.tolist(), joined.label.dtype) == ([1], torch.int64)


def replace_size(item: Any) -> Any:
    """The item in the size that the network sees: the maker of this test returns training crops."""
    size = PSEUDO.size
    return item._replace(clips=item.clips[:, :, :size, :size])


def test_real_videos_are_validated_as_they_are_scored(faces: list[FaceFile]) -> None:
    recipe = line_recipe()
    clips = validation(faces, None, recipe=recipe)
    item = clips[0, 1]
    assert np.array_equal(item.clips[0].numpy(), Library(paths(faces)).crops(1, [2, 3], clips=recipe.clips()))
    assert (item.label.tolist(), item.video.tolist(), len(clips)) == ([0], [1], 2)


@pytest.mark.parametrize(
    ("cores", "local", "workers", "expected"), [(8, 1, 8, 4), (8, 1, 2, 2), (8, 4, 8, 1), (1, 1, 4, 1)]
)
def test_data_workers_leave_the_network_half_of_the_cores(
    faces: list[FaceFile],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cores: int,
    local: int,
    workers: int,
    expected: int,
) -> None:
    monkeypatch.setattr(loaders, "own_cores", lambda: cores)
    asked = request(faces, faces, tmp_path, workers=workers, world=World(0, local, local))
    assert data_workers(asked) == expected
    assert data_workers(replace(asked, workers=0)) == 0


@pytest.mark.parametrize(("policy", "threads"), [("passive", 4), ("active", 3)])
def test_threads_that_spin_leave_cores_to_the_data_workers(
    faces: list[FaceFile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, policy: str, threads: int
) -> None:
    counts: list[int] = []
    monkeypatch.setattr(torch, "get_num_threads", lambda: counts[-1] if counts else 4)
    monkeypatch.setattr(torch, "set_num_threads", counts.append)
    monkeypatch.setattr(loaders, "own_cores", lambda: 6)
    monkeypatch.setenv("OMP_WAIT_POLICY", policy)
    with compute_threads(request(faces, faces, tmp_path, workers=3)):
        assert torch.get_num_threads() == threads
    assert torch.get_num_threads() == 4
