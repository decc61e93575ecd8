"""Names of a package that are imported when they are first asked for, since pandas, OpenCV or torch stand behind them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def lazy_names(package: str, names: Mapping[str, Sequence[str]]) -> tuple[Callable[[str], Any], list[str]]:
    """Return `__getattr__` and `__all__` of `package`, whose `names` are given by the module that defines them."""
    module_of = {name: module for module, of_module in names.items() for name in of_module}

    def find(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(module_of[name]), name)

    return find, sorted(module_of)
