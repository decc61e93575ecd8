"""How many cores this process has."""

from __future__ import annotations

import os


def own_cores() -> int:
    """Return how many cores this process may use: a job of a cluster has a part of its machine's."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
