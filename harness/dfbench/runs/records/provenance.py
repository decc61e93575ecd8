"""What a number was made with: environment, file hashes, and the identity of a run.

A result is trusted a year later if it says which code, packages and weights made it. The *identity* holds only
what decides the scores, so that an identical run is found again on another day or machine; the *environment*
is recorded beside it and is not part of it.
"""

from __future__ import annotations

import hashlib
import math
import os
import platform
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import is_dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from dfbench.children import safe_children
from dfbench.errors import DataError, UnreadableError
from dfbench.identity import digest_of, identity_of
from dfbench.untrusted import open_regular, require_regular
from dfbench.version import VERSION

PACKAGES = (
    "av",
    "dlib-bin",
    "facenet-pytorch",
    "lightning",
    "numpy",
    "opencv-python-headless",
    "pandas",
    "pyarrow",
    "pytorchvideo",
    "scikit-learn",
    "scipy",
    "timm",
    "torch",
    "torchvision",
)


def environment(*, device: str = "", threads: int | None = None) -> dict[str, Any]:
    """What computes here, ready for JSON: python, platform, cpu, dfbench, packages, git, date, device, threads, cpus.

    `device` and `threads` come from the caller, so that torch need not be imported to know them. `git` is None
    unless dfbench runs from a checkout. A package that is not installed is left out, and so is what tells the machine from
    others of its kind: its name, its user, the build of its kernel.
    """
    with safe_children():  # git and uname
        return {
            "python": platform.python_version(),
            "platform": f"{platform.system()} {platform.machine()}",
            "cpu": cpu_model(),
            "dfbench": VERSION,
            "packages": _versions(),
            "git": git_state(Path(__file__)),
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "device": device,
            "threads": threads,
            "cpus": os.cpu_count(),
        }


@cache
def cpu_model() -> str:
    """The model of the processor, which decides the last digits of what it computes; "" if nobody tells."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor()


def git_state(file: Path) -> dict[str, Any] | None:
    """`commit` and `dirty` of the working tree that tracks `file`; None without git or if nothing tracks it.

    Being inside a working tree is not enough: a virtual environment in somebody's checkout holds dfbench too.
    """
    folder = file.resolve().parent
    if _git(folder, "ls-files", "--error-unmatch", file.name) is None:
        return None
    commit = _git(folder, "rev-parse", "HEAD")
    status = _git(folder, "status", "--porcelain")
    if commit is None or status is None:
        return None
    return {"commit": commit.strip(), "dirty": bool(status.strip())}


def file_sha256(path: Path, *, most: int | None = None) -> str:
    """SHA-256 of a file's bytes, in hex. Raises DataError if it cannot be read, or has more than `most` bytes."""
    try:
        require_regular(path, most=most)
        with open_regular(path) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        reason = error.strerror or str(error)
    except UnreadableError as error:
        reason = error.reason
    raise DataError(f"cannot read {path}: {reason}", hints=("check the path and its permissions",))


def run_identity(**parts: Any) -> str:
    """SHA-256 (hex) of the canonical JSON of everything that decides a run's scores.

    Takes JSON values, and mappings, sequences, sets, dataclasses and paths of them; order matters in sequences
    only. Raises TypeError for anything else, NaN included: its text might change from one process to the next.
    """
    return digest_of({name: _plain(value, name) for name, value in parts.items()})


# The fields of a run's record that decide its scores. `margins` and `precision` stand in some records alone.
SCORING = (
    "schema",
    "detector",
    "protocol",
    "corpus",
    "seed",
    "pooling",
    "clips",
    "prepare",
    "datasets",
    "margins",
    "precision",
)


def recorded_identity(record: Mapping[str, Any]) -> str:
    """The identity of the run with this record: the `run_identity` of its fields that decide scores. Raises TypeError."""
    return run_identity(**{name: record[name] for name in SCORING if name in record})


def _plain(value: Any, where: str) -> Any:  # noqa: PLR0911 # one return a kind of value
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, Path):
        return value.as_posix()
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(identity_of(value), where)
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{where}[{number}]") for number, item in enumerate(value)]
    if isinstance(value, (set, frozenset)):
        return sorted(
            (_plain(item, where) for item in value), key=lambda item: (type(item).__name__, str(item))
        )
    raise TypeError(f"{where}: {value!r} cannot be part of a run's identity")


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _git(folder: Path, *arguments: str) -> str | None:
    """Output of a git command in `folder`; None if git is absent or refuses."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
