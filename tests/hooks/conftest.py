"""Distributions made for a test: packages that are really installed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def pip_install() -> Callable[[Path, Path], None]:
    """`pip_install(source, target)` really installs a package, without network, dependencies or isolation."""

    def run(source: Path, target: Path) -> None:
        options = [
            "--no-deps",
            "--no-build-isolation",
            "--no-index",
            "--disable-pip-version-check",
            "--quiet",
        ]
        command = [sys.executable, "-m", "pip", "install", *options, "--target", str(target), str(source)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "Warning" not in done.stdout + done.stderr, done.stdout + done.stderr

    return run
