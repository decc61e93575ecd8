"""Weights that others saved with torch: read without running code, wherever in the file they keep the network's state."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dfbench import WeightsError
from dfbench.runs.trainings.weights_files import check_weights_file

if TYPE_CHECKING:
    from torch import Tensor

WAYS_OUT = (
    "train weights:              dfbench train --detector fakestormer",
    "or use the authors' (.pth): dfbench run --detector fakestormer --weights PATH/TO/checkpoint.pth",
)
# Where people keep the state dict in what they save, and what wrappers of a network put before each of its names.
_STATES = ("state_dict", "model_state_dict", "model", "module", "net", "network", "weights", "params")
# What torch and pickle raise for what is no checkpoint, or one that claims tensors that its bytes cannot be.
_DAMAGE: tuple[type[Exception], ...] = (
    *(RuntimeError, EOFError, OSError, ValueError, KeyError, TypeError, AttributeError, IndexError),
    *(AssertionError, OverflowError, MemoryError, ImportError, UnicodeError, zipfile.BadZipFile),
)
_WRAPPERS = ("module.", "_orig_mod.", "model.", "net.")


def require_file(path: Path) -> None:
    """Raise WeightsError if there is no such file, or one that cannot be weights."""
    if not path.exists():
        raise WeightsError(f"there is no weights file {path}", hints=WAYS_OUT)
    check_weights_file(path)


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file. Raises WeightsError if it is missing or damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    require_file(path)
    try:
        return load_file(path.absolute())
    except (SafetensorError, OSError, ValueError, KeyError, AttributeError, RuntimeError) as error:
        raise WeightsError(
            f"{path} is not a readable safetensors file: {first_line(error)}", hints=WAYS_OUT
        ) from error


def read_released(path: Path) -> dict[str, Tensor]:
    """The weights in a `.pth`: {'epoch', 'state_dict', 'optimizer'}, `model_state_dict`, or a bare mapping, `module.`
    stripped.

    Raises WeightsError for a pickle that holds more than tensors and plain values, which it names: such a file can run
    code, though it may be a harmless one with the arguments of its training.
    """
    import pickle

    import torch

    require_file(path)
    try:
        with warnings.catch_warnings():
            # Torch warns of unusual pickles before it refuses them; the refusal is what counts.
            warnings.filterwarnings("ignore", message="Detected pickle protocol")
            _require_stored(path)
            content = torch.load(path.absolute(), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "unsupported" not in str(error).lower():
            raise WeightsError(
                f"{path} is not a readable checkpoint: {first_line(error)}", hints=WAYS_OUT
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
            f"{path} is not a readable checkpoint: {first_line(error)}", hints=WAYS_OUT
        ) from error
    state = _state_in(content)
    if state is None:
        keys = ", ".join(map(str, list(content)[:8])) if isinstance(content, dict) else ""
        found = f"it has {keys}" if keys else f"it is an empty or other {type(content).__name__}"
        raise WeightsError(
            f"{path} holds no state_dict: a mapping of names to tensors was expected, and {found}",
            hints=WAYS_OUT,
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
    """The mapping of names to tensors in a checkpoint, or None if there is none."""
    import torch

    if not isinstance(content, dict):
        return None
    if content and all(isinstance(value, torch.Tensor) for value in content.values()):
        return {str(key): value for key, value in content.items()}
    found = (_state_in(content[key]) for key in _STATES if key in content)
    return next((state for state in found if state is not None), None)


def _unwrapped(state: Mapping[str, Any]) -> dict[str, Any]:
    """`state` without the wrappers that all of its names begin with; "module." of single names goes too."""
    for wrapper in _WRAPPERS:
        if all(name.startswith(wrapper) for name in state):
            return _unwrapped({name.removeprefix(wrapper): value for name, value in state.items()})
    return {name.removeprefix("module."): value for name, value in state.items()}


def first_line(error: BaseException) -> str:
    """The first line of what `error` says."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
