"""Parse recipe overrides as they are given on a command line."""

from __future__ import annotations

from collections.abc import Iterable

from dfbench.errors import UsageError


def parse_overrides(pairs: Iterable[str]) -> dict[str, str]:
    """Parse `["lr=1e-4"]` into `{"lr": "1e-4"}`. Raises UsageError for a text that is not KEY=VALUE, or a repeated key."""
    found: dict[str, str] = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or not key.strip():
            raise UsageError(f"--set {pair!r} is not KEY=VALUE", hints=("for example: --set lr=1e-4",))
        if key.strip() in found:
            raise UsageError(f"--set {key.strip()} is given twice", hints=("give it once",))
        found[key.strip()] = value.strip()
    return found
