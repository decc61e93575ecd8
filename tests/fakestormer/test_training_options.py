"""Ways to train: in parts, on several processes, in half precision, compiled, until no gain, on real validation fakes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tensorboardX.proto import event_pb2
from tests.fakestormer.training_faces import (
    OVERRIDES,
    make_faces,
    request,
    rows_of,
    states_equal,
    write_face_file,
)

from dfbench import FaceFile, Label, RunError, StoreError, UsageError, World
from dfbench.runs.distributed import current_world, launch
from dfbench_fakestormer import training, training_module
from dfbench_fakestormer.checkpoints import describe, read_header
from dfbench_fakestormer.clipdata import Address, Library, TrainingClips, ValidationClips
from dfbench_fakestormer.losses import Losses, combined_loss
from dfbench_fakestormer.recipe import load_recipe, released_margin
from dfbench_fakestormer.sam import SharpnessAware
from dfbench_fakestormer.synthesis.errors import SynthesisError
from dfbench_fakestormer.training import make_trainer
from dfbench_fakestormer.training_module import TrainingModule

ROOT = Path(__file__).parents[2]
Faces = tuple[list[FaceFile], list[FaceFile]]
# In double precision and without weight decay, because Adam turns differences of rounding, where a gradient is zero
# (biases before a batch norm, of keys), into whole steps.
EXACT = {"precision": "64", "weight_decay": "0", "drop_path": "0", "head_dropout": "0"}
SHORT = OVERRIDES | {"epochs": "1", "drop_path": "0", "head_dropout": "0"}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Faces:
    return make_faces(tmp_path_factory.mktemp("faces"))


def farthest(one: Path, other: Path, *, without: str = "\0") -> float:
    first, second = load_file(one), load_file(other)
    assert first.keys() == second.keys()
    return max(
        float((value.double() - second[key].double()).abs().max())
        for key, value in first.items()
        if without not in key
    )


@pytest.mark.parametrize("optimizer", ["adamw", "sam_adam"])
def test_a_batch_in_parts_gives_the_weights_of_the_whole_batch(
    faces: Faces, tmp_path: Path, optimizer: str
) -> None:
    # A batch norm sees each part alone; here it stands only before the heat map, which does not count.
    changes = (
        SHORT | EXACT | {"stem": "patch", "heatmap_weight": "0", "optimizer": optimizer, "sam_rho": "0.05"}
    )
    whole = make_trainer("demo", changes).fit(request(faces, tmp_path / "whole"))
    parts = make_trainer("demo", changes | {"accumulate": "3"}).fit(request(faces, tmp_path / "parts"))
    assert farthest(whole, parts, without="keypoint_head.hm") < 1e-6
    assert float(rows_of(tmp_path / "parts" / "log.csv")[-1]["loss"]) == pytest.approx(
        float(rows_of(tmp_path / "whole" / "log.csv")[-1]["loss"]), abs=1e-5
    )


def test_parts_are_whole_samples_and_nothing_is_lost(
    faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[int]] = []
    original = TrainingModule.manual_backward

    def parts(self: TrainingModule, loss: torch.Tensor, *args: Any, **kwargs: Any) -> None:
        seen[-1].append(1)
        original(self, loss, *args, **kwargs)

    step = TrainingModule.training_step

    def one_step(self: TrainingModule, batch: Any, batch_idx: int) -> None:
        seen.append([])
        step(self, batch, batch_idx)

    monkeypatch.setattr(TrainingModule, "manual_backward", parts)
    monkeypatch.setattr(TrainingModule, "training_step", one_step)
    make_trainer("demo", SHORT | {"accumulate": "99"}).fit(request(faces, tmp_path))
    assert [len(one) for one in seen] == [4] * 4  # a batch of four samples has at most four parts


TWO = """
import json
import sys
from dataclasses import replace
from pathlib import Path
import torch
from dfbench.runs.distributed import current_world, joined
from dfbench_fakestormer.training import make_trainer
from dfbench_fakestormer.training_module import TrainingModule
from tests.fakestormer import training_faces as t
torch.set_num_threads(1)
folder, cases = Path(sys.argv[1]), json.loads(sys.argv[2])
faces = t.stored_faces(folder)
world = current_world(2, 1)
with joined(world):
    for name, changes in cases.items():
        asked = replace(t.request(faces, folder / "two" / name), world=world)
        if name == "resumed":
            step, done = TrainingModule.training_step, [0]

            def cut(self, batch, batch_idx):
                done[0] += 1
                if done[0] == 4:
                    raise ZeroDivisionError
                step(self, batch, batch_idx)

            TrainingModule.training_step = cut
            try:
                make_trainer("demo", changes).fit(asked)
            except ZeroDivisionError:
                assert (asked.folder / "last.ckpt").is_file()
        make_trainer("demo", changes).fit(asked)
"""


@pytest.mark.slow
def test_two_processes_train_what_one_does(tmp_path: Path) -> None:
    faces = make_faces(tmp_path)
    cases = {
        "adamw": SHORT,
        "sam": SHORT | {"optimizer": "sam_adam", "sam_rho": "0.05"},
        "parts": SHORT | {"optimizer": "sam_adam", "sam_rho": "0.05", "accumulate": "2", "stem": "patch"},
        "resumed": SHORT | {"epochs": "2"},
        "frozen": SHORT | {"epochs": "2", "frozen_epochs": "1", "ema_decay": "0.9"},
    }
    cases = {name: changes | EXACT for name, changes in cases.items()}
    cases["parts"] |= {"heatmap_weight": "0"}  # the parts of a batch differ in what a batch norm sees
    script = tmp_path / "two.py"
    script.write_text(TWO)
    subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
            *(str(script), str(tmp_path), json.dumps(cases)),
        ],
        check=True,
        timeout=300,
        cwd=ROOT,
        env=python_path(),
    )
    for name, changes in cases.items():
        one = make_trainer("demo", changes).fit(request(faces, tmp_path / "one" / name))
        two = tmp_path / "two" / name / "weights.safetensors"
        without = "keypoint_head.hm" if name == "parts" else "\0"
        assert farthest(one, two, without=without) < 1e-6, name
        alone, together = rows_of(one.with_name("log.csv")), rows_of(two.with_name("log.csv"))
        for column in ("loss", "heatmap", "classes", "temporal", "val_auc", "val_accuracy"):
            values = [[float(row[column] or -1) for row in rows] for rows in (alone, together)]
            assert values[1] == pytest.approx(values[0], abs=1e-6), (name, column)
        assert read_header(two).provenance["training"]["processes"] == 2
        assert not list(two.parent.glob("*.ckpt"))


def python_path() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}


def test_a_process_alone_is_a_world_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TORCHELASTIC_RUN_ID", "WORLD_SIZE", "SLURM_STEP_ID", "SLURM_NTASKS"):
        monkeypatch.delenv(name, raising=False)
    assert current_world(4, 2) == World()


def test_a_scheduler_says_which_process_this_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    values = {
        "NTASKS_PER_NODE": "4",
        "JOB_NAME": "train",
        "STEP_ID": "0",
        "NTASKS": "8",
        "PROCID": "5",
        "LOCALID": "1",
        "NODEID": "1",
    }
    for name, value in values.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    assert current_world(4, 2) == World(rank=5, size=8, local=4)
    with pytest.raises(UsageError, match="8 processes were started, and 2 devices on 2 nodes") as caught:
        current_world(2, 2)
    assert "--devices 4 --nodes 2" in caught.value.hints[0]
    monkeypatch.delenv("SLURM_STEP_ID")  # the batch script itself
    assert current_world(4, 2) == World()


def test_a_batch_that_the_processes_cannot_share_is_refused(faces: Faces, tmp_path: Path) -> None:
    asked = replace(request(faces, tmp_path), world=World(0, 3, 3))
    with pytest.raises(UsageError, match="a batch of 4 samples cannot be shared by 3 processes") as caught:
        make_trainer("demo", OVERRIDES).fit(asked)
    assert "--set batch=3" in caught.value.hints[0]


def test_ctrl_c_in_a_training_is_a_keyboard_interrupt(
    faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: TrainingModule, batch: Any, batch_idx: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(TrainingModule, "training_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make_trainer("demo", OVERRIDES).fit(request(faces, tmp_path))


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


def test_other_machines_are_left_to_a_scheduler() -> None:
    with pytest.raises(UsageError, match="other machines") as caught:
        launch(["train", "--detector", "fakestormer"], devices=4, nodes=2)
    assert (
        "srun --kill-on-bad-exit --nodes 2 --ntasks-per-node 4 dfbench train --detector fakestormer"
        in caught.value.hints[0]
    )


@pytest.mark.parametrize("optimizer", ["adamw", "sam_adam"])
def test_fp16_scales_the_loss_and_resumes_exactly(
    faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimizer: str
) -> None:
    changes = OVERRIDES | {"precision": "fp16", "optimizer": optimizer, "sam_rho": "0.05"}
    trainer = make_trainer("demo", changes)
    whole = trainer.fit(request(faces, tmp_path / "whole"))
    assert all(np.isfinite(float(row["loss"])) for row in rows_of(tmp_path / "whole" / "log.csv"))
    step, done = TrainingModule.training_step, [0]

    def cut(self: TrainingModule, batch: Any, batch_idx: int) -> None:
        done[0] += 1
        if done[0] > 5:
            raise RuntimeError("cut off")
        step(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingModule, "training_step", cut)
        with pytest.raises(RuntimeError, match="cut off"):
            trainer.fit(request(faces, tmp_path / "cut"))
    checkpoint = torch.load(tmp_path / "cut" / "last.ckpt", weights_only=True)
    assert checkpoint["MixedPrecision"]["scale"] > 1
    assert states_equal(whole, trainer.fit(request(faces, tmp_path / "cut")))


def test_an_overflow_in_fp16_skips_the_step_and_lowers_the_scale(
    faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = SHORT | {"precision": "fp16", "optimizer": "sam_adam", "sam_rho": "0.05"}
    states: list[dict[str, torch.Tensor]] = []
    plain = combined_loss

    def infinite(*args: Any, **kwargs: Any) -> Losses:
        losses: Losses = plain(*args, **kwargs)
        return losses._replace(classes=losses.classes * np.inf) if len(states) == 2 else losses

    monkeypatch.setattr(training_module, "combined_loss", infinite)
    scales: list[float] = []
    step, backward = TrainingModule.training_step, TrainingModule.manual_backward

    def watched(self: TrainingModule, batch: Any, batch_idx: int) -> None:
        step(self, batch, batch_idx)
        states.append({k: v.clone() for k, v in self.net.named_parameters()})
        scales.append(cast("Any", self.trainer.precision_plugin).scaler.get_scale())

    def overflowing(self: TrainingModule, loss: torch.Tensor, *args: Any, **kwargs: Any) -> None:
        backward(self, loss * (np.inf if len(states) == 1 else 1), *args, **kwargs)

    monkeypatch.setattr(TrainingModule, "training_step", watched)
    monkeypatch.setattr(TrainingModule, "manual_backward", overflowing)
    make_trainer("demo", changes).fit(request(faces, tmp_path))
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert all(torch.equal(states[1][key], states[2][key]) for key in states[0])
    assert not all(torch.equal(states[2][key], states[3][key]) for key in states[0])
    assert scales[1:3] == [scales[0] / 2, scales[0] / 4]
    assert all(np.isfinite(float(row["loss"])) for row in rows_of(tmp_path / "log.csv"))


def test_sharpness_sees_an_overflow() -> None:
    parameter = torch.nn.Parameter(torch.ones(3))
    parameter.grad = torch.tensor([1.0, np.inf, 0.0])
    assert not SharpnessAware([parameter], rho=0.1).finite()
    parameter.grad = torch.zeros(3)
    assert SharpnessAware([parameter], rho=0.1).finite()


def test_a_compiled_network_trains_the_same(faces: Faces, tmp_path: Path) -> None:
    plain = make_trainer("demo", SHORT).fit(request(faces, tmp_path / "plain"))
    compiled = make_trainer("demo", SHORT | {"compile": "aot_eager"}).fit(
        request(faces, tmp_path / "compiled")
    )
    assert farthest(plain, compiled) < 1e-4


def test_training_ends_when_validation_no_longer_gains(
    faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make_trainer("demo", OVERRIDES | {"epochs": "6", "lr": "1e-12", "patience": "2"})
    with monkeypatch.context() as patch:

        def lost(*args: Any, **kwargs: Any) -> None:
            raise StoreError("no space")

        patch.setattr(training, "write_weights", lost)
        with pytest.raises(StoreError):
            trainer.fit(request(faces, tmp_path))
    rows = rows_of(tmp_path / "log.csv")
    assert [row["val_auc"] for row in rows if row["val_auc"]] == [rows[1]["val_auc"]] * 3
    weights = trainer.fit(request(faces, tmp_path))  # does not go on training
    assert len(rows_of(tmp_path / "log.csv")) == len(rows) == 6
    assert read_header(weights).provenance["training"]["step"] == 4


def test_clip_accuracy_may_choose_the_weights(faces: Faces, tmp_path: Path) -> None:
    weights = make_trainer("demo", OVERRIDES | {"best_by": "clip_accuracy"}).fit(request(faces, tmp_path))
    outcome = read_header(weights).provenance["training"]
    accuracies = [row["val_accuracy"] for row in rows_of(tmp_path / "log.csv") if row["val_accuracy"]]
    assert len(accuracies) == 3
    assert outcome["best_by"] == "clip_accuracy"
    assert outcome["validation_clip_accuracy"] == max(float(one) for one in accuracies)
    assert "best_by=clip_accuracy" in describe(weights).recipe


def test_validation_may_see_real_fakes(faces: Faces, tmp_path: Path) -> None:
    trainer = make_trainer("demo", SHORT | {"validation_fakes": "real", "clips_per_video": "1"})
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
    assert "validation_fakes=real" in describe(weights).recipe
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
        return ValidationClips(library, places, recipe=recipe, synthesizer=synthesizer, seed=0)

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
    clips = TrainingClips(
        Library([file.path for file in faces[0]]),
        [np.arange(12)] * 8,
        recipe=recipe,
        synthesizer=synthesizer,
        seed=3,
    )
    item = clips[Address(0, 2, 0, 0, 1)]
    assert len(item.clips) == 2
    assert (synthesizer.draws[0] == synthesizer.draws[1]) is same


def test_released_resuming_forgets_the_moments_and_the_schedule(
    faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, done = TrainingModule.training_step, [0]

    def cut(self: TrainingModule, batch: Any, batch_idx: int) -> None:
        done[0] += 1
        if done[0] == 5:
            raise RuntimeError("cut off")
        step(self, batch, batch_idx)

    monkeypatch.setattr(TrainingModule, "training_step", cut)
    trainer = make_trainer("demo", OVERRIDES | {"resume": "released"})
    with pytest.raises(RuntimeError, match="cut off"):
        trainer.fit(request(faces, tmp_path))
    trainer.fit(request(faces, tmp_path))
    rates = [float(row["lr"]) for row in rows_of(tmp_path / "log.csv")]
    assert rates[2:] == pytest.approx([3e-3] * 4)  # the constructor's, for the rest of the training
    assert rates[:2] != pytest.approx([3e-3] * 2)
    outcome = read_header(tmp_path / "weights.safetensors").provenance["training"]
    assert outcome["resumed_at"] == [4]


def test_released_margins_depend_on_the_dataset() -> None:
    card_margins = load_recipe("base_c23", {"test_margins": "released"}).margins()
    assert released_margin(15) == pytest.approx(load_recipe("base_c23").clip_margin, abs=0.003)
    assert card_margins["dfd"] == pytest.approx(0.25 - 1.5 * 13 / 256)
    assert load_recipe("base_c23").margins() == {}


def test_tensorboard_has_losses_by_step_and_validation_by_round(faces: Faces, tmp_path: Path) -> None:
    make_trainer("demo", OVERRIDES).fit(request(faces, tmp_path))
    (events,) = (tmp_path / "tensorboard").glob("events.out.tfevents.*")
    found: dict[str, list[int]] = {}
    content, place = events.read_bytes(), 0
    while place < len(content):  # a record: its length, a checksum, itself, a checksum
        length = int.from_bytes(content[place : place + 8], "little")
        event = event_pb2.Event.FromString(content[place + 12 : place + 12 + length])
        for value in event.summary.value:
            found.setdefault(value.tag, []).append(event.step)
        place += 16 + length
    assert {"loss_step", "loss_epoch", "heatmap_step", "classes_step", "val_auc", "lr"} <= set(found)
    assert len(found["val_auc"]) == 3
