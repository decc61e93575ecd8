"""Distributions made for a test: a module and its metadata in a folder that is put on `sys.path`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """`install(module, source, distribution=..., entry=...)` makes a plugin that Host.load() finds."""
    site = tmp_path / "site"
    site.mkdir()

    def write(module: str, source: str, *, distribution: str = "", entry: str = "", target: str = "") -> None:
        name = distribution or module
        (site / f"{module}.py").write_text(source, encoding="utf-8")
        info = site / f"{name}-0.1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1\n")
        (info / "entry_points.txt").write_text(f"[dfbench]\n{entry or module} = {target or module}\n")
        monkeypatch.delitem(sys.modules, module, raising=False)
        monkeypatch.syspath_prepend(site)

    return write


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

    return run
