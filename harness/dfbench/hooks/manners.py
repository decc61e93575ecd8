"""What a plugin must leave as it found it, looked at before and after each piece of its code that is run.

A plugin runs in this process and may change what belongs to all: the working folder, torch's threads, what Ctrl-C does. Most do
so without knowing. Here it is put back, and a note names the plugin; what it prints goes to standard error, because standard
output is the command's, JSON above all. This is tidiness and no sandbox: a plugin runs as you.

A quick look costs some ten microseconds, so that `score` has one for each video. Random states are dearer, and a detector that
seeds torch when it is built must find its own state when it scores: they are put back after hooks and imports, and otherwise
when all work of a request is done (`generators_kept`).
"""

from __future__ import annotations

import logging
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import Any

from dfbench.errors import CoverageWarning
from dfbench.escaping import for_terminal
from dfbench.imports import first_threads

LOG = logging.getLogger(__name__)  # commands print it; so does Python where nobody listens
SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGALRM", "SIGCHLD", "SIGPIPE", "SIGUSR1", "SIGUSR2")
    if hasattr(signal, name)
)
# Of torch: what it is called, and the functions that read and set it.
_TORCH = (
    ("torch's number of threads", "get_num_threads", "set_num_threads"),
    ("torch's default type", "get_default_dtype", "set_default_dtype"),
    ("whether torch keeps gradients", "is_grad_enabled", "set_grad_enabled"),
    ("torch's default device", "get_default_device", "set_default_device"),
)


class kept:  # noqa: N801 - used as a function
    """Runs a plugin's code (`with kept(...)`), puts back what it changed, and says whose code it was and `when`, each thing once.

    Random states are put back only with `generators`; with `quick`, what is dear to look at is not looked at. `who` is asked only
    if there is something to say. In another thread than the main one nothing is looked at: what others change meanwhile would
    be taken for the plugin's.
    """

    __slots__ = ("_before", "_generators", "_quick", "_said", "_states", "_when", "_who")

    def __init__(
        self, who: Callable[[], str], when: str, *, generators: bool = False, quick: bool = False
    ) -> None:
        self._who, self._when, self._generators, self._quick = who, when, generators, quick
        self._before: Surroundings | None = None
        self._states: Generators | None = None
        self._said: set[str] = set()

    def __enter__(self) -> None:
        """Look at what there is."""
        if threading.current_thread() is not threading.main_thread():
            return
        self._before = Surroundings(quick=self._quick)
        self._states = Generators() if self._generators else None
        sys.stdout = sys.stderr

    def __exit__(self, *_: object) -> None:
        """Put it back."""
        if self._before is None:
            return
        changed = self._before.put_back() + (self._states.put_back() if self._states is not None else [])
        self._before = None
        if new := [one for one in changed if one not in self._said]:
            self._said.update(new)
            LOG.warning(
                "%s changed %s %s: put back",
                for_terminal(self._who()),
                ", ".join(new),
                for_terminal(self._when),
            )


@contextmanager
def generators_kept() -> Iterator[None]:
    """Put back the states of the global random generators after the body; what draws from them there is nobody's fault."""
    states = Generators()
    try:
        yield
    finally:
        states.put_back()


class Surroundings:
    """The state of this process that belongs to all who run in it, as it is now; with `quick`, the cheapest part."""

    __slots__ = ("_err", "_filters", "_folder", "_handlers", "_out", "_show", "_signals", "_torch", "_torchs")

    def __init__(self, *, quick: bool = False) -> None:
        self._folder = _folder()
        self._out, self._err = sys.stdout, sys.stderr
        self._filters, self._show = list(warnings.filters), warnings.showwarning
        self._signals = SIGNALS[:2] if quick else SIGNALS
        self._torchs = _TORCH[:3] if quick else _TORCH
        self._handlers = [signal.getsignal(one) for one in self._signals]
        torch = _loaded("torch", "get_default_device")
        self._torch = None if torch is None else [getattr(torch, read)() for _, read, _ in self._torchs]

    def put_back(self) -> list[str]:
        """Undo what was changed since; returns what that was, in words."""
        found = []
        if self._folder and _folder() != self._folder:
            with suppress(OSError):  # it was removed
                os.chdir(self._folder)
            found.append("the working folder")
        # `kept` sends to standard error what is printed meanwhile.
        if sys.stderr is not self._err or all(sys.stdout is not one for one in (self._out, self._err)):
            found.append("the standard streams")
        sys.stdout, sys.stderr = self._out, self._err
        if self._warnings_put_back():
            found.append("the filters of warnings")
        if [signal.getsignal(one) for one in self._signals] != self._handlers:
            for number, handler in zip(self._signals, self._handlers, strict=True):
                if handler is not None and signal.getsignal(number) != handler:
                    signal.signal(number, handler)
            found.append("what signals do")
        return found + self._torch_put_back()

    def _warnings_put_back(self) -> bool:
        """Undo what hides dfbench's own warnings or shows none of those that were shown; other filters stay, as every library
        adds some for itself."""
        now = list(warnings.filters)
        changed = warnings.showwarning is not self._show
        warnings.showwarning = self._show
        if now == self._filters:
            return changed
        lost = [one for one in self._filters if one not in now]
        kept_ones = [one for one in now if one in self._filters or not _is_of_all(one)]
        if lost or len(kept_ones) < len(now):
            warnings.filters[:] = [*kept_ones, *lost]  # type: ignore[index] # typeshed has them as a sequence
            with warnings.catch_warnings():  # which makes `warnings` look at its filters anew
                pass
            changed = True
        return changed

    def _torch_put_back(self) -> list[str]:
        torch = _loaded("torch", "get_default_device")
        if torch is None:
            return []
        before = self._torch
        if before is None:  # it was imported meanwhile
            before = [first_threads() or torch.get_num_threads(), torch.float32, True, torch.device("cpu")]
        found = []
        for (name, read, assign), value in zip(self._torchs, before, strict=False):
            if getattr(torch, read)() != value:
                getattr(torch, assign)(value)
                found.append(name)
        return found


class Generators:
    """The states of Python's, NumPy's and torch's global random generators, of those that are loaded."""

    __slots__ = ("_numpy", "_python", "_torch")

    def __init__(self) -> None:
        self._python = random.getstate()
        numpy, torch = _loaded("numpy.random", "get_state"), _loaded("torch", "get_rng_state")
        self._numpy = None if numpy is None else numpy.get_state()
        self._torch = None if torch is None else torch.get_rng_state()

    def put_back(self) -> list[str]:
        """Set the states that were changed since; returns whose they were."""
        found = []
        if random.getstate() != self._python:
            random.setstate(self._python)
            found.append("Python's random state")
        if self._numpy is not None:
            numpy = sys.modules["numpy.random"]
            now = numpy.get_state()
            if now[2:] != self._numpy[2:] or (now[1] != self._numpy[1]).any():
                numpy.set_state(self._numpy)
                found.append("NumPy's random state")
        if self._torch is not None:
            torch = sys.modules["torch"]
            if not torch.equal(torch.get_rng_state(), self._torch):
                torch.set_rng_state(self._torch)
                found.append("torch's random state")
        return found


def _folder() -> str:
    try:
        return os.getcwd()  # noqa: PTH109 - a Path costs more than all else here
    except OSError:  # it was removed
        return ""


def _loaded(name: str, needed: str) -> ModuleType | None:
    """A module that is imported as far as that it has the attribute `needed`, or None."""
    module = sys.modules.get(name)
    return module if module is not None and hasattr(module, needed) else None


def _is_of_all(entry: tuple[Any, ...]) -> bool:
    """Whether an entry of `warnings.filters` is about every warning of dfbench."""
    _, message, category, module, _ = entry
    return message is None and module is None and issubclass(CoverageWarning, category)
