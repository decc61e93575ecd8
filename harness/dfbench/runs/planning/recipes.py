"""Recipe overrides as they come from a command line."""

from __future__ import annotations

from collections.abc import Iterable

from dfbench.errors import UsageError


def parse_overrides(pairs: Iterable[str]) -> dict[str, str]:
    """`["lr=1e-4"]` to `{"lr": "1e-4"}`. Raises UsageError for anything that is no KEY=VALUE, or a key given twice."""
    found: dict[str, str] = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or not key.strip():
            raise UsageError(f"--set {pair!r} is not KEY=VALUE", hints=("for example: --set lr=1e-4",))
        if key.strip() in found:
            raise UsageError(f"--set {key.strip()} is given twice", hints=("give it once",))
        found[key.strip()] = value.strip()
    return found
