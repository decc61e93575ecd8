"""Training on several processes: which of them this is, how to start them, and what they wait for.

On one machine `launch` starts a process a device through torchrun. On several, torchrun or `srun` starts them, and
each finds its place in the environment. Every process runs the same command; the first one goes ahead where files are
written, and the others then find the work done.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from dfbench.children import safe_environment
from dfbench.cores import own_cores
from dfbench.errors import RunError, UsageError
from dfbench.escaping import for_shell
from dfbench.training.launchers import Started, started
from dfbench.types import World

if TYPE_CHECKING:
    from collections.abc import Mapping

# Whoever waits for the first process waits for the preparation of a whole dataset.
PATIENCE = timedelta(days=7)
# Set for the processes that `launch` starts: they start no others, whatever they make of their surroundings.
GUARD = "_DFBENCH_LAUNCHED_BY"


def current_world(devices: int, nodes: int) -> World:
    """The place of this process among `devices * nodes`; a world of one if nothing has started several.

    Raises UsageError if others were started than were asked for.
    """
    place = started()
    if place is None:
        return World()
    if (place.local, place.size) != (devices, devices * nodes):
        raise UsageError(
            f"{place.by} started {place.size} processes, {place.local} on each machine, and {devices} devices on "
            f"{nodes} nodes were asked for",
            hints=(
                f"with these processes:  --devices {place.local} --nodes {place.size // place.local}",
                "or start one process:  srun --ntasks 1 ..., or torchrun --nproc-per-node 1 ...",
            ),
        )
    return World(place.rank, place.size, devices)


class StartedEnvironment(ClusterEnvironment):
    """The place of this process as torchrun or srun gave it, for Lightning.

    Lightning's own environment of SLURM refuses `--ntasks` without `--ntasks-per-node`, and takes the tasks of the
    allocation for those of the step.
    """

    def __init__(self, place: Started) -> None:
        self._place = place

    @property
    def creates_processes_externally(self) -> bool:
        """True: Lightning starts none."""
        return True

    @property
    def main_address(self) -> str:
        """The machine of the first process."""
        if "MASTER_ADDR" in os.environ:
            return os.environ["MASTER_ADDR"]
        nodes = os.environ.get("SLURM_STEP_NODELIST") or os.environ.get("SLURM_NODELIST", "127.0.0.1")
        return SLURMEnvironment.resolve_root_node_address(nodes)

    @property
    def main_port(self) -> int:
        """A port that all processes of a job agree on."""
        job = os.environ.get("SLURM_JOB_ID", "0")
        return int(os.environ.get("MASTER_PORT", 15_000 + int(job[-4:])))

    @staticmethod
    def detect() -> bool:
        """Whether this process is one of several."""
        return started() is not None

    def world_size(self) -> int:
        """How many processes there are."""
        return self._place.size

    def set_world_size(self, size: int) -> None:
        """Do nothing: the size is given."""

    def global_rank(self) -> int:
        """Which of all processes this is."""
        return self._place.rank

    def set_global_rank(self, rank: int) -> None:
        """Do nothing: the rank is given."""

    def local_rank(self) -> int:
        """Which of the processes of this machine this is."""
        return self._place.local_rank

    def node_rank(self) -> int:
        """Which of the machines this is."""
        return self._place.node


def cluster_environment() -> ClusterEnvironment | None:
    """Return what started this process as one of several, for Lightning; None if nothing did."""
    place = started()
    return None if place is None else StartedEnvironment(place)


def launch(arguments: Sequence[str], *, asked: Sequence[str], devices: int, nodes: int) -> None:
    """Run `dfbench ARGUMENTS` in `devices` processes of this machine.

    `asked`: the arguments by which people ask for the same on several machines. Raises RunError if a process fails or if
    this process was itself started so, UsageError for several nodes, which only torchrun or a scheduler can start.
    """
    if GUARD in os.environ:
        raise RunError(
            f"this process was started to train as one of several, by the process {os.environ[GUARD]}, "
            "and does not find the others",
            hints=(
                "train on one device:  leave out --devices",
                f"or unset {GUARD}, if you set it yourself",
            ),
        )
    if nodes > 1:
        command = " ".join(["dfbench", *map(for_shell, asked)])
        raise UsageError(
            f"--nodes {nodes}: processes on other machines cannot be started from here",
            hints=(
                f"under SLURM:       srun --kill-on-bad-exit --nodes {nodes} --ntasks-per-node {devices} {command}",
                "without, on each:  torchrun --nnodes ... --nproc-per-node "
                f"{devices} --rdzv-backend c10d --rdzv-endpoint HOST:PORT -m {command}",
            ),
        )
    threads = str(max(1, own_cores() // devices))
    done = subprocess.run(
        [
            *(sys.executable, "-P", "-m", "dfbench.training.torchrun"),
            *("--standalone", "--nproc-per-node", str(devices), "-m", "dfbench", *arguments),
        ],
        env={"OMP_NUM_THREADS": threads, **safe_environment(), GUARD: str(os.getpid())},
        check=False,
    )
    if done.returncode:
        raise RunError(
            f"one of the {devices} processes failed; its message stands above",
            hints=("run the same command again: the training goes on where it was",),
        )


@contextmanager
def process_group(world: World) -> Iterator[None]:
    """Run the body within the process group of `world`: gloo for tensors on the CPU, NCCL for those on CUDA devices."""
    if world.size == 1:
        yield
        return
    environment = cluster_environment()
    assert environment is not None
    os.environ["MASTER_ADDR"] = str(environment.main_address)
    os.environ["MASTER_PORT"] = str(environment.main_port)
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, rank=world.rank, world_size=world.size)
    try:
        yield
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


@contextmanager
def rank_zero_first(world: World) -> Iterator[None]:
    """Run the body on rank 0 first; the other ranks wait for it, then run it together."""
    waiting = dist.new_group(backend="gloo", timeout=PATIENCE)
    assert isinstance(waiting, dist.ProcessGroup)  # everybody is a member
    if not world.first:
        dist.barrier(group=waiting)
    yield
    if world.first:
        dist.barrier(group=waiting)


def same_on_all_ranks(value: int) -> bool:
    """Return True if every rank passed the same value."""
    if not dist.is_initialized():
        return True
    values = [0] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return len(set(values)) == 1


def gather_values(part: Mapping[tuple[int, int], list[float]]) -> dict[tuple[int, int], list[float]]:
    """Gather values by key from all ranks and return them merged; values of the same key are in the order of ranks."""
    if not dist.is_initialized():
        return dict(part)
    parts: list[Mapping[tuple[int, int], list[float]]] = [{}] * dist.get_world_size()
    dist.all_gather_object(parts, dict(part))
    merged: dict[tuple[int, int], list[float]] = {}
    for of_rank in parts:
        for key, values in of_rank.items():
            merged.setdefault(key, []).extend(values)
    return merged


class _Sum(torch.autograd.Function):
    """The sum over all processes; the gradient is summed likewise."""

    @staticmethod
    def forward(ctx: object, values: Tensor) -> Tensor:
        del ctx
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: object, *gradients: Tensor) -> Tensor:
        del ctx
        total = gradients[0].clone()
        dist.all_reduce(total)
        return total


class SharedBatchNorm(_BatchNorm):
    """Batch norm over the batches of all processes, on any device (torch's own has none for the CPU).

    Mean first, then squared distances from it, so that large means cost no precision.
    """

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002 - torch's name
        if input.ndim < 2:
            raise ValueError(f"expected a batch of channels, got {input.ndim} dimensions")

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """Normalised (N, C, ...), the same shape."""
        if not self.training:
            return super().forward(input)
        self._check_input_dim(input)
        dims = [0, *range(2, input.ndim)]
        wide = input if input.dtype in (torch.float32, torch.float64) else input.float()
        count = torch.full((1,), wide.numel() / wide.shape[1], dtype=wide.dtype, device=wide.device)
        sums: Tensor = _Sum.apply(torch.cat([wide.sum(dims), count]))
        total = sums[-1]
        shape = [1, -1] + [1] * (input.ndim - 2)
        mean = sums[:-1] / total
        centred = wide - mean.view(shape)
        variance = _Sum.apply(centred.square().sum(dims)) / total
        if self.track_running_stats and self.running_mean is not None and self.running_var is not None:
            with torch.no_grad():
                if self.num_batches_tracked is not None:
                    self.num_batches_tracked += 1
                seen = 1 if self.num_batches_tracked is None else int(self.num_batches_tracked)
                factor = 1 / seen if self.momentum is None else self.momentum
                self.running_mean.lerp_(mean.detach().to(self.running_mean), factor)
                unbiased = variance.detach() * (total / (total - 1).clamp(min=1))
                self.running_var.lerp_(unbiased.to(self.running_var), factor)
        out = centred * torch.rsqrt(variance + self.eps).view(shape)
        if self.affine:
            out = out * self.weight.view(shape) + self.bias.view(shape)
        return out.to(input.dtype)


def share_batch_norms(module: nn.Module) -> None:
    """Replace every batch norm inside `module` by one over all processes, with the same parameters and buffers."""
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, _BatchNorm) and not isinstance(child, SharedBatchNorm):
                shared = SharedBatchNorm(
                    child.num_features,
                    child.eps,
                    child.momentum,
                    child.affine,
                    child.track_running_stats,
                )
                shared.weight, shared.bias = child.weight, child.bias
                shared.running_mean, shared.running_var = child.running_mean, child.running_var
                shared.num_batches_tracked = child.num_batches_tracked
                shared.train(child.training)
                setattr(parent, name, shared)
