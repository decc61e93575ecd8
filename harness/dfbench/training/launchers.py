"""Which program started this process, and as which of how many: torchrun, srun, or nothing of the kind.

Read from the environment alone, without torch, so that a command can refuse a start that it cannot use before it does
anything. One process is never "one of several", whatever a scheduler's variables say: WORLD_SIZE=1, a step of one task,
`srun --pty bash` and the interactive step of an allocation all train in place.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from dfbench.errors import UsageError

# Steps that are no `srun` of the user's: the shell of an interactive allocation, the batch script.
_NOT_SRUN = ("4294967290", "4294967291")
# How a launcher that dfbench cannot train under says how many processes it started.
_UNKNOWN_LAUNCHERS = {
    "OMPI_COMM_WORLD_SIZE": "mpirun",
    "PMI_SIZE": "mpiexec",
    "MV2_COMM_WORLD_SIZE": "mpirun",
}
_ONE_PROCESS = "or start one process:  srun --ntasks 1 ..."


@dataclass(frozen=True, slots=True)
class Started:
    """The place of a process among the `size` that `by` started, `local` of them on each machine; `size` is above 1."""

    by: str
    rank: int
    size: int
    local_rank: int
    local: int
    node: int


def started() -> Started | None:
    """What started this process as one of several; None if it is alone.

    Raises UsageError where several were started in a way that cannot be used: another launcher than torchrun or srun,
    unequal numbers on the machines, a variable that is no number.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return _by_torchrun()
    step = os.environ.get("SLURM_STEP_ID")
    if step is not None and step not in _NOT_SRUN and (found := _by_srun()) is not None:
        return found
    _refuse_others()
    return None


def refuse_several(command: str) -> None:
    """Raise UsageError if this process is one of several: `command` is the work of a single one."""
    found = started()
    if found is not None:
        raise UsageError(
            f"{found.by} started {found.size} processes of '{command}', which is for a single one",
            hints=("start one:  srun --ntasks 1 ...", "several train together:  dfbench train --devices N"),
        )


def _by_torchrun() -> Started | None:
    size = _number("WORLD_SIZE", 1)
    if size == 1:
        return None
    return Started(
        by="torchrun",
        rank=_number("RANK"),
        size=size,
        local_rank=_number("LOCAL_RANK"),
        local=_number("LOCAL_WORLD_SIZE"),
        node=_number("GROUP_RANK", 0),
    )


def _by_srun() -> Started | None:
    # Of the step, where SLURM says it: the variables without STEP may be those of the whole allocation.
    size = _number(_first("SLURM_STEP_NUM_TASKS", "SLURM_NTASKS", "SLURM_NPROCS"), 1)
    if size == 1:
        return None
    return Started(
        by="srun",
        rank=_number("SLURM_PROCID"),
        size=size,
        local_rank=_number("SLURM_LOCALID"),
        local=_tasks_of_a_node(size),
        node=_number("SLURM_NODEID", 0),
    )


def _tasks_of_a_node(size: int) -> int:
    """How many of the `size` tasks of this step run on each machine. Raises UsageError if that is not one number."""
    for name in ("SLURM_STEP_TASKS_PER_NODE", "SLURM_TASKS_PER_NODE"):
        counts = tasks_per_node(os.environ.get(name, ""))
        if sum(counts) != size:
            continue  # absent, or of the allocation and not of this step
        if len(set(counts)) > 1:
            raise UsageError(
                f"srun started unequal numbers of processes on its machines: {name}={os.environ[name]}",
                hints=(
                    "give each the same number:  srun --nodes N --ntasks-per-node DEVICES ...",
                    _ONE_PROCESS,
                ),
            )
        return counts[0]
    if "SLURM_NTASKS_PER_NODE" in os.environ:
        return _number("SLURM_NTASKS_PER_NODE")
    nodes = _number(_first("SLURM_STEP_NUM_NODES", "SLURM_NNODES", "SLURM_JOB_NUM_NODES"), 1)
    if size % nodes:
        raise UsageError(
            f"srun started {size} processes on {nodes} machines, which is not the same number on each",
            hints=("give each the same number:  srun --nodes N --ntasks-per-node DEVICES ...", _ONE_PROCESS),
        )
    return size // nodes


def tasks_per_node(text: str) -> tuple[int, ...]:
    """SLURM's "2(x3),1" as (2, 2, 2, 1); () for anything else."""
    counts: list[int] = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d+)(?:\(x(\d+)\))?\s*", part)
        if found is None:
            return ()
        counts += [int(found[1])] * int(found[2] or 1)
    return tuple(counts)


def _refuse_others() -> None:
    """Raise UsageError if a launcher that is not understood started several processes; each would do the same work."""
    for name, launcher in _UNKNOWN_LAUNCHERS.items():
        if (size := _number(name, 1)) > 1:
            raise UsageError(
                f"{launcher} started {size} processes ({name}={size}), which cannot train together so",
                hints=("start them with torchrun or srun", f"or start one process, or unset {name}"),
            )
    # WORLD_SIZE alone is a leftover of something else; with a rank, other processes do exist.
    if "RANK" in os.environ and (size := _number("WORLD_SIZE", 1)) > 1:
        raise UsageError(
            f"WORLD_SIZE={size} and RANK={os.environ['RANK']} are set, but neither torchrun nor srun started this process",
            hints=(
                "on one machine:  dfbench train --devices N",
                "on several:      torchrun --nnodes N --nproc-per-node DEVICES ... -m dfbench train ...",
                "for one process: unset WORLD_SIZE and RANK",
            ),
        )


def _first(*names: str) -> str:
    return next((name for name in names if name in os.environ), names[-1])


def _number(name: str, absent: int | None = None) -> int:
    text = os.environ.get(name, "" if absent is None else str(absent))
    try:
        return int(text)
    except ValueError as error:
        what = f"is {text!r}, which is no number" if text else "is not set"
        raise UsageError(
            f"several processes were started, but the variable {name} {what}",
            hints=(
                "start them with torchrun or srun, which set it",
                "or unset the variables of the launcher",
            ),
        ) from error
