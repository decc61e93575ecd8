"""Public names of a package that are imported when they are first asked for, since pandas, OpenCV or torch stand behind them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from typing import Any

from dfbench.text import meant

_IMPORTED = re.compile(r"^    from (\S+) import (\w+) as \2$", re.MULTILINE)


def lazy_names(spec: ModuleSpec, *, elsewhere: Sequence[str]) -> tuple[Callable[[str], Any], list[str]]:
    """Return `__getattr__` and `__all__` of a package whose public names are those that it imports for type checkers alone.

    These lines of its source, `from MODULE import NAME as NAME` below `if TYPE_CHECKING:`, are read here, so that they are the
    only list. Any other name is an AttributeError that asks for the nearest, or says which package of `elsewhere` has it.
    """
    source: bytes = getattr(spec.loader, "get_data")(spec.origin)  # noqa: B009 - which not all loaders have
    module_of = {name: module for module, name in _IMPORTED.findall(source.decode("utf-8"))}

    def find(name: str) -> Any:
        if name not in module_of:
            question = "" if name.startswith("_") else _nearest(name, sorted(module_of), elsewhere)
            raise AttributeError(f"module {spec.name!r} has no attribute {name!r}{question}")
        return getattr(import_module(module_of[name]), name)

    return find, sorted(module_of)


def _nearest(name: str, known: Sequence[str], elsewhere: Sequence[str]) -> str:
    """Return the question which name is meant, as the end of a sentence; "" if none is near."""
    for package in elsewhere:
        if name in import_module(package).__all__:
            return f": did you mean {package}.{name}?"
    question = meant(name, known, count=1)
    return f": {question}" if question else ""
