"""A whole training, from face files to a weights file, comes to the same whatever cuts it off, in one process or in two."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from tests.training.children import Ranks, child, join_as_rank
from tests.training.lines import METHOD, faces_of, request, states_equal, trained

from dfbench import FaceFile, RunError, TrainingRequest
from dfbench.data.preparing.process import OwnProcess
from dfbench.progress import SilentProgress
from dfbench.training.conformance import CutError, Cutting
from dfbench.training.distributed import process_group

Faces = tuple[list[FaceFile], list[FaceFile]]
# A batch norm sees the batches of all ranks; in double precision one process and two round alike.
EXACT = {"precision": "64", "optimizer": "sgd", "lr": 0.1, "momentum": 0.9, "dropout": 0}


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Faces:
    folder = tmp_path_factory.mktemp("faces")
    return faces_of(folder, reals=4, fakes=4, seed=1), faces_of(folder, reals=3, fakes=3, seed=2)


@pytest.fixture
def process() -> Iterator[OwnProcess]:
    with child() as started:
        yield started


@pytest.mark.slow
@pytest.mark.parametrize("steps", [0, 1, 5])
@pytest.mark.parametrize(
    "fields", [{}, {"optimizer": "muon", "ema_decay": 0.9, "dropout": 0.3, "sam_rho": 0.05}]
)
def test_after_a_cut_in_any_round(
    faces: Faces, tmp_path: Path, steps: int, fields: dict[str, object]
) -> None:
    whole = trained(request(*faces, tmp_path / "whole"), **fields)
    asked = request(*faces, tmp_path / "cut")
    with pytest.raises(CutError):
        trained(replace(asked, progress=Cutting(steps)), **fields)
    assert states_equal(whole, trained(asked, **fields))


@pytest.mark.slow
def test_with_a_data_worker(faces: Faces, tmp_path: Path) -> None:
    whole = trained(request(*faces, tmp_path / "whole"), augmentation="flip=0.5,light=0.5")
    asked = request(*faces, tmp_path / "cut", workers=1)
    with pytest.raises(CutError):
        trained(replace(asked, progress=Cutting(3)), augmentation="flip=0.5,light=0.5")
    assert states_equal(whole, trained(asked, augmentation="flip=0.5,light=0.5"))


class Killing(Cutting):
    """Has the system kill the process after so many steps."""

    def advance(self, count: int = 1, note: str = "") -> None:
        try:
            super().advance(count, note)
        except CutError:
            os.kill(os.getpid(), signal.SIGKILL)


def kill_after(asked: TrainingRequest, steps: int) -> None:
    """Train so many steps, then be killed by the system."""
    trained(replace(asked, progress=Killing(steps)))


@pytest.mark.slow
def test_after_kill_9(faces: Faces, tmp_path: Path, process: OwnProcess) -> None:
    asked = request(*faces, tmp_path / "killed")
    with pytest.raises(BrokenExecutor, match="SIGKILL"):
        process.call(kill_after, asked, 4, seconds=120)
    assert states_equal(trained(request(*faces, tmp_path / "whole")), trained(asked))


def as_rank(rank: int, port: int, asked: TrainingRequest) -> dict[str, torch.Tensor]:
    """Train as one of two; returns what rank 0 has of the best weights."""
    world = join_as_rank(rank, port)
    with process_group(world):
        trainer = METHOD.trainer("demo", {name: str(value) for name, value in EXACT.items()})
        return dict(trainer.fit(replace(asked, world=world)).state)


@pytest.mark.slow
def test_two_ranks_train_what_one_process_does(faces: Faces, tmp_path: Path, ranks: Ranks) -> None:
    asked = request(*faces, tmp_path / "two")
    together, none = ranks.call(partial(as_rank, asked=asked))
    assert none == {}
    alone = METHOD.load(trained(request(*faces, tmp_path / "one"), **EXACT))[0].state_dict()
    for name, value in alone.items():
        torch.testing.assert_close(together[name], value, rtol=1e-5, atol=1e-6, msg=name)


def test_divergence_is_told_as_such_also_where_it_is_validated(faces: Faces, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="training diverged"):
        trained(request(*faces, tmp_path), lr=1e30, optimizer="sgd", checkpoint_steps=100)


def test_a_training_without_notes_is_silent(faces: Faces, tmp_path: Path) -> None:
    notes: list[str] = []

    class Noted(SilentProgress):
        def note(self, message: str) -> None:
            notes.append(message)

    asked = request(*faces, tmp_path, progress=Noted())
    with pytest.raises(CutError):
        trained(replace(asked, progress=Cutting(5)))
    trained(asked)
    assert notes == ["train line (demo): going on after step 4 of 12"]
