"""What a check is: a function that returns what is wrong, and its result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dfbench.errors import PluginError
from dfbench.hooks.manners import kept
from dfbench.hooks.registry import one_line, plugin_traceback

TOLERANCE = 1e-4
"""How far two scores of the same clip may lie apart, in logits."""
SEED = 20_260  # of what is random in a check


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check: its name, whether it passed, and if not what was found (with a traceback if code raised)."""

    name: str
    passed: bool
    detail: str = ""


def run_check(name: str, find_problem: Callable[[], str]) -> CheckResult:
    """Run a check, a function that returns what is wrong or ""; returns its result, also where the plugin raises."""
    try:
        with kept(lambda: "the plugin", f"in the check {name!r}"):
            problem = find_problem()
    except Exception as error:  # noqa: BLE001 - whatever a plugin raises is what the author wants to read
        own = error.__cause__ if isinstance(error, PluginError) and error.__cause__ is not None else error
        problem = f"{one_line(own)}\n{plugin_traceback(own)}"
    return CheckResult(name, not problem, problem)
