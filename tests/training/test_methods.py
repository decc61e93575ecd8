"""A method of a linear layer, trained by the harness: every choice that a recipe has, and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.training.lines import (
    METHOD,
    Brighter,
    Line,
    LineRecipe,
    faces_of,
    line_recipe,
    network,
    request,
    states_equal,
    trained,
    write_face,
)
from tests.training.test_training_progress import Notes
from torch import Tensor
from torch.nn import functional as F

from dfbench import (
    FaceFile,
    Label,
    LoadOptions,
    PluginError,
    RunError,
    ScoreError,
    StartWeights,
    SynthesisError,
    UsageError,
    WeightsError,
)
from dfbench.training import Batch, MethodModule
from dfbench.training.loaders import Library, TrainingClips
from dfbench.training.order import Address
from dfbench.training.samples import Sample, batch_of, join, standard_samples
from dfbench.training.weights_file import WEIGHTS

Faces = tuple[list[FaceFile], list[FaceFile]]


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Faces:
    """Four real and eight fake videos to train on, three and three to validate."""
    folder = tmp_path_factory.mktemp("lines")
    return faces_of(folder, reals=4, fakes=8, seed=1), faces_of(folder, reals=3, fakes=3, seed=2)


@pytest.mark.slow
def test_a_method_learns_from_real_and_fake_videos_and_scores_them(faces: Faces, tmp_path: Path) -> None:
    needs = METHOD.trainer("demo", {}).needs()
    assert needs.labels == needs.validation_labels == frozenset({0, 1})
    assert not needs.synthesizer
    assert not needs.prepare.landmarks
    weights = trained(request(*faces, tmp_path), epochs=12, balance="classes")
    header = METHOD.header(weights)
    assert header.provenance["training"]["validation_video_auc"] > 0.9
    assert (header.trained_on, header.train_compression) == (("toys",), "c23")
    card = METHOD.describe(LoadOptions(weights))
    assert card.recipe == "demo with balance=classes epochs=12"
    assert card.clips == line_recipe().clips()
    detector = METHOD.build(LoadOptions(weights))
    library = Library([file.path for file in faces[1]])
    clips = np.stack([library.crops(video, [0, 1], clips=card.clips) for video in range(6)])
    logits = detector.score(torch.from_numpy(clips))
    assert min(logits[3:]) > max(logits[:3])
    half = METHOD.build(LoadOptions(weights, precision="bf16")).score(torch.from_numpy(clips))
    torch.testing.assert_close(half, logits, rtol=0.1, atol=0.1)
    with pytest.raises(ScoreError, match="line was handed clips"):
        detector.score(torch.zeros(1, 2, 9, 9, 3, dtype=torch.uint8))


@pytest.mark.slow
@pytest.mark.parametrize(
    "fields",
    [
        {"optimizer": "sgd", "momentum": 0.9, "sam_rho": 0.05},
        {"optimizer": "adam", "weight_decay": 0.01, "clip_norm": 0.5},
        {"optimizer": "muon", "schedule": "warmup_cosine", "warmup_steps": 2},
        {"optimizer": "sgd", "ema_decay": 0.8, "accumulate": 2, "schedule": "ramp_decay"},
        {"train_sampling": "uniform", "augmentation": "flip=0.5,light=0.5,small=0.5,blur=0.5,jpeg=0.5"},
        {"dropout": 0.5, "train_clips": 1, "precision": "bf16", "best_by": "clip_accuracy"},
    ],
    ids="-".join,
)
def test_whatever_a_recipe_chooses_is_repeated_to_the_bit_and_changes_the_weights(
    faces: Faces, tmp_path: Path, fields: Mapping[str, Any]
) -> None:
    weights = [trained(request(*faces, tmp_path / name), **fields) for name in ("a", "b")]
    assert states_equal(*weights)
    assert not states_equal(weights[0], trained(request(*faces, tmp_path / "plain")))
    recipe: LineRecipe = METHOD.header(weights[0]).recipe
    assert {name: getattr(recipe, name) for name in fields} == dict(fields)


def test_a_sharpness_aware_step_of_sgd_is_the_gradient_at_the_worst_place_near(
    faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[dict[str, Tensor], Batch, dict[str, Tensor]]] = []
    step = MethodModule.training_step

    def watched(self: MethodModule, batch: Batch, batch_idx: int) -> None:
        before = {name: value.detach().clone() for name, value in self.net.named_parameters()}
        step(self, batch, batch_idx)
        seen.append((before, batch, {n: v.detach().clone() for n, v in self.net.named_parameters()}))

    monkeypatch.setattr(MethodModule, "training_step", watched)
    trained(request(*faces, tmp_path), optimizer="sgd", sam_rho=0.5, lr=0.1, epochs=1, checkpoint_steps=99)
    before, batch, after = seen[0]
    net = network(line_recipe(), seed=1)

    def gradients(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        net.load_state_dict(state, strict=False)
        net.zero_grad()
        x = (batch.clips.float() / 255 - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor(
            [0.229, 0.224, 0.225]
        )
        logits = net.train()(x.permute(0, 4, 1, 2, 3))[:, 0]
        F.binary_cross_entropy_with_logits(logits, batch.labels.float()).backward()  # type: ignore[no-untyped-call]
        return {name: value.grad.clone() for name, value in net.named_parameters() if value.grad is not None}

    here = gradients(before)
    norm = torch.stack([gradient.norm() for gradient in here.values()]).norm()
    worst = gradients({name: before[name] + 0.5 * gradient / norm for name, gradient in here.items()})
    for name, value in after.items():
        torch.testing.assert_close(value, before[name] - 0.1 * worst[name], rtol=1e-4, atol=1e-6, msg=name)


def test_any_synthesizer_trains_any_method(faces: Faces, tmp_path: Path) -> None:
    trainer = METHOD.trainer("pseudo", {})
    assert trainer.needs().labels == frozenset({0})
    assert trainer.needs().synthesizer == "brighter"
    assert trainer.needs().prepare.landmarks
    reals = [[file for file in part if file.video.label is Label.REAL] for part in faces]
    synthesizer = Brighter()
    result = trainer.fit(request(reals[0], reals[1], tmp_path / "a", synthesizer=synthesizer))
    assert result.outcome["validation_video_auc"] > 0.5
    assert synthesizer.calls
    with pytest.raises(RunError, match="needs the synthesizer 'brighter', and got none"):
        trainer.fit(request(reals[0], reals[1], tmp_path / "b"))


def test_a_failed_sample_is_drawn_anew_and_then_of_another_video_of_the_same_label(faces: Faces) -> None:
    recipe = LineRecipe.load("pseudo")
    library = Library([file.path for file in faces[0][:4]])

    def clips(failures: int) -> tuple[TrainingClips, Brighter]:
        synthesizer = Brighter(failures)
        maker = standard_samples(recipe, synthesizer, training=True)
        return TrainingClips(library, [np.arange(6)] * 4, recipe=recipe, maker=maker, seed=0), synthesizer

    address = Address(0, 2, 1, 2, 1)
    whole, late = clips(0)[0][address], clips(3)[0][address]
    assert torch.equal(whole.clips, late.clips)  # the synthesizer draws nothing, and the clip is the same
    assert not torch.equal(whole.clips, clips(9)[0][address].clips)
    never, synthesizer = clips(99)
    with pytest.raises(SynthesisError, match="not now"):
        never[address]
    assert synthesizer.calls == TrainingClips.ATTEMPTS
    maker = standard_samples(recipe, Brighter(), training=True)
    tracks = [np.arange(6)] * 4
    labelled = TrainingClips(library, tracks, recipe=recipe, maker=maker, seed=0, labels=[0, 1, 0, 1])
    rng = np.random.default_rng(0)
    assert {labelled.elsewhere(address, rng).video for _ in range(20)} == {0, 2}


def test_a_method_with_its_own_loss_logs_its_terms(faces: Faces, tmp_path: Path) -> None:
    def loss(net: Line, clips: Tensor, batch: Batch, recipe: LineRecipe) -> Mapping[str, Tensor]:
        logits = net(clips)[:, 0]
        return {
            "hinge": F.relu(1 - (2 * batch.labels - 1) * logits).mean(),
            "size": 0.1 * logits.square().mean(),
        }

    own = replace(METHOD, loss=loss, terms=("hinge", "size"))
    own.trainer("demo", {}).fit(request(*faces, tmp_path))
    header = (tmp_path / "log.csv").read_text().splitlines()[0].split(",")
    assert {"loss", "hinge", "size", "val_auc"} <= set(header)


def test_a_frozen_part_stands_still_and_so_do_its_running_statistics(faces: Faces, tmp_path: Path) -> None:
    own = replace(METHOD, frozen=lambda net: net.norm)
    asked = request(*faces, tmp_path)
    state = own.trainer("demo", {"frozen_epochs": "1", "epochs": "1"}).fit(asked).state
    before = network(line_recipe(), seed=1).state_dict()
    for name in ("norm.weight", "norm.bias", "norm.running_mean", "norm.running_var"):
        assert torch.equal(state[name], before[name]), name
    assert not torch.equal(state["line.weight"], before["line.weight"])


@pytest.mark.slow
def test_a_training_starts_from_weights_and_says_what_they_had_seen(faces: Faces, tmp_path: Path) -> None:
    first = trained(request(*faces, tmp_path / "first"), epochs=1)
    start = StartWeights(first)
    METHOD.trainer("demo", {}).check_start(start)
    second = trained(request(*faces, tmp_path / "second", start=start), epochs=1)
    assert not states_equal(first, second)
    header = METHOD.header(second)
    assert header.provenance["start"]["file"] == WEIGHTS
    assert METHOD.describe(LoadOptions(second)).recipe.startswith(
        "demo with epochs=1 from weights.safetensors@"
    )
    bare = tmp_path / "bare.pth"
    torch.save({"state_dict": METHOD.load(first)[0].state_dict()}, bare)
    unknown = trained(request(*faces, tmp_path / "third", start=StartWeights(bare)), epochs=1)
    assert states_equal(second, unknown)
    assert METHOD.header(unknown).trained_on == ("toys", "unknown")
    assert METHOD.describe(LoadOptions(unknown)).corpora is None
    with pytest.raises(UsageError, match="cannot understand --start timm:x="):
        METHOD.trainer("demo", {}).check_start(StartWeights(first, "timm:x"))
    with pytest.raises(WeightsError, match=r"norm\.weight is 384 and should be 1200"):
        METHOD.trainer("demo", {"size": "10", "frames": "4"}).check_start(start)


def test_what_cannot_be_trained_on_is_named(faces: Faces, tmp_path: Path) -> None:
    train, validation = faces
    trainer = METHOD.trainer("demo", {})
    with pytest.raises(RunError, match="training on real fakes needs real and fake videos"):
        trainer.fit(request(train[:4], validation, tmp_path / "a"))
    with pytest.raises(RunError, match="validation on real fakes needs real and fake videos"):
        trainer.fit(request(train, validation[:3], tmp_path / "b"))
    with pytest.raises(RunError, match="no training video has 9 successive frames"):
        METHOD.trainer("demo", {"frames": "5"}).fit(request(train, validation, tmp_path / "c"))


def test_weights_of_another_method_and_a_recipe_beside_weights_are_refused(
    faces: Faces, tmp_path: Path
) -> None:
    weights = trained(request(*faces, tmp_path), epochs=1)
    other = replace(METHOD, name="curve")
    with pytest.raises(WeightsError, match="not written by dfbench's curve") as caught:
        other.build(LoadOptions(weights))
    assert caught.value.hints == ("train weights:  dfbench train --detector curve",)
    with pytest.raises(UsageError, match="carries its own recipe, 'demo with epochs=1'"):
        METHOD.describe(LoadOptions(weights, recipe="pseudo"))
    with pytest.raises(WeightsError, match="line needs trained weights"):
        METHOD.build(LoadOptions())
    assert METHOD.describe(LoadOptions(weights, changes={"clips_per_video": "1"})).clips.per_video == 1


def test_samples_of_different_sizes_are_no_batch() -> None:
    def item(count: int) -> Batch:
        return batch_of(Sample(np.zeros((count, 2, 8, 8, 3), np.uint8), np.zeros(count, np.int64)))

    joined = join([item(2), item(2), item(2)])
    assert (joined.samples, len(joined.clips), len(joined.part(1, 3).clips)) == (3, 6, 4)
    with pytest.raises(PluginError, match="different numbers of clips"):
        join([item(1), item(2)])


def test_videos_without_landmarks_are_left_out_of_what_a_synthesizer_makes(
    faces: Faces, tmp_path: Path
) -> None:
    """As a face finder leaves them that finds no points: the files have none, or what was made of none."""
    reals = [[file for file in part if file.video.label is Label.REAL] for part in faces]
    bare = [write_face(tmp_path / "bare.faces", Label.REAL, seed=90, landmarks=np.zeros((0, 2)))]
    bare += [write_face(tmp_path / "nan.faces", Label.REAL, seed=91, landmarks=np.full((81, 2), np.nan))]
    notes = Notes()
    asked = request([*reals[0], *bare], reals[1], tmp_path, synthesizer=Brighter(), progress=notes)
    trainer = METHOD.trainer("pseudo", {})
    assert trainer.fit(asked).state
    assert notes.lines == ["2 training videos are left out, without landmarks: real/bare, real/nan"]
    asked = replace(asked, folder=tmp_path / "none")
    for part in (replace(asked, train=bare), replace(asked, validation=bare)):
        with pytest.raises(RunError, match="video has landmarks, which the synthesizer 'brighter'") as caught:
            trainer.fit(part)
        assert any("--synthesizer none" in hint for hint in caught.value.hints)
