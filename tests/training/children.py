"""Trainings of the toy in processes of their own: that are killed, or that train together."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from tests.training import toy
from torch import Tensor

from dfbench import World
from dfbench.data.preparing.process import OwnProcess
from dfbench.training.distributed import current_world, process_group

RANKS = 2
T = TypeVar("T")


@contextmanager
def child() -> Iterator[OwnProcess]:
    """A process that has what a training needs imported already, so that it starts in a blink after the first."""
    process = OwnProcess()
    process.preload = ["dfbench.training.loop"]  # the server does not find what lies in tests
    try:
        yield process
    finally:
        process.close(seconds=10)


def killed_at_step(folder: Path, wanted: toy.Toy, step: int) -> None:
    """Train until `step`, where the system kills this process."""

    def kill(now: int) -> None:
        if now == step:
            os.kill(os.getpid(), signal.SIGKILL)

    toy.fit(folder, replace(wanted, at_step=kill))


def killed_while_writing(folder: Path, wanted: toy.Toy, name: str, time: int) -> None:
    """Train until the file `name` is written for the `time`th time, and be killed when half of it is there."""
    write, seen = Path.write_bytes, 0

    def half(path: Path, data: Any) -> int:
        nonlocal seen
        of_it = path.name.startswith(f".{name}.")  # its temporary file
        seen += of_it
        if seen == time and of_it:
            write(path, bytes(data)[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        return write(path, data)

    Path.write_bytes = half  # type: ignore[assignment, method-assign]
    toy.fit(folder, wanted)


class Ranks:
    """Two processes that train together, and then what the next test asks for: to start one takes seconds."""

    def __init__(self, processes: Sequence[OwnProcess]) -> None:
        self._processes = processes

    def call(self, function: Callable[[int, int], T]) -> list[T]:
        """Return what `function(rank, port)` returns in each process; it must be picklable."""
        port = free_port()
        with ThreadPoolExecutor(RANKS) as pool:
            calls = [
                pool.submit(process.call, function, rank, port, seconds=120)
                for rank, process in enumerate(self._processes)
            ]
            return [call.result() for call in calls]

    def train(
        self, folders: Mapping[int, Path], wanted: toy.Toy, cut: int = -1
    ) -> list[tuple[dict[str, Tensor], float]]:
        """Train with rank r in `folders[r]`; return each rank's last weights and best score.

        `cut`: the step at which all of them fail, before they begin again.
        """
        return self.call(partial(_as_rank, folders=folders, wanted=wanted, cut=cut))


def _as_rank(
    rank: int, port: int, folders: Mapping[int, Path], wanted: toy.Toy, cut: int
) -> tuple[dict[str, Tensor], float]:
    folder = folders[rank]
    wanted = replace(wanted, world=join_as_rank(rank, port))
    with process_group(wanted.world):
        if cut >= 0:
            with suppress(toy.CutError):
                toy.fit(folder, replace(wanted, at_step=toy.once(toy.CutError(), at=cut)))
        result, module = toy.fit(folder, wanted)
        return module.states[-1], result.score


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def join_as_rank(rank: int, port: int) -> World:
    """Make this process look as torchrun would have started it; returns its world."""
    places = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": RANKS, "LOCAL_WORLD_SIZE": RANKS}
    os.environ |= {key: str(value) for key, value in places.items()}
    os.environ |= {"TORCHELASTIC_RUN_ID": "toy", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    world = current_world(RANKS, 1)
    assert world == World(rank, RANKS, RANKS)
    return world
