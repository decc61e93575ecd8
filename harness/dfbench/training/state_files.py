"""Weights that others saved: whether a file can be weights at all, and its tensors, read without running code in it.

What downloads leave behind is told from the first bytes, before torch reads the file. Of what torch saved, the network's
state is found wherever in the file it is kept.
"""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dfbench.errors import AbsentError, UnreadableError, WeightsError
from dfbench.untrusted import open_regular

if TYPE_CHECKING:
    from torch import Tensor

PICKLES = (".pth", ".pt", ".p", ".pyth", ".ckpt", ".tar", ".bin")
_SUFFIXES = (".safetensors", ".pth", ".pt", ".p", ".pyth", ".ckpt", ".bin")
_LFS = b"version https://git-lfs.github.com/spec/"
_PAGES = (b"<!doctype html", b"<html", b"<?xml")
# Where people keep the state dict in what they save, and what wrappers of a network put before each of its names.
_STATES = (
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "module",
    "net",
    "network",
    "weights",
    "params",
)
# What torch and pickle raise for what is no checkpoint, or one that claims tensors that its bytes cannot be.
_DAMAGE: tuple[type[Exception], ...] = (
    *(RuntimeError, EOFError, OSError, ValueError, KeyError, TypeError, AttributeError, IndexError),
    *(AssertionError, OverflowError, MemoryError, ImportError, UnicodeError, zipfile.BadZipFile),
)
_WRAPPERS = ("module.", "_orig_mod.", "model.", "net.")


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


def require_file(path: Path, *, hints: Sequence[str]) -> None:
    """Raise WeightsError if there is no such file, or if it cannot contain weights."""
    if not path.exists():
        raise WeightsError(f"there is no weights file {path}", hints=hints)
    check_weights_file(path)


def read_safetensors(path: Path, *, hints: Sequence[str]) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file by name. Raises WeightsError if it is missing or damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    require_file(path, hints=hints)
    try:
        return load_file(path.absolute())
    except (SafetensorError, OSError, ValueError, KeyError, AttributeError, RuntimeError) as error:
        raise WeightsError(
            f"{path} is not a readable safetensors file: {first_line(error)}", hints=hints
        ) from error


def read_pickle(path: Path, *, hints: Sequence[str]) -> dict[str, Tensor]:
    """Return the tensors of a file that torch saved: {'epoch', 'state_dict', 'optimizer'}, `model_state_dict`, or a bare
    mapping.

    Prefixes that wrappers add to the names (`module.`) are removed.

    Raises WeightsError for a pickle that contains more than tensors and plain values, and names it: such a file can run code,
    although it may be harmless and only contain the arguments of its training.
    """
    import pickle

    import torch

    require_file(path, hints=hints)
    try:
        with warnings.catch_warnings():
            # Torch warns of unusual pickles before it refuses them; the refusal is what counts.
            warnings.filterwarnings("ignore", message="Detected pickle protocol")
            _require_stored(path)
            content = torch.load(path.absolute(), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "unsupported" not in str(error).lower():
            raise WeightsError(
                f"{path} is not a readable checkpoint: {first_line(error)}", hints=hints
            ) from error
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        raise WeightsError(
            f"{path} was refused: it holds {named[1] if named else 'more'} besides tensors and plain values, and"
            " loading it could run code",
            hints=(
                "ask its author for its state dict alone: torch.save(model.state_dict(), FILE)",
                "or, if you trust its author, take that out; this does run what is in it:",
                f"  torch.save(torch.load({str(path)!r}, weights_only=False)['state_dict'], 'weights.pth')",
            ),
        ) from error
    except _DAMAGE as error:
        raise WeightsError(
            f"{path} is not a readable checkpoint: {first_line(error)}", hints=hints
        ) from error
    state = _state_in(content)
    if state is None:
        keys = ", ".join(map(str, list(content)[:8])) if isinstance(content, dict) else ""
        found = f"it has {keys}" if keys else f"it is an empty or other {type(content).__name__}"
        raise WeightsError(
            f"{path} holds no state_dict: a mapping of names to tensors was expected, and {found}",
            hints=hints,
        )
    return _unwrapped(state)


def _require_stored(path: Path) -> None:
    """Raise BadZipFile if a checkpoint holds what is compressed: torch compresses nothing, and would inflate anything."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if info.compress_type != zipfile.ZIP_STORED or info.file_size > info.compress_size:
                raise zipfile.BadZipFile(f"{info.filename} in it is compressed, as torch does not do it")


def _state_in(content: object) -> dict[str, Any] | None:
    """Return the mapping of names to tensors in a checkpoint, or None if there is none."""
    import torch

    if not isinstance(content, dict):
        return None
    if content and all(isinstance(value, torch.Tensor) for value in content.values()):
        return {str(key): value for key, value in content.items()}
    found = (_state_in(content[key]) for key in _STATES if key in content)
    return next((state for state in found if state is not None), None)


def _unwrapped(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return `state` without the prefixes that all its names share; "module." is removed from single names too."""
    for wrapper in _WRAPPERS:
        if all(name.startswith(wrapper) for name in state):
            return _unwrapped({name.removeprefix(wrapper): value for name, value in state.items()})
    return {name.removeprefix("module."): value for name, value in state.items()}


def first_line(error: BaseException) -> str:
    """Return the first line of the message of `error`."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
