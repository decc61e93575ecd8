"""A process that works for one thread and can be killed: what it does may crash or hang, its thread goes on.

`concurrent.futures.ProcessPoolExecutor` breaks as a whole when one of its processes dies, and cannot end one that
hangs. Here each thread of an executor (of this machine, or of a dask worker) keeps a process of its own.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, CancelledError
from contextlib import suppress
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar, cast

from dfbench.children import safe_children
from dfbench.streams import inert_streams

T = TypeVar("T")
SERVER = "dfbench.data.preparing.server"
SERVER_SECONDS = 10.0
# Of a process: far more than the largest frames need. A file of kilobytes can announce millions of frames, of which FFmpeg
# makes tables, and whoever is killed when memory runs out need not be the one that took it.
LEAST_MEMORY_BYTES = 8 * 2**30
MEMORY_SECONDS = 0.2  # between two looks
_TOO_LARGE = 77  # exit code
_NUMBERS = itertools.count()


def memory_of_this_job(groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes of the machine, or of the part of it that a container or a job of SLURM may take."""
    known = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    own = groups
    with suppress(OSError, StopIteration):
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
        own = groups / next(line[3:] for line in lines if line.startswith("0::")).lstrip("/")
    for folder in (own, *own.parents):
        if folder.is_relative_to(groups):
            with suppress(OSError, ValueError):  # not there, or "max"
                known.append(int((folder / "memory.max").read_text(encoding="utf-8")))
    return min(known)


class _EndedError(Exception):
    """The process ended, by the signal -`code` if that is negative; `begun`: while it did what it was asked."""

    def __init__(self, code: int, *, begun: bool) -> None:
        told = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        super().__init__("it took too much memory" if code == _TOO_LARGE else told)
        self.begun = begun


class OwnProcess:
    """Runs functions in a process that is started when needed, and again after it died.

    It comes from a server process that has the modules `preload` of the first one in this program imported, as that costs
    seconds only once. It ends with the process that started it, however that one ends. `number` counts those of this
    program.
    """

    def __init__(self, *, memory: int | None = None) -> None:
        """`memory`: bytes that it may take before it is ended, where the system tells how many it has; None: half of
        what there is, but at least 8 GiB."""
        self.preload: Sequence[str] = ()
        self.number = next(_NUMBERS)
        self._memory = memory or max(LEAST_MEMORY_BYTES, memory_of_this_job() // 2)
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None
        self._closed = False
        self._lock = threading.Lock()

    def call(self, function: Callable[..., T], *arguments: object, seconds: float | None = None) -> T:
        """`function(*arguments)`; whatever it raises is raised here.

        Raises TimeoutError when it took longer than `seconds` (the process is killed), BrokenExecutor, which says
        how the process ended, when it died, and CancelledError after `close`.
        """
        try:
            return self._call(function, arguments, seconds)
        except _EndedError as error:
            if error.begun:
                raise BrokenExecutor(str(error)) from error
        try:  # it was ended while it had nothing to do: not by this call
            return self._call(function, arguments, seconds)
        except _EndedError as error:
            raise BrokenExecutor(str(error)) from error

    def _call(self, function: Callable[..., T], arguments: tuple[object, ...], seconds: float | None) -> T:
        with self._lock:
            if self._closed:
                raise CancelledError
            process, link = self._started()
        begun = False
        try:
            with self._lock:
                link.send((function, arguments))
            begun = link.recv()
            late = not link.poll(seconds)
            worked, outcome = (False, None) if late else link.recv()
        except (EOFError, OSError) as error:
            if self._closed:
                raise CancelledError from error
            process.join()
            self._drop(process)
            raise _EndedError(process.exitcode or 0, begun=begun) from error
        if late:
            self._drop(process)
            raise TimeoutError
        if not worked:
            raise cast("Exception", outcome)
        return cast("T", outcome)

    def renew(self) -> None:
        """End the process; the next call starts another. By the thread that calls."""
        if self._process is not None:
            self._drop(self._process)

    def stop(self) -> None:
        """Let the process end after what it does now, and take no more calls. From any thread."""
        with self._lock:
            self._closed = True
            if self._connection is not None:
                with suppress(OSError):  # it has ended already
                    self._connection.send(None)

    def close(self, *, seconds: float) -> None:
        """`stop`, and kill the process if that takes longer than `seconds`. From any thread."""
        self.stop()
        process = self._process
        if process is not None:
            process.join(seconds)
            self._drop(process)

    def _started(self) -> tuple[BaseProcess, Connection]:
        if self._process is None or self._connection is None:
            # The worker of a dask nanny is a daemon, which says that its parent ends it, and may have no children.
            # Ours end by themselves.
            multiprocessing.current_process().daemon = False
            context = multiprocessing.get_context("forkserver")
            context.set_forkserver_preload([SERVER, "torch", __name__, *self.preload])
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, self._memory), daemon=True)
            with safe_children():
                _start(process)
            theirs.close()
            self._process, self._connection = process, ours
        return self._process, self._connection

    def _drop(self, process: BaseProcess) -> None:
        process.kill()
        process.join()
        self._process = self._connection = None


def _start(process: BaseProcess) -> None:
    """Start `process`; a server that has just been told to end takes no more calls, and is replaced once it has ended."""
    until = time.monotonic() + SERVER_SECONDS
    while True:
        try:
            process.start()
            return
        except ConnectionError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


class _Kept(threading.local):
    process: OwnProcess | None = None


_KEPT = _Kept()


def process_of_this_thread() -> OwnProcess:
    """The process of the thread that asks."""
    if _KEPT.process is None:
        _KEPT.process = OwnProcess()
    return _KEPT.process


@inert_streams()
def _serve(link: Connection, memory: int) -> None:
    """Do what comes, one after the other, on one core: the other cores have processes of their own."""
    import cv2
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    threading.Thread(target=_end_when_too_large, args=(memory,), daemon=True).start()
    busy = stop = False

    def terminate(number: int, frame: FrameType | None) -> None:
        # A cluster that takes a machine back tells all processes; what is in work is not to blame for its end.
        nonlocal stop
        del number, frame
        stop = True
        if not busy:
            raise SystemExit

    signal.signal(signal.SIGTERM, terminate)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    while not stop:
        try:
            call = link.recv()
        except (EOFError, ConnectionError):
            return
        if call is None:
            return
        busy = True
        function, arguments = call
        link.send(True)  # begun
        link.send(_outcome(function, arguments))
        busy = False


def _outcome(function: Callable[..., Any], arguments: tuple[object, ...]) -> tuple[bool, Any]:
    try:
        return True, function(*arguments)
    except Exception as error:  # noqa: BLE001 - raised again by the thread that called
        return False, error


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _end_when_too_large(memory: int) -> None:
    held = Path("/proc/self/statm")
    while held.exists():
        if int(held.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") > memory:
            os._exit(_TOO_LARGE)
        time.sleep(MEMORY_SECONDS)
