"""Arguments by name, of the functions that users call."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from dfbench.errors import UsageError
from dfbench.text import meant

_P = ParamSpec("_P")
_R = TypeVar("_R")


def names_checked(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Return `function`, which raises UsageError for an argument that it does not have: it says which was meant, and all."""
    known = [
        name
        for name, one in inspect.signature(function).parameters.items()
        if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)
    ]

    @wraps(function)
    def checked(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        for name in kwargs:
            if name not in known:
                hints = filter(None, (meant(name, known, count=1), f"arguments: {', '.join(known)}"))
                raise UsageError(f"{function.__name__}() has no argument {name!r}", hints=tuple(hints))
        return function(*args, **kwargs)

    return checked
