"""Which processes train together: what torchrun, srun and leftovers of other launchers say in the environment."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.cli.command import Dfbench

from dfbench import RunError, UsageError, World
from dfbench.progress import SilentProgress
from dfbench.runs.planning.requests import TrainingOptions
from dfbench.runs.planning.setup import Setup
from dfbench.runs.trainings import processes
from dfbench.training import distributed
from dfbench.training.launchers import Started, started, tasks_per_node

SRUN = {
    "SLURM_JOB_ID": "77",
    "SLURM_STEP_ID": "0",
    "SLURM_PROCID": "0",
    "SLURM_LOCALID": "0",
    "SLURM_NODEID": "0",
}
TORCHRUN = {
    "TORCHELASTIC_RUN_ID": "none",
    "RANK": "0",
    "LOCAL_RANK": "0",
    "GROUP_RANK": "0",
    "WORLD_SIZE": "1",
    "LOCAL_WORLD_SIZE": "1",
}
# What is said to a process that is alone.
ALONE: dict[str, dict[str, str]] = {
    "nothing": {},
    "srun --ntasks=1": {**SRUN, "SLURM_NTASKS": "1", "SLURM_NNODES": "1", "SLURM_JOB_NAME": "train"},
    "srun --pty bash": {**SRUN, "SLURM_NTASKS": "1", "SLURM_JOB_NAME": "bash"},
    "srun without a number": SRUN,
    "a step of one task in an allocation of eight": {
        **SRUN,
        "SLURM_NTASKS": "8",
        "SLURM_STEP_NUM_TASKS": "1",
    },
    "the interactive step": {**SRUN, "SLURM_STEP_ID": "4294967290", "SLURM_NTASKS": "8"},
    "the batch step": {**SRUN, "SLURM_STEP_ID": "4294967291", "SLURM_NTASKS": "8"},
    "the batch script": {"SLURM_JOB_ID": "77", "SLURM_NTASKS": "8", "SLURM_NTASKS_PER_NODE": "4"},
    "torchrun --nproc-per-node 1": TORCHRUN,
    "torchrun of one in srun of one": {**SRUN, "SLURM_NTASKS": "1", **TORCHRUN},
    "WORLD_SIZE=1": {"WORLD_SIZE": "1"},
    "WORLD_SIZE by accident": {"WORLD_SIZE": "8"},
    "mpirun -n 1": {
        "OMPI_COMM_WORLD_SIZE": "1",
        "OMPI_COMM_WORLD_RANK": "0",
        "PMI_SIZE": "1",
        "PMI_RANK": "0",
    },
}
EIGHT = {**SRUN, "SLURM_NTASKS": "8", "SLURM_PROCID": "5", "SLURM_LOCALID": "1", "SLURM_NODEID": "1"}


@pytest.fixture
def surroundings(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment in which no launcher has left anything."""
    for name in list(os.environ):
        if name.startswith(("SLURM_", "PMI", "OMPI_", "TORCHELASTIC_")) or name in (
            *TORCHRUN,
            distributed.GUARD,
        ):
            monkeypatch.delenv(name)
    return monkeypatch


def say(surroundings: pytest.MonkeyPatch, values: dict[str, str]) -> None:
    for name, value in values.items():
        surroundings.setenv(name, value)


@pytest.mark.parametrize("case", ALONE)
def test_one_process_trains_in_place(surroundings: pytest.MonkeyPatch, case: str) -> None:
    say(surroundings, ALONE[case])
    worlds: list[World] = []

    def train(options: TrainingOptions, world: World, *_: Any, **__: Any) -> Path:
        worlds.append(world)
        return Path("trained")

    surroundings.setattr(processes, "train_here", train)
    surroundings.setattr(subprocess, "run", lambda *_, **__: pytest.fail("a process was started"))
    assert processes.train_detector(TrainingOptions("any"), Setup(), progress=SilentProgress()) == Path(
        "trained"
    )
    assert worlds == [World()]
    assert distributed.cluster_environment() is None


@pytest.mark.parametrize(
    ("said", "local"),
    [
        ({"SLURM_NTASKS_PER_NODE": "4"}, 4),
        ({"SLURM_TASKS_PER_NODE": "4(x2)"}, 4),
        ({"SLURM_STEP_TASKS_PER_NODE": "2(x4)", "SLURM_TASKS_PER_NODE": "8"}, 2),
        ({"SLURM_TASKS_PER_NODE": "16", "SLURM_NNODES": "2"}, 4),  # of the allocation, and not of this step
        ({"SLURM_STEP_NUM_NODES": "1", "SLURM_NNODES": "2"}, 8),
        ({}, 8),
    ],
)
def test_srun_says_which_process_this_is(
    surroundings: pytest.MonkeyPatch, said: dict[str, str], local: int
) -> None:
    say(surroundings, EIGHT | said)
    assert started() == Started("srun", rank=5, size=8, local_rank=1, local=local, node=1)
    assert distributed.current_world(local, 8 // local) == World(rank=5, size=8, local=local)
    with pytest.raises(
        UsageError, match=rf"srun started 8 processes, {local} on each machine, and 3 devices"
    ):
        distributed.current_world(3, 1)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (EIGHT | {"SLURM_TASKS_PER_NODE": "5,3"}, "unequal numbers of processes on its machines: .*=5,3"),
        (EIGHT | {"SLURM_NNODES": "3"}, "8 processes on 3 machines, which is not the same number on each"),
        (EIGHT | {"SLURM_PROCID": "five"}, "SLURM_PROCID is 'five', which is no number"),
        ({**SRUN, "SLURM_NTASKS": "many"}, "SLURM_NTASKS is 'many'"),
        (TORCHRUN | {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": ""}, "LOCAL_WORLD_SIZE is not set"),
        ({"OMPI_COMM_WORLD_SIZE": "4"}, r"mpirun started 4 processes \(OMPI_COMM_WORLD_SIZE=4\)"),
        ({"PMI_SIZE": "4", "PMI_RANK": "2"}, r"mpiexec started 4 processes \(PMI_SIZE=4\)"),
        ({"WORLD_SIZE": "8", "RANK": "3"}, "WORLD_SIZE=8 and RANK=3 are set, but neither torchrun nor srun"),
    ],
)
def test_a_start_that_is_not_understood_is_refused(
    surroundings: pytest.MonkeyPatch, said: dict[str, str], message: str
) -> None:
    say(surroundings, said)
    with pytest.raises(UsageError, match=message) as caught:
        processes.train_detector(TrainingOptions("any"), Setup(), progress=SilentProgress())
    assert caught.value.hints


def test_the_processes_of_a_job_find_the_first_one(surroundings: pytest.MonkeyPatch) -> None:
    say(surroundings, EIGHT | {"SLURM_JOB_ID": "1234567", "SLURM_NODELIST": "gpu[07-09],cpu1"})
    environment = distributed.cluster_environment()
    assert environment is not None
    assert (environment.main_address, environment.main_port) == ("gpu07", 19567)
    assert (environment.world_size(), environment.global_rank()) == (8, 5)
    assert (environment.local_rank(), environment.node_rank()) == (1, 1)
    say(surroundings, {"MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "5000"})
    assert (environment.main_address, environment.main_port) == ("10.0.0.1", 5000)


def test_a_process_that_was_launched_launches_none(surroundings: pytest.MonkeyPatch) -> None:
    given_to: list[dict[str, str]] = []

    def run(*_: Any, env: dict[str, str], **__: Any) -> subprocess.CompletedProcess[bytes]:
        given_to.append(env)
        return subprocess.CompletedProcess([], 0)

    surroundings.setattr(subprocess, "run", run)
    distributed.launch(["train"], asked=["train"], devices=2, nodes=1)
    assert given_to[0][distributed.GUARD] == str(os.getpid())
    assert given_to[0]["PYTHONSAFEPATH"] == "1"
    surroundings.setenv(distributed.GUARD, "4711")
    with pytest.raises(RunError, match="by the process 4711, and does not find the others"):
        distributed.launch(["train"], asked=["train"], devices=2, nodes=1)
    assert len(given_to) == 1


@pytest.mark.parametrize("command", ["run -d chance", "explain a.mp4", "localisation -d fakestormer"])
def test_what_is_for_one_process_is_refused_to_several(
    surroundings: pytest.MonkeyPatch, dfbench: Dfbench, command: str
) -> None:
    say(surroundings, EIGHT)
    ended = dfbench(*command.split())
    words = f"srun started 8 processes of 'dfbench {command.split(maxsplit=1)[0]}', which is for a single one"
    assert (ended.code, words in ended.err) == (2, True), ended.err


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(1, 5)), min_size=1, max_size=5))
def test_tasks_per_node_are_counted_out(groups: list[tuple[int, int]]) -> None:
    text = ",".join(f"{count}(x{times})" if times > 1 else str(count) for count, times in groups)
    assert tasks_per_node(text) == tuple(count for count, times in groups for _ in range(times))


@pytest.mark.parametrize("text", ["", "4(x)", "4x2", "a", "4,,2", "-1"])
def test_what_is_no_list_of_tasks_says_nothing(text: str) -> None:
    assert tasks_per_node(text) == ()
