"""Where programs that tests start find distributions that were installed for a test."""

from __future__ import annotations

import os
from pathlib import Path


def python_path(site: Path) -> str:
    """PYTHONPATH with `site` in front of what is on it already."""
    return os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH", "")]))
