"""Whether a file can be weights at all, from its first bytes: what downloads leave behind is told before it is read as code."""

from __future__ import annotations

from pathlib import Path

from dfbench.errors import AbsentError, UnreadableError, WeightsError
from dfbench.untrusted import open_regular

_SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt", ".bin")
_LFS = b"version https://git-lfs.github.com/spec/"
_PAGES = (b"<!doctype html", b"<html", b"<?xml")


def check_weights_file(path: Path, *, option: str = "--weights") -> None:
    """Raise WeightsError if `path` is no file that can be read, or one that a failed download left."""
    if path.is_dir():
        inside = sorted(one.name for one in path.iterdir() if one.suffix in _SUFFIXES)
        raise WeightsError(
            f"{option} {path} is a folder, not a file of weights",
            hints=tuple(f"name the file in it:  {option} {path / name}" for name in inside[:3])
            or ("name the file",),
        )
    try:
        with open_regular(path) as file:
            start = file.read(256).lstrip()
    except AbsentError as error:
        raise WeightsError(f"no such weights file: {path}", hints=(f"correct {option}",)) from error
    except (UnreadableError, OSError) as error:
        reason = error.reason if isinstance(error, UnreadableError) else error.strerror
        raise WeightsError(f"{path} cannot be read: {reason}", hints=(f"correct {option}",)) from error
    if start.startswith(_LFS):
        raise WeightsError(
            f"{path} is a pointer of Git LFS, which stands for the weights, and not the weights",
            hints=("fetch them, in the repository that it is in:  git lfs pull",),
        )
    if start.lower().startswith(_PAGES):
        raise WeightsError(
            f"{path} is a web page, not weights",
            hints=("download the file itself: the page has a link to it",),
        )
    if not start:
        raise WeightsError(f"{path} is empty", hints=("download it again",))
