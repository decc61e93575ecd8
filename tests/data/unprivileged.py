"""Permissions for tests that run as root, whom they do not bind: give up what makes root an exception."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from typing import TypeVar

_VERSION = 0x20080522  # of the structures of capget(2)
_NO_NEW_PRIVILEGES = 38  # of prctl(2): what is given up does not come back with a program that is started
_READ_AND_WRITE_ANYTHING = 0b110  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH

_Result = TypeVar("_Result")


def obeying(work: Callable[[], _Result]) -> _Result:
    """Do `work` in a thread that obeys permissions; returns its result."""
    results: list[_Result] = []

    def run() -> None:
        obey_permissions()
        results.append(work())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return results[0]


def obey_permissions() -> None:
    """Make this thread, and what it starts from now on, obey the permissions of files. Raises OSError."""
    if os.geteuid() != 0:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_VERSION, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; the first half holds what we look for
    _checked(libc.capget(header, sets))
    for number in range(3):
        sets[number] &= ~_READ_AND_WRITE_ANYTHING
    _checked(libc.capset(header, sets))
    _checked(libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0))


def _checked(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
