"""Trainings of the toy in processes of their own: that are killed, or that train together."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.training import toy
from torch import Tensor

from dfbench import World
from dfbench.data.preparing.process import OwnProcess
from dfbench.training.distributed import current_world, process_group

RANKS = 2


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


def together(
    folders: Mapping[int, Path], wanted: toy.Toy, cut: int = -1
) -> list[tuple[dict[str, Tensor], float]]:
    """Train in `RANKS` processes, rank r in `folders[r]`; returns each rank's last weights and best score.

    `cut`: the step at which all of them fail, before they begin again.
    """
    port = free_port()
    with ThreadPoolExecutor(RANKS) as pool, child() as first, child() as second:
        calls = [
            pool.submit(process.call, _as_rank, rank, port, folders[rank], wanted, cut, seconds=120)
            for rank, process in enumerate((first, second))
        ]
        return [call.result() for call in calls]


def _as_rank(
    rank: int, port: int, folder: Path, wanted: toy.Toy, cut: int
) -> tuple[dict[str, Tensor], float]:
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
