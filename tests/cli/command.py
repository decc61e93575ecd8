"""Commands through the real entry point, in this process or one of their own, and small datasets for them."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
import typer.utils
from PIL import Image

from dfbench.cli import main


@dataclass(frozen=True, slots=True)
class Ended:
    """Exit code, standard output and standard error."""

    code: int
    out: str
    err: str


Dfbench = Callable[..., Ended]
# Typer reads the signature of every command whenever the command line is built: most of the time of a quick command.
_parameters_of = cache(typer.utils.get_params_from_function)


def in_process(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Dfbench:
    """A function that runs a command; what a command sets in the environment is unset after the test.

    Further variables of the environment are for one call: `dfbench("run", ..., DFBENCH_RUNS="elsewhere")`.
    """
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")
    monkeypatch.setenv("GOMP_SPINCOUNT", "20000")

    def call(*arguments: str | Path, **variables: str) -> Ended:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["dfbench", *map(str, arguments)])
            patch.setattr("typer.main.get_params_from_function", _parameters_of)
            for name, value in variables.items():
                patch.setenv(name, value)
            with pytest.raises(SystemExit) as ended:
                main()
        captured = capsys.readouterr()
        return Ended(int(ended.value.code or 0), captured.out, captured.err)

    return call


def as_program(*arguments: str | Path, **variables: str) -> Ended:
    """Run the installed program in a process of its own, for what only a fresh one shows; it costs seconds."""
    program = Path(sys.executable).with_name("dfbench")
    done = subprocess.run(
        [program, *arguments], capture_output=True, text=True, check=False, env={**os.environ, **variables}
    )
    return Ended(done.returncode, done.stdout, done.stderr)


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
