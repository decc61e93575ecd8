"""Libraries that look into the working folder while they are imported, or make children look there, and are kept from it.

A stranger's data may lie in it. Seen with strace, and closed here:

- matplotlib obeys a `matplotlibrc` of the working folder in favour of the user's;
- torch loads `libcuda.so.1` from there, because a library that it brings has an empty entry in its search path, and libraries
  below `__editable__...path_hook__`, a folder that editable installations put on the path of modules without making it;
- OpenCV leaves an empty entry in LD_LIBRARY_PATH, so that every later child looks there for its libraries, libc included.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType

from dfbench.search_path import make_safe

WATCHED = ("cv2", "matplotlib", "torch")
ELSEWHERE = "/"
_FIRST: dict[str, int] = {}


def watch_imports(names: Sequence[str] = WATCHED) -> None:
    """Import the modules `names` away from the working folder, whoever asks for them, and tidy the environment after each."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder(names))


def first_threads() -> int:
    """How many threads torch had when it was imported; 0 if that was not watched."""
    return _FIRST.get("threads", 0)


class _Finder:
    """Finds a watched module as all other finders do, and has it imported by `_Elsewhere`."""

    def __init__(self, names: Sequence[str]) -> None:
        self._left = set(names)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The specification of a module that is watched and was not asked for before; None of any other."""
        del path, target
        if name not in self._left:
            return None
        self._left.discard(name)  # so that the search below does not end here
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            spec.loader = _Elsewhere(spec.loader)
        return spec


class _Elsewhere(Loader):
    """Loads a module with the loader that it has without us, which it keeps."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """As the module's own loader does."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Run the module away from the working folder."""
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        try:
            with _away():
                self._loader.exec_module(module)
        finally:
            make_safe(os.environ, safe_path=False)
        if module.__name__ == "torch":
            _FIRST["threads"] = module.get_num_threads()


@contextmanager
def _away() -> Iterator[None]:
    """Leave the working folder for the body, unless another thread is at work, which may be about to use a relative path."""
    others = [
        one for one in threading.enumerate() if one is not threading.current_thread() and not one.daemon
    ]
    try:
        here = None if others else os.open(".", getattr(os, "O_PATH", os.O_RDONLY))
    except OSError:  # it was deleted: nobody can load anything from it
        here = None
    if here is None:
        yield
        return
    os.chdir(ELSEWHERE)
    try:
        yield
    finally:
        os.fchdir(here)
        os.close(here)
