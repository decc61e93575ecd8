"""The face finder of a worker process: built once, its errors told from those of the video."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib import import_module
from typing import cast

import numpy as np
from numpy.typing import NDArray

from dfbench.errors import PluginError
from dfbench.interfaces import FaceFinder, ThoroughFaceFinder
from dfbench.types import Faces


class FinderError(Exception):
    """The face finder raised something, after which its process is not to be trusted: errors of CUDA stay."""


def build_finder(finder: str, worker: int) -> None:
    """See whether it can be built at all. Raises PluginError."""
    try:
        finder_of(finder, worker)
    except Exception as error:
        raise PluginError(
            f"the face finder {finder} cannot be built: {type(error).__name__}: {error}",
            hints=("dfbench doctor",),
        ) from error


@lru_cache(maxsize=2)
def finder_of(path: str, worker: int) -> FaceFinder:
    """The finder with the import path `path` of a worker, which raises FinderError; GPUs are dealt out in turns."""
    module, _, name = path.partition(":")
    build = cast("Callable[[str], FaceFinder]", getattr(import_module(module), name))
    return open_finder(
        build, "auto", lambda error: FinderError(f"{type(error).__name__}: {error}"), worker=worker
    )


Told = Callable[[Exception], Exception]


def open_finder(
    build: Callable[[str], FaceFinder], device: str, told: Told, *, worker: int = 0
) -> FaceFinder:
    """Build a face finder for `device`; what it raises later is raised as `told(error)`.

    "auto" takes a CUDA device if there is one, dealt out to the workers in turns; what is no CUDA device is the processor.
    """
    import torch

    where = device if device.startswith("cuda") else "cpu"
    if device == "auto" and torch.cuda.is_available():
        where = f"cuda:{worker % torch.cuda.device_count()}"
    return watched(build(where), told)


def watched(finder: FaceFinder, told: Told) -> FaceFinder:
    """`finder`, which raises `told(error)` in place of any error of its own, so that it is told from that of a video."""
    kind = _WatchedThorough if isinstance(finder, ThoroughFaceFinder) else _Watched
    return kind(finder, told)


class _Watched:
    def __init__(self, finder: FaceFinder, told: Told) -> None:
        self._finder = finder
        self._told = told

    def find(self, frames: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        return _watched(self._finder.find, frames, self._told)


class _WatchedThorough(_Watched):
    def __init__(self, finder: FaceFinder, told: Told) -> None:
        super().__init__(finder, told)
        self._thorough = cast("ThoroughFaceFinder", finder)

    def of_video(self) -> _WatchedThorough:
        return _WatchedThorough(self._thorough.of_video(), self._told)

    def find_all(self, frames: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        return _watched(self._thorough.find_all, frames, self._told)


def _watched(
    find: Callable[[Sequence[NDArray[np.uint8]]], list[Faces]],
    frames: Sequence[NDArray[np.uint8]],
    told: Told,
) -> list[Faces]:
    try:
        return find(frames)
    except Exception as error:
        raise told(error) from error
