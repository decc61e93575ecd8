"""Training FakeSTormer: it learns to separate, it resumes exactly, and it says what it cannot use."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from tests.fakestormer.training_faces import (
    OVERRIDES,
    CutError,
    Faces,
    cut_off_after,
    make_trainer,
    read_header,
    request,
    rows_of,
    states_equal,
    write_face_file,
)

from dfbench import (
    LoadOptions,
    RunError,
    Trainer,
    World,
    progress,
)
from dfbench.progress import RichProgress, SilentProgress
from dfbench.training import record as training_record
from dfbench.training import trainer as training_trainer
from dfbench.training.module import MethodModule
from dfbench.training.order import ClipOrder, successive_starts
from dfbench_fakestormer import losses as losses_module
from dfbench_fakestormer.checkpoints import describe, load_network
from dfbench_fakestormer.losses import Losses, combined_loss
from dfbench_fakestormer.method import network_config
from dfbench_fakestormer.model import FakeSTormerNet
from dfbench_fakestormer.recipe import load_recipe

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.slow
def test_a_training_writes_weights_that_say_what_they_are(faces: Faces, tmp_path: Path) -> None:
    trainer = make_trainer("demo", OVERRIDES)
    assert isinstance(trainer, Trainer)
    assert trainer.recipe()["width"] == 24
    needs = trainer.needs()
    assert needs.labels == frozenset({0})
    assert needs.prepare.landmarks
    assert needs.prepare_validation.frames.length == 4
    weights = trainer.fit(request(faces, tmp_path))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["log.csv", "tensorboard", "weights.safetensors"]
    header = read_header(weights)
    assert header.recipe.identity() == trainer.recipe()
    assert header.provenance["manifest"] == "abc"
    assert 0 <= header.provenance["training"]["validation_video_auc"] <= 1
    card = describe(LoadOptions(weights))
    assert (card.trained_on, card.train_compression) == (frozenset({"ffpp"}), "c23")
    with (tmp_path / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [2, 4, 6, 8, 10, 12]
    assert {"loss", "heatmap", "classes", "temporal", "lr", "val_auc", "seconds"} <= set(rows[0])
    assert [bool(row["val_auc"]) for row in rows] == [False, True] * 3
    stamp = weights.stat().st_mtime_ns
    assert trainer.fit(request(faces, tmp_path)) == weights
    assert weights.stat().st_mtime_ns == stamp


@pytest.mark.slow
def test_the_last_weights_are_validated_whatever_the_interval(faces: Faces, tmp_path: Path) -> None:
    make_trainer("demo", OVERRIDES | {"validate_every": "2"}).fit(request(faces, tmp_path))
    rows = rows_of(tmp_path / "log.csv")  # three epochs of two rounds
    assert [bool(row["val_auc"]) for row in rows] == [False, False, False, True, False, True]


@pytest.mark.slow
def test_progress_shows_losses_samples_a_second_and_time_to_go(
    faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, seen = [0.0], list[Losses]()
    step, validate = MethodModule.training_step, MethodModule.validation_step

    def half_a_second(self: MethodModule, batch: Any, batch_idx: int) -> None:
        clock[0] += 0.5
        step(self, batch, batch_idx)

    def a_minute(self: MethodModule, batch: Any, batch_idx: int) -> None:
        clock[0] += 60
        validate(self, batch, batch_idx)

    def watched(*args: Any, **kwargs: Any) -> Losses:
        seen.append(combined_loss(*args, **kwargs))
        return seen[-1]

    monkeypatch.setattr(MethodModule, "training_step", half_a_second)
    monkeypatch.setattr(MethodModule, "validation_step", a_minute)
    monkeypatch.setattr(losses_module, "combined_loss", watched)
    monkeypatch.setattr(training_record, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.0)
    text = io.StringIO()
    shown = RichProgress(Console(file=text, width=120))
    make_trainer("demo", OVERRIDES).fit(replace(request(faces, tmp_path), progress=shown))
    validated = [float(row["val_auc"]) for row in rows_of(tmp_path / "log.csv") if row["val_auc"]]
    lines = text.getvalue().splitlines()
    assert len(lines) == 1 + 12 + 1  # where it begins, every step, how long it took
    for number, (line, losses) in enumerate(zip(lines[1:-1], seen, strict=True), 1):
        found = re.fullmatch(r"train fakestormer \(demo\): (\d+)/12, [\d.]+/s, \d+ s left (.*)", line)
        assert found is not None, line
        assert int(found[1]) == number
        parts = [
            f"{n} {v:.3g}" for n, v in {"loss": losses.total, **losses._asdict()}.items() if n != "total"
        ]
        if number > 4:  # a validation after every fourth step
            parts.append(f"val_auc {validated[(number - 1) // 4 - 1]:.3f}")
        assert found[2] == " ".join([*parts, "8 samples/s"])  # four in half a second, validation not counted


@pytest.mark.slow
@pytest.mark.parametrize(
    ("optimizer", "workers", "ema"), [("adamw", 0, "0"), ("sam_adam", 0, "0.9"), ("muon", 1, "0")]
)
def test_interrupted_and_resumed_is_uninterrupted(
    faces: Faces,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    optimizer: str,
    workers: int,
    ema: str,
) -> None:
    changes = {"optimizer": optimizer, "sam_rho": "0.05", "ema_decay": ema}
    trainer = make_trainer("demo", OVERRIDES | changes)
    whole = trainer.fit(request(faces, tmp_path / "whole", workers=workers))
    cut = tmp_path / "cut"
    for steps in (5, 3):  # inside the second epoch, and later in its other round
        with monkeypatch.context() as patch:
            cut_off_after(patch, steps)
            with pytest.raises(CutError):
                trainer.fit(request(faces, cut, workers=workers))
        assert (cut / "last.ckpt").is_file()
        assert not (cut / "weights.safetensors").exists()
    resumed = trainer.fit(request(faces, cut, workers=workers))
    assert states_equal(whole, resumed)
    columns = [[row["loss"], row["val_auc"], row["lr"]] for row in rows_of(cut / "log.csv")]
    assert columns == [
        [row["loss"], row["val_auc"], row["lr"]] for row in rows_of(tmp_path / "whole" / "log.csv")
    ]


@pytest.mark.slow
def test_the_kept_weights_are_the_moving_average_of_all_steps(
    faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[dict[str, torch.Tensor]] = []
    original = MethodModule.training_step

    def step(self: MethodModule, batch: Any, batch_idx: int) -> None:
        original(self, batch, batch_idx)
        steps.append({key: value.clone() for key, value in self.net.state_dict().items()})

    monkeypatch.setattr(MethodModule, "training_step", step)
    changes = {"ema_decay": "0.7", "epochs": "2", "validate_every": "2"}
    averaged = make_trainer("demo", OVERRIDES | changes).fit(request(faces, tmp_path / "averaged"))
    expected = steps[0]  # the average begins with the first step
    for state in steps[1:]:
        expected = {
            key: 0.7 * value + 0.3 * state[key] if value.is_floating_point() else state[key]
            for key, value in expected.items()
        }
    kept = load_network(averaged)[0].state_dict()
    assert len(steps) == 8
    for key, value in kept.items():
        if value.is_floating_point():
            torch.testing.assert_close(value, expected[key], msg=key)
    assert not torch.equal(
        kept["backbone.blocks.0.attn.qkv.weight"], steps[-1]["backbone.blocks.0.attn.qkv.weight"]
    )
    assert read_header(averaged).recipe.ema_decay == 0.7


@pytest.mark.slow
def test_workers_change_nothing_and_the_seed_does(faces: Faces, tmp_path: Path) -> None:
    trainer = make_trainer("demo", OVERRIDES | {"epochs": "1"})
    alone = trainer.fit(request(faces, tmp_path / "0"))
    helped = trainer.fit(request(faces, tmp_path / "1", workers=1))
    other = trainer.fit(request(faces, tmp_path / "2", seed=2))
    assert states_equal(alone, helped)
    assert not states_equal(alone, other)


@pytest.mark.slow
def test_what_is_too_short_is_left_out_by_name_and_nothing_is_an_error(faces: Faces, tmp_path: Path) -> None:
    class Notes(SilentProgress):
        def __init__(self) -> None:
            self.lines: list[str] = []

        def note(self, message: str) -> None:
            self.lines.append(message)

    short = write_face_file(tmp_path / "s.faces", "original/short", frames=3, seed=0)
    trainer = make_trainer("demo", OVERRIDES | {"epochs": "1"})
    notes = Notes()
    trainer.fit(replace(request(([*faces[0], short], faces[1]), tmp_path / "a"), progress=notes))
    assert any("1 training videos are left out" in line and "original/short" in line for line in notes.lines)
    with pytest.raises(RunError, match="no training video has"):
        trainer.fit(request(([short], faces[1]), tmp_path / "b"))
    with pytest.raises(RunError, match="no validation video has"):
        trainer.fit(request((faces[0], []), tmp_path / "c"))
    with pytest.raises(RunError, match="needs the synthesizer 'self_blended_video'"):
        trainer.fit(replace(request(faces, tmp_path / "d"), synthesizer=None))


def test_divergence_is_an_error_and_not_a_result(faces: Faces, tmp_path: Path) -> None:
    trainer = make_trainer("demo", OVERRIDES | {"lr": "1e30", "clip_norm": "0"})
    with pytest.raises(RunError, match="training diverged"):
        trainer.fit(request(faces, tmp_path))
    assert not (tmp_path / "weights.safetensors").exists()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, "--set accumulate=2"),
        ({"accumulate": "4"}, "--set batch=2"),
        ({"accumulate": "16", "batch": "64"}, "--set batch=8"),  # of the 16 clips that there are
        ({"batch": "1"}, "--set precision=bf16"),
        ({"batch": "1", "precision": "bf16"}, "end what else uses the device"),
    ],
)
@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_out_of_memory_says_what_fits_next(
    faces: Faces,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, str],
    says: str,
    device: str,
) -> None:
    def full(self: MethodModule, batch: Any, batch_idx: int) -> None:
        if device == "cuda":
            raise torch.OutOfMemoryError("CUDA out of memory")
        torch.empty(2**50)  # for which the processor's allocator has no error of its own

    monkeypatch.setattr(MethodModule, "training_step", full)
    with pytest.raises(RunError, match="ran out of memory on cpu with batch") as caught:
        make_trainer("demo", OVERRIDES | changes).fit(request(faces, tmp_path))
    assert says in caught.value.hints[0]


def test_the_next_smaller_batch_can_be_shared_by_the_devices(
    faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(training_trainer, "fit_module", full)
    trainer = make_trainer("demo", OVERRIDES | {"batch": "6", "accumulate": "3"})
    with pytest.raises(RunError, match=r"with batch 3 a device in 3 part\(s\)") as caught:
        trainer.fit(replace(request(faces, tmp_path), world=World(0, 2, 2)))
    assert caught.value.hints[0].endswith("--set batch=2")


def test_frozen_epochs_leave_the_backbone_alone(faces: Faces, tmp_path: Path) -> None:
    weights = make_trainer("demo", OVERRIDES | {"epochs": "1", "frozen_epochs": "1"}).fit(
        request(faces, tmp_path)
    )
    before = FakeSTormerNet(network_config(load_recipe("demo", OVERRIDES)), seed=1).state_dict()
    after = load_network(weights)[0].state_dict()
    for key, value in after.items():
        if key.startswith("backbone."):
            assert torch.equal(value, before[key]), key
    assert not torch.equal(
        after["keypoint_head.cls.fc_out.weight"], before["keypoint_head.cls.fc_out.weight"]
    )


@pytest.mark.slow
def test_the_global_generators_are_left_alone(faces: Faces, tmp_path: Path) -> None:
    weights = []
    for name, seed in (("a", 11), ("b", 12)):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            weights.append(
                make_trainer("demo", OVERRIDES | {"epochs": "1"}).fit(request(faces, tmp_path / name))
            )
    assert states_equal(*weights)


def test_clips_of_successive_frames_have_no_gap_and_no_frame_twice() -> None:
    indices = np.array([0, 1, 2, 3, 4, 7, 8, 9, 10, 11, 12, 13, 14])
    assert successive_starts(indices, length=4) == [0, 5, 9]
    assert successive_starts(indices, length=4, offset=2) == [5, 9]
    assert successive_starts(np.arange(16), length=4, stride=2) == [0, 1, 8, 9]
    assert successive_starts(np.arange(3), length=4) == []


def test_an_epoch_shows_every_clip_once_in_a_new_order() -> None:
    recipe = load_recipe("demo", {"frames": "4", "batch": "4", "checkpoint_steps": "2"})
    stream = ClipOrder([np.arange(18), np.arange(18)], recipe=recipe, seed=0)
    assert (stream.steps, stream.rounds_per_epoch, stream.batch, len(stream)) == (2, 1, 4, 8)

    def epoch(number: int) -> list[tuple[int, int]]:
        stream.set_epoch(number)
        return [(a.video, a.start) for a in stream]

    assert sorted(epoch(0)) == [(v, s) for v in (0, 1) for s in (0, 4, 8, 12)]
    assert epoch(3) == epoch(3)
    assert epoch(1) != epoch(2)
    starts = {start for number in range(1, 12) for _, start in epoch(number)}
    assert {0, 1, 2} <= starts


@pytest.mark.parametrize(("frames", "most"), [(1, 2), (2, 2), (4, 2), (8, 6)])
def test_how_much_later_clips_may_begin_goes_with_their_length(frames: int, most: int) -> None:
    recipe = load_recipe("demo", {"frames": str(frames)})
    assert recipe.most_offset() == most
    assert recipe.shortest_track() == frames + most


def test_clips_of_eight_frames_begin_up_to_six_later() -> None:
    recipe = load_recipe("demo", {"frames": "8", "batch": "2", "train_clips": "1"})
    stream = ClipOrder([np.arange(40)] * 2, recipe=recipe, seed=0)
    begun = set()
    for number in range(60):
        stream.set_epoch(number)
        begun |= {address.start % 8 for address in stream}
    assert begun == set(range(7))


def test_two_processes_share_a_round_without_overlap() -> None:
    recipe = load_recipe("demo", {"frames": "4", "batch": "4"})
    tracks = [np.arange(40)] * 3
    whole = list(ClipOrder(tracks, recipe=recipe, seed=0))
    parts = [list(ClipOrder(tracks, recipe=recipe, seed=0, world=World(r, 2))) for r in (0, 1)]
    assert sorted(parts[0] + parts[1]) == sorted(whole)
    assert not set(parts[0]) & set(parts[1])
