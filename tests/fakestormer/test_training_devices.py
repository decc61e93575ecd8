"""Where training runs: in parts, on several processes, in half precision, compiled."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tests.fakestormer.training_faces import (
    OVERRIDES,
    ROOT,
    CutError,
    Faces,
    cut_off_after,
    make_faces,
    make_trainer,
    read_header,
    request,
    rows_of,
    states_equal,
)

from dfbench import UsageError, World
from dfbench.training.distributed import launch
from dfbench.training.module import MethodModule
from dfbench.training.sharpness import SharpnessAware
from dfbench_fakestormer import losses as losses_module
from dfbench_fakestormer.losses import Losses, combined_loss
from dfbench_fakestormer.recipe import load_recipe

pytestmark = pytest.mark.usefixtures("one_thread")
# In double precision and without weight decay, because Adam turns differences of rounding, where a gradient is zero
# (biases before a batch norm, of keys), into whole steps.
EXACT = {"precision": "64", "weight_decay": "0", "drop_path": "0", "head_dropout": "0"}
SHORT = OVERRIDES | {"epochs": "1", "drop_path": "0", "head_dropout": "0"}


def farthest(one: Path, other: Path, *, without: str = "\0") -> float:
    first, second = load_file(one), load_file(other)
    assert first.keys() == second.keys()
    return max(
        float((value.double() - second[key].double()).abs().max())
        for key, value in first.items()
        if without not in key
    )


@pytest.mark.slow
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


@pytest.mark.slow
def test_parts_are_whole_samples_and_nothing_is_lost(
    faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[int]] = []
    original = MethodModule.manual_backward

    def parts(self: MethodModule, loss: torch.Tensor, *args: Any, **kwargs: Any) -> None:
        seen[-1].append(1)
        original(self, loss, *args, **kwargs)

    step = MethodModule.training_step

    def one_step(self: MethodModule, batch: Any, batch_idx: int) -> None:
        seen.append([])
        step(self, batch, batch_idx)

    monkeypatch.setattr(MethodModule, "manual_backward", parts)
    monkeypatch.setattr(MethodModule, "training_step", one_step)
    make_trainer("demo", SHORT | {"accumulate": "99"}).fit(request(faces, tmp_path))
    assert [len(one) for one in seen] == [4] * 4  # a batch of four samples has at most four parts


TWO = """
import json
import sys
from dataclasses import replace
from pathlib import Path
import torch
from dfbench.training.distributed import current_world, process_group
from tests.fakestormer.training_faces import make_trainer
from dfbench.training.module import MethodModule
from tests.fakestormer import training_faces as t
torch.set_num_threads(1)
folder, devices, nodes, cases = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), json.loads(sys.argv[4])
faces = t.stored_faces(folder)
world = current_world(devices, nodes)
assert (world.size, world.local) == (2, devices)
with process_group(world):
    for name, changes in cases.items():
        asked = replace(t.request(faces, folder / "two" / name), world=world)
        if name == "resumed":
            step, done = MethodModule.training_step, [0]

            def cut(self, batch, batch_idx):
                done[0] += 1
                if done[0] == 4:
                    raise ZeroDivisionError
                step(self, batch, batch_idx)

            MethodModule.training_step = cut
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
        "sam": SHORT | {"optimizer": "sam_adam", "sam_rho": "0.05", "accumulate": "2", "stem": "patch"},
        "resumed": SHORT | {"epochs": "2", "optimizer": "muon"},
        "frozen": SHORT | {"epochs": "2", "optimizer": "adamw", "frozen_epochs": "1", "ema_decay": "0.9"},
    }
    cases = {name: changes | EXACT for name, changes in cases.items()}
    cases["sam"] |= {"heatmap_weight": "0"}  # the parts of a batch differ in what a batch norm sees
    script = tmp_path / "two.py"
    script.write_text(TWO)
    subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
            *(str(script), str(tmp_path), "2", "1", json.dumps(cases)),
        ],
        check=True,
        timeout=300,
        cwd=ROOT,
        env=python_path(),
    )
    assert_one_process_does_the_same(faces, tmp_path, cases)


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["torchrun", "srun"])
def test_two_nodes_of_one_process_train_what_one_process_does(tmp_path: Path, launcher: str) -> None:
    faces = make_faces(tmp_path)
    cases = {"sam": SHORT | EXACT | {"optimizer": "sam_adam", "sam_rho": "0.05"}}
    script = tmp_path / "two.py"
    script.write_text(TWO)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    # As they set them on each of two machines that have one device; srun with --ntasks alone.
    if launcher == "torchrun":
        shared = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "1", "GROUP_WORLD_SIZE": "2", "LOCAL_RANK": "0"}
        shared |= {"MASTER_ADDR": "127.0.0.1", "TORCHELASTIC_RUN_ID": "none"}
        names = ("RANK", "GROUP_RANK")
    else:
        shared = {"SLURM_JOB_ID": "77", "SLURM_STEP_ID": "0", "SLURM_NTASKS": "2", "SLURM_NNODES": "2"}
        shared |= {"SLURM_LOCALID": "0", "SLURM_NODELIST": "127.0.0.1"}
        names = ("SLURM_PROCID", "SLURM_NODEID")
    shared["MASTER_PORT"] = port
    nodes = [
        subprocess.Popen(
            [sys.executable, str(script), str(tmp_path), "1", "2", json.dumps(cases)],
            cwd=ROOT,
            env={**python_path(), **shared, **dict.fromkeys(names, str(node))},
        )
        for node in range(2)
    ]
    try:
        assert [node.wait(timeout=300) for node in nodes] == [0, 0]
    finally:
        for node in nodes:
            node.kill()
            node.wait()
    assert_one_process_does_the_same(faces, tmp_path, cases)


def assert_one_process_does_the_same(faces: Faces, tmp_path: Path, cases: dict[str, dict[str, str]]) -> None:
    for name, changes in cases.items():
        one = make_trainer("demo", changes).fit(request(faces, tmp_path / "one" / name))
        two = tmp_path / "two" / name / "weights.safetensors"
        without = "keypoint_head.hm" if "accumulate" in changes else "\0"
        assert farthest(one, two, without=without) < 1e-6, name
        alone, together = rows_of(one.with_name("log.csv")), rows_of(two.with_name("log.csv"))
        for column in ("loss", "heatmap", "classes", "temporal", "val_auc", "val_accuracy"):
            values = [[float(row[column] or -1) for row in rows] for rows in (alone, together)]
            assert values[1] == pytest.approx(values[0], abs=1e-6), (name, column)
        assert read_header(two).provenance["training"]["processes"] == 2
        assert not list(two.parent.glob("*.ckpt"))


def python_path() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}


def test_a_batch_that_the_processes_cannot_share_is_refused(faces: Faces, tmp_path: Path) -> None:
    asked = replace(request(faces, tmp_path), world=World(0, 3, 3))
    with pytest.raises(UsageError, match="a batch of 4 samples cannot be shared by 3 processes") as caught:
        make_trainer("demo", OVERRIDES).fit(asked)
    assert "--set batch=3" in caught.value.hints[0]


def test_other_machines_are_left_to_a_scheduler() -> None:
    with pytest.raises(UsageError, match="other machines") as caught:
        launch(["train"], asked=["train", "--detector", "fakestormer"], devices=4, nodes=2)
    assert (
        "srun --kill-on-bad-exit --nodes 2 --ntasks-per-node 4 dfbench train --detector fakestormer"
        in caught.value.hints[0]
    )


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["muon", "sam_adam"])
def test_fp16_scales_the_loss_and_resumes_exactly(
    faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimizer: str
) -> None:
    changes = OVERRIDES | {"precision": "fp16", "optimizer": optimizer, "sam_rho": "0.05"}
    trainer = make_trainer("demo", changes)
    whole = trainer.fit(request(faces, tmp_path / "whole"))
    assert all(np.isfinite(float(row["loss"])) for row in rows_of(tmp_path / "whole" / "log.csv"))
    with monkeypatch.context() as patch:
        cut_off_after(patch, 5)
        with pytest.raises(CutError):
            trainer.fit(request(faces, tmp_path / "cut"))
    checkpoint = torch.load(tmp_path / "cut" / "last.ckpt", weights_only=True)
    assert checkpoint["MixedPrecision"]["scale"] > 1
    assert states_equal(whole, trainer.fit(request(faces, tmp_path / "cut")))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "precision", "tolerance"), [("small", "bf16", 0.02), ("demo", "fp16", 0.005)]
)
def test_losses_in_half_precision_follow_those_in_single(
    faces: Faces, tmp_path: Path, recipe: str, precision: str, tolerance: float
) -> None:
    # About five times the unit of rounding: bfloat16 has 8 bits, float16 has 11.
    sharpness = {
        "optimizer": "sam_adam",
        "sam_rho": "0.05",
        "lr": "1e-3",
        "lr_boost": "1",
        "frozen_epochs": "0",
    }
    changes = OVERRIDES | sharpness | {"epochs": "2"}
    if recipe == "small":
        assert load_recipe("small").precision == precision
    else:
        changes["precision"] = precision
    make_trainer(recipe, changes).fit(request(faces, tmp_path / "half"))
    make_trainer(recipe, changes | {"precision": "32"}).fit(request(faces, tmp_path / "single"))
    half, single = (rows_of(tmp_path / name / "log.csv") for name in ("half", "single"))
    for column in ("loss", "heatmap", "classes", "temporal"):
        values = [[float(row[column]) for row in rows] for rows in (half, single)]
        assert values[0] == pytest.approx(values[1], rel=tolerance), column
        assert values[0] != pytest.approx(values[1], rel=1e-6), column  # half precision it was


@pytest.mark.slow
def test_an_overflow_in_fp16_skips_the_step_and_lowers_the_scale(
    faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = SHORT | {"precision": "fp16", "optimizer": "sam_adam", "sam_rho": "0.05"}
    states: list[dict[str, torch.Tensor]] = []
    plain = combined_loss

    def infinite(*args: Any, **kwargs: Any) -> Losses:
        losses: Losses = plain(*args, **kwargs)
        return losses._replace(classes=losses.classes * np.inf) if len(states) == 2 else losses

    monkeypatch.setattr(losses_module, "combined_loss", infinite)
    scales: list[float] = []
    step, backward = MethodModule.training_step, MethodModule.manual_backward

    def watched(self: MethodModule, batch: Any, batch_idx: int) -> None:
        step(self, batch, batch_idx)
        states.append({k: v.clone() for k, v in self.net.named_parameters()})
        scales.append(cast("Any", self.trainer.precision_plugin).scaler.get_scale())

    def overflowing(self: MethodModule, loss: torch.Tensor, *args: Any, **kwargs: Any) -> None:
        backward(self, loss * (np.inf if len(states) == 1 else 1), *args, **kwargs)

    monkeypatch.setattr(MethodModule, "training_step", watched)
    monkeypatch.setattr(MethodModule, "manual_backward", overflowing)
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


@pytest.mark.slow
def test_the_backend_that_was_asked_for_compiles_the_network(
    faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Inductor itself needs a C++ compiler, which not every machine that runs the tests has.
    backends: list[str] = []
    passes: list[int] = []

    def compiler(net: torch.nn.Module, *, backend: str) -> Any:
        backends.append(backend)

        def compiled(clips: torch.Tensor) -> Any:
            passes.append(len(clips))
            return net(clips)

        return compiled

    monkeypatch.setattr(torch, "compile", compiler)
    make_trainer("demo", SHORT | {"compile": "inductor"}).fit(request(faces, tmp_path / "compiled"))
    assert backends == ["inductor"]
    assert passes == [8] * 4
    make_trainer("demo", SHORT).fit(request(faces, tmp_path / "plain"))
    assert backends == ["inductor"]


@pytest.mark.slow
def test_a_compiled_network_trains_the_same(faces: Faces, tmp_path: Path) -> None:
    plain = make_trainer("demo", SHORT).fit(request(faces, tmp_path / "plain"))
    compiled = make_trainer("demo", SHORT | {"compile": "aot_eager"}).fit(
        request(faces, tmp_path / "compiled")
    )
    assert farthest(plain, compiled) < 1e-4
