"""Weights in HDF5 files as Keras 2 writes them (`save_weights`), for networks of convolutions, batch norms and dense layers.

A file has a group for each layer, and in it the weights by name (`conv2d_5/conv2d_5/kernel:0`). Names count on over all
networks that a program makes, and the order in a file is by depth and not that of making: in an inception layer, convolutions
of equal shapes would be swapped unnoticed by who goes by position or shape. So the layers of a kind are sorted by the number
in their name, and paired with those of the network in the order in which it registers them.

A file may come from anywhere: links out of it are not followed, and nothing is read before its shape is known to fit.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dfbench import WeightsError
from dfbench.training import first_line, require_file, require_finite

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import Tensor, nn

MOST_BYTES = 2**24  # of a file: those of the networks here take 0.2 MB
_LAYER = re.compile(r"(conv2d|batch_normalization|dense)(?:_(\d+))?")
# What Keras calls the tensors of a layer, and what torch does.
_NAMES = {
    "conv2d": {"kernel": "weight", "bias": "bias"},
    "dense": {"kernel": "weight", "bias": "bias"},
    "batch_normalization": {
        "gamma": "weight",
        "beta": "bias",
        "moving_mean": "running_mean",
        "moving_variance": "running_var",
    },
}


def read_small(path: Path, *, hints: Sequence[str]) -> bytes:
    """Return the content of a weights file. Raises WeightsError if it is missing, no weights at all, or large."""
    require_file(path, hints=hints)
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise WeightsError(
            f"{path} has more than {MOST_BYTES} bytes, and this network has 28,000 weights", hints=hints
        )
    return content


def load_keras(net: nn.Module, path: Path, *, hints: Sequence[str]) -> None:
    """Give `net` the weights of an HDF5 file of Keras.

    Raises WeightsError if the file is missing, damaged, of another network, or holds NaN, and where h5py is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise WeightsError(
            f"{path} is an HDF5 file, and h5py is not installed, which reads them",
            hints=("install it:  pip install 'dfbench-harness[hdf5]'",),
        ) from error
    content = read_small(path, hints=hints)
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            state = _read(net, file, path=path, hints=hints)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{path} is not a readable HDF5 file: {first_line(error)}", hints=hints) from error
    require_finite(state, origin=path, hints=hints)
    net.load_state_dict(state | _counters(net))


def _read(net: nn.Module, file: Any, *, path: Path, hints: Sequence[str]) -> dict[str, Tensor]:
    """The tensors of all layers by their names in the state of `net`."""
    import torch

    state: dict[str, Tensor] = {}
    for kind, names in _NAMES.items():
        stored, own = _stored_layers(file, kind), _own_layers(net, kind)
        if len(stored) != len(own):
            raise WeightsError(
                f"{path} does not fit: it has {len(stored)} layers called {kind}, and this network {len(own)}",
                hints=hints,
            )
        for layer, (prefix, module) in zip(stored, own, strict=True):
            for keras, name in names.items():
                value = getattr(module, name)
                if value is None:
                    raise WeightsError(
                        f"{path} does not fit: {layer} has a {keras}, and the layers of this network have none",
                        hints=hints,
                    )
                stored_as = _dataset(file, (layer, layer, f"{keras}:0"))
                wanted = _keras_shape(value)
                if stored_as.shape != wanted or stored_as.dtype.kind != "f":
                    raise WeightsError(
                        f"{path} does not fit: {keras} of {layer} is {stored_as.shape} {stored_as.dtype},"
                        f" not {wanted} of floating point",
                        hints=hints,
                    )
                array = _as_torch(stored_as[()])
                state[f"{prefix}.{name}"] = torch.from_numpy(array).to(value.dtype)
    return state


def _stored_layers(file: Any, kind: str) -> list[str]:
    """The names of the groups of a kind of layer, in the order in which Keras made the layers."""
    found = [(match, str(name)) for name in file if (match := _LAYER.fullmatch(str(name)))]
    return [
        name for _, name in sorted((int(match[2] or 0), name) for match, name in found if match[1] == kind)
    ]


def _own_layers(net: nn.Module, kind: str) -> list[tuple[str, nn.Module]]:
    """The layers of a kind in `net`, in the order in which they are registered, each with its name."""
    from torch import nn

    classes: dict[str, type[nn.Module]] = {
        "conv2d": nn.Conv2d,
        "batch_normalization": nn.BatchNorm2d,
        "dense": nn.Linear,
    }
    return [(name, module) for name, module in net.named_modules() if isinstance(module, classes[kind])]


def _dataset(file: Any, names: Sequence[str]) -> Any:
    """The dataset at the end of a path of names, all of which must be held by the file itself. Raises KeyError, ValueError."""
    import h5py

    place = file
    for name in names:
        if not isinstance(place, h5py.Group):
            raise ValueError(f"{name} should lie in a group")
        if not isinstance(place.get(name, getlink=True), h5py.HardLink):
            raise ValueError(f"{name} is a link to elsewhere")
        place = place[name]
    if not isinstance(place, h5py.Dataset) or place.external or place.is_virtual:
        raise ValueError(f"{'/'.join(names)} does not hold its numbers itself")
    return place


def _keras_shape(value: torch.Tensor) -> tuple[int, ...]:
    """The shape in which Keras keeps what torch keeps as `value`: (H, W, in, out) for (out, in, H, W)."""
    shape = tuple(value.shape)
    return (*shape[2:], *shape[1::-1]) if len(shape) > 1 else shape


def _as_torch(value: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """A kernel (H, W, in, out) or (in, out) as (out, in, H, W) or (out, in); a vector as it is."""
    import numpy as np

    axes = (*range(value.ndim - 1, value.ndim - 3, -1), *range(value.ndim - 2)) if value.ndim > 1 else (0,)
    return np.ascontiguousarray(value.transpose(axes), np.float64)


def _counters(net: nn.Module) -> dict[str, Tensor]:
    """What Keras does not keep: how many batches each norm has seen."""
    return {name: value for name, value in net.state_dict().items() if name.endswith("num_batches_tracked")}
