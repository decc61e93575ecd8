"""Where work goes: the cores of this machine, or the workers of a dask.distributed cluster.

Either is a `concurrent.futures.Executor` whose threads may each use `process.process_of_this_thread`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dfbench.data.preparing.process import OwnProcess, process_of_this_thread
from dfbench.errors import RunError, UsageError
from dfbench.escaping import for_shell
from dfbench.interfaces import Progress

if TYPE_CHECKING:
    from distributed import Client

CONNECT_SECONDS = 5.0
CLOSE_SECONDS = 5.0  # for videos that are in work when the rest is given up


class LocalExecutor(ThreadPoolExecutor):
    """Threads of which each has a process; shutting down ends the processes, busy or not."""

    def __init__(self, workers: int) -> None:
        self._processes: list[OwnProcess] = []
        super().__init__(workers, initializer=lambda: self._processes.append(process_of_this_thread()))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """As of any executor, but what is in work is ended after a few seconds if `cancel_futures` is true."""
        super().shutdown(wait=wait and not cancel_futures, cancel_futures=cancel_futures)
        until = time.monotonic() + CLOSE_SECONDS
        for process in self._processes:
            process.stop()
        for process in self._processes:
            process.close(seconds=max(0.0, until - time.monotonic()))
        super().shutdown(wait=wait)


@contextmanager
def open_executor(scheduler: str, *, workers: int, progress: Progress) -> Iterator[Executor]:
    """An executor: `workers` processes here if `scheduler` is "", otherwise the workers of that dask scheduler.

    `scheduler` is an address (tcp://HOST:8786) or a scheduler file (FILE.json). Leaving by an error cancels what
    waits. Raises UsageError if the extra is not installed or the address is none, RunError if nobody answers there.
    """
    if not scheduler:
        executor = LocalExecutor(workers)
        try:
            yield executor
        finally:
            executor.shutdown(cancel_futures=True)
        return
    client = _connect(scheduler)
    try:
        if not client.nthreads():
            progress.note(f"the scheduler at {scheduler} has no workers yet: waiting for them")
        remote = client.get_executor(pure=False)
        try:
            yield remote
        finally:
            remote.shutdown(wait=False)
    finally:
        client.close()


def check_scheduler(scheduler: str) -> None:
    """Raise UsageError if dask.distributed is not installed, RunError if `scheduler` is a file that is not there."""
    _client_class(scheduler)
    _check_file(scheduler)


def killed_with_its_workers(error: BaseException) -> bool:
    """Whether a cluster gave a task up because several workers died while they had it."""
    return type(error).__module__.startswith("distributed") and type(error).__name__ == "KilledWorker"


def _connect(scheduler: str) -> Client:
    connect = _client_class(scheduler)
    _check_file(scheduler)
    where: dict[str, str] = {"scheduler_file" if scheduler.endswith(".json") else "address": scheduler}
    try:
        return connect(**where, timeout=CONNECT_SECONDS, set_as_default=False)
    except OSError as error:  # time-outs are OSErrors as well
        raise RunError(
            f"no dask scheduler answers at {scheduler}: {error}",
            hints=(
                "is it running, and is this its address? It says so when it starts: dask scheduler",
                "leave out --scheduler and unset DFBENCH_SCHEDULER to use this machine alone",
            ),
        ) from error
    except ValueError as error:
        raise UsageError(
            f"{scheduler} is no address of a scheduler: {error}", hints=("as in tcp://node01:8786",)
        ) from error


def _check_file(scheduler: str) -> None:
    if scheduler.endswith(".json") and not Path(scheduler).is_file():
        raise RunError(
            f"no scheduler file at {scheduler}",
            hints=(
                f"start the scheduler first: dask scheduler --scheduler-file {for_shell(Path(scheduler))}",
            ),
        )


def _client_class(scheduler: str) -> Callable[..., Client]:
    try:
        import distributed
    except ModuleNotFoundError as error:
        if error.name not in ("distributed", "dask"):
            raise
        raise UsageError(
            f"scheduler {scheduler}: dask.distributed is not installed",
            hints=("pip install 'dfbench-harness[cluster]'",),
        ) from error
    connect: Callable[..., Client] = distributed.Client
    return connect
