"""How many cores this process has."""

from __future__ import annotations

import os


def own_cores() -> int:
    """Return the number of cores that this process may use. A job of a cluster often has only some of its machine's."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
