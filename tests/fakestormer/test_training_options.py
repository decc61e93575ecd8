"""What training goes by: which weights are kept, when it ends, what validation sees, and the released ways."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.fakestormer import training_faces
from tests.fakestormer.training_faces import (
    OVERRIDES,
    CutError,
    Faces,
    cut_off_after,
    make_trainer,
    read_header,
    request,
    rows_of,
    write_face_file,
)
from tests.training.tensorboard import logged

from dfbench import Label, LoadOptions, RunError, StoreError, SynthesisError, UsageError
from dfbench.training.loaders import Library, ValidationClips
from dfbench.training.order import Address
from dfbench_fakestormer.checkpoints import describe
from dfbench_fakestormer.recipe import load_recipe, released_margin
from dfbench_fakestormer.samples import FakeSTormerClips, sample_maker

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.slow
def test_validation_draws_for_the_round_it_is_in(
    faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds: list[int] = []
    original = ValidationClips.__getitem__

    def watched(self: ValidationClips, place: tuple[int, int]) -> Any:
        rounds.append(place[0])
        return original(self, place)

    monkeypatch.setattr(ValidationClips, "__getitem__", watched)
    changes = OVERRIDES | {"validation_view": "released"}
    make_trainer("demo", changes).fit(request(faces, tmp_path))
    assert sorted(set(rounds)) == [1, 3, 5]  # of three epochs of two rounds, validated at the end of each
    assert len(rounds) == 3 * 4


@pytest.mark.slow
def test_training_ends_when_validation_no_longer_gains(
    faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make_trainer("demo", OVERRIDES | {"epochs": "6", "lr": "1e-12", "patience": "2"})
    with monkeypatch.context() as patch:

        def lost(*args: Any, **kwargs: Any) -> None:
            raise StoreError("no space")

        patch.setattr(training_faces, "write_trained", lost)
        with pytest.raises(StoreError):
            trainer.fit(request(faces, tmp_path))
    rows = rows_of(tmp_path / "log.csv")
    first, *later = [float(row["val_auc"]) for row in rows if row["val_auc"]]
    assert len(later) == 2
    assert max(later) <= first
    weights = trainer.fit(request(faces, tmp_path))  # does not go on training
    assert len(rows_of(tmp_path / "log.csv")) == len(rows) == 6
    assert read_header(weights).provenance["training"]["step"] == 4


@pytest.mark.slow
def test_clip_accuracy_may_choose_the_weights(faces: Faces, tmp_path: Path) -> None:
    weights = make_trainer("demo", OVERRIDES | {"best_by": "clip_accuracy"}).fit(request(faces, tmp_path))
    outcome = read_header(weights).provenance["training"]
    accuracies = [row["val_accuracy"] for row in rows_of(tmp_path / "log.csv") if row["val_accuracy"]]
    assert len(accuracies) == 3
    assert outcome["best_by"] == "clip_accuracy"
    assert outcome["validation_clip_accuracy"] == max(float(one) for one in accuracies)
    assert "best_by=clip_accuracy" in describe(LoadOptions(weights)).recipe


@pytest.mark.slow
def test_validation_may_see_real_fakes(faces: Faces, tmp_path: Path) -> None:
    trainer = make_trainer(
        "demo", OVERRIDES | {"epochs": "1", "validation_fakes": "real", "clips_per_video": "1"}
    )
    needs = trainer.needs()
    assert needs.labels == frozenset({0})
    assert needs.validation_labels == frozenset({0, 1})
    assert needs.prepare_validation.frames.how == "uniform"
    fakes = []
    for number in range(3):
        file = write_face_file(
            tmp_path / f"f{number}.faces", f"Deepfakes/{number}", frames=4, seed=50 + number
        )
        video = replace(file.video, label=Label.FAKE, manipulation="Deepfakes", split="val")
        fakes.append(replace(file, video=video))
    weights = trainer.fit(request((faces[0], [*faces[1], *fakes]), tmp_path / "run"))
    outcome = read_header(weights).provenance["training"]
    assert outcome["validation_fakes"] == "real"
    assert "validation_fakes=real" in describe(LoadOptions(weights)).recipe
    aucs = [float(row["val_auc"]) * 12 for row in rows_of(tmp_path / "run" / "log.csv") if row["val_auc"]]
    assert all(one == pytest.approx(round(one * 2) / 2, abs=1e-6) for one in aucs)  # 4 reals by 3 fakes
    with pytest.raises(RunError, match="only one kind is there"):
        trainer.fit(request(faces, tmp_path / "alone"))
    with pytest.raises(UsageError, match="augments pseudo-fakes"):
        load_recipe("demo", {"validation_fakes": "real", "validation_view": "released"})


def test_released_validation_is_augmented_and_drawn_anew(faces: Faces) -> None:
    def clips(view: str) -> ValidationClips:
        recipe = load_recipe("demo", OVERRIDES | {"validation_view": view, "mask_out": "0.5"})
        library = Library([file.path for file in faces[1]])
        synthesizer = request(faces, Path()).synthesizer
        assert synthesizer is not None
        places = [(video, [0, 1, 2, 3]) for video in range(4)]
        maker = sample_maker(recipe, synthesizer, training=False)
        return ValidationClips(library, places, recipe=recipe, maker=maker, seed=0)

    mended, released = clips("mended"), clips("released")
    assert all(torch.equal(mended[0, i].clips, mended[7, i].clips) for i in range(4))
    assert not all(torch.equal(released[0, i].clips, released[7, i].clips) for i in range(4))
    assert all(torch.equal(released[3, i].clips, released[3, i].clips) for i in range(4))


class FailsOnce:
    """A synthesizer that fails the first time, and then shows what was drawn."""

    def __init__(self) -> None:
        self.draws: list[float] = []

    def synthesize(self, frames: Any, landmarks: Any, rng: np.random.Generator) -> Any:
        self.draws.append(float(rng.random()))
        if len(self.draws) == 1:
            raise SynthesisError("no")
        return request(([], []), Path()).synthesizer.synthesize(frames, landmarks, rng)  # type: ignore[union-attr]


@pytest.mark.parametrize(("retry", "same"), [("mended", False), ("released", True)])
def test_what_a_failed_sample_drew_is_handed_on_only_as_released(
    faces: Faces, retry: str, same: bool
) -> None:
    recipe = load_recipe("demo", OVERRIDES | {"retry": retry})
    synthesizer = FailsOnce()
    clips = FakeSTormerClips(
        Library([file.path for file in faces[0]]),
        [np.arange(12)] * 8,
        recipe=recipe,
        maker=sample_maker(recipe, synthesizer, training=True),
        seed=3,
    )
    item = clips[Address(0, 2, 0, 0, 1)]
    assert len(item.clips) == 2
    assert (synthesizer.draws[0] == synthesizer.draws[1]) is same


@pytest.mark.slow
def test_released_resuming_forgets_the_moments_and_the_schedule(
    faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make_trainer("demo", OVERRIDES | {"resume": "released"})
    with monkeypatch.context() as patch:
        cut_off_after(patch, 4)
        with pytest.raises(CutError):
            trainer.fit(request(faces, tmp_path))
    trainer.fit(request(faces, tmp_path))
    rates = [float(row["lr"]) for row in rows_of(tmp_path / "log.csv")]
    given = load_recipe("demo").lr
    assert rates[2:] == pytest.approx([given] * 4)  # the constructor's, for the rest of the training
    assert rates[:2] != pytest.approx([given] * 2)
    outcome = read_header(tmp_path / "weights.safetensors").provenance["training"]
    assert outcome["resumed_at"] == [4]


def test_released_margins_depend_on_the_dataset() -> None:
    card_margins = load_recipe("base_c23", {"test_margins": "released"}).margins()
    assert released_margin(15) == load_recipe("released").clip_margin
    assert card_margins["dfd"] == pytest.approx(0.25 - 1.5 * 13 / 256)
    assert load_recipe("base_c23").margins() == {}


@pytest.mark.slow
def test_tensorboard_has_losses_by_step_and_validation_by_round(faces: Faces, tmp_path: Path) -> None:
    make_trainer("demo", OVERRIDES).fit(request(faces, tmp_path))
    found = logged(tmp_path)
    assert {"loss_step", "loss_epoch", "heatmap_step", "classes_step", "val_auc", "lr"} <= set(found)
    assert len(found["val_auc"]) == 3
