"""The weights that a training starts from, where they are those of the same network, with its last layer or without."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dfbench.errors import UsageError, WeightsError
from dfbench.exchanged import Started, StartWeights
from dfbench.specs import LoadOptions
from dfbench.training.released import converted, kind_of
from dfbench.training.timm_weights import read_start
from dfbench.training.weights_file import fitted, require_finite

if TYPE_CHECKING:
    from torch import Tensor, nn

    from dfbench.training.method import Method


UNKNOWN = "unknown"  # the training data of weights that do not tell


def start_whole(method: Method, net: nn.Module, weights: StartWeights) -> Started:
    """Give `net` the weights of a file with tensors of the same names and shapes; returns what is known of their training.

    Where the method names the head of its network, and the file has none that fits, the head keeps the weights that it has:
    such a file was trained for something else, to name what is on a photograph, and knows no deepfake. With a head, a file may
    also be one that timm reads, timm:NAME=FILE.

    Raises WeightsError for a file that is unsafe, damaged or does not fit, UsageError for a way to read it that is unknown.
    """
    path = weights.path
    if weights.read_as and method.head is None:
        raise UsageError(
            f"cannot understand --start {weights.read_as}={path}",
            hints=(f"give the file alone: --start {path}",),
        )
    hints = ("use the recipe that it was made for",)
    state = read_start(weights)
    if (kind := kind_of(state, method.released)) is not None:
        state = converted(kind, state, origin=path, hints=hints)
    head = _unfit_head(method, net, state)
    state = {name: value for name, value in state.items() if name not in head} | head
    state = fitted(net.state_dict(), state, says=f"{path} does not fit", hints=hints)
    require_finite(state, origin=path, hints=hints)
    net.load_state_dict(state)
    if head:
        return Started(f"starting from the network in {path}; its last layer begins anew")
    says = f"starting from the whole network in {path}"
    try:
        card = method.describe(LoadOptions(path))
    except WeightsError:  # tensors without a header
        return Started(says, frozenset({UNKNOWN}), None)
    # What nobody knows stays unknown in the header of what begins with it: no dataset is called so.
    return Started(says, card.trained_on or frozenset({UNKNOWN}), card.corpora)


def _unfit_head(method: Method, net: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The network's own tensors of its head if those of `state` are missing or of another shape; {} if they fit."""
    if method.head is None:
        return {}
    head = method.head(net)
    prefix = next(f"{name}." for name, module in net.named_modules() if module is head)
    own = {name: value for name, value in net.state_dict().items() if name.startswith(prefix)}
    fits = all(name in state and state[name].shape == value.shape for name, value in own.items())
    return {} if fits else own
