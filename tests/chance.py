"""How many examples of chance a property is tried on."""

from __future__ import annotations

FEWEST = 50  # where slow tests are left out
_fast = False


def leave_out_slow(fast: bool) -> None:
    """Say, before tests are imported, whether slow ones are left out."""
    global _fast  # noqa: PLW0603 # pytest calls this once
    _fast = fast


def examples(whole: int) -> int:
    """Return `whole`, or a tenth of that, and at least 50, where slow tests are left out (`make test-fast`)."""
    return min(whole, max(FEWEST, whole // 10)) if _fast else whole
