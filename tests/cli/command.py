"""Commands through the real entry point, in this process, and small datasets for them."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from dfbench.cli import main


@dataclass(frozen=True, slots=True)
class Ended:
    """Exit code, standard output and standard error."""

    code: int
    out: str
    err: str


Dfbench = Callable[..., Ended]


def in_process(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Dfbench:
    """A function that runs a command; what a command sets in the environment is unset after the test."""
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")
    monkeypatch.setenv("GOMP_SPINCOUNT", "20000")

    def call(*arguments: str | Path) -> Ended:
        monkeypatch.setattr(sys, "argv", ["dfbench", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return Ended(int(ended.value.code or 0), captured.out, captured.err)

    return call


def frame(value: int) -> bytes:
    """A flat red PNG."""
    content = io.BytesIO()
    Image.new("RGB", (16, 16), (value, 0, 0)).save(content, "png")
    return content.getvalue()


def write(root: Path, files: Mapping[str, bytes]) -> Path:
    """Write files of these paths below `root`, which is returned."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root
