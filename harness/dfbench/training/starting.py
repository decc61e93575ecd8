"""The weights that a training starts from, where they are those of the same network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dfbench.errors import UsageError, WeightsError
from dfbench.exchanged import Started, StartWeights
from dfbench.specs import LoadOptions
from dfbench.training.state_files import PICKLES, read_pickle, read_safetensors
from dfbench.training.weights_file import fitted, require_finite

if TYPE_CHECKING:
    from torch import nn

    from dfbench.training.method import Method


UNKNOWN = "unknown"  # the training data of weights that do not tell


def start_whole(method: Method, net: nn.Module, weights: StartWeights) -> Started:
    """Give `net` the weights of a file with tensors of the same names and shapes; returns what is known of their training.

    Raises WeightsError for a file that is unsafe, damaged or does not fit, UsageError for a way to read it that is unknown.
    """
    path = weights.path
    if weights.read_as:
        raise UsageError(
            f"cannot understand --start {weights.read_as}={path}",
            hints=(f"give the file alone: --start {path}",),
        )
    hints = ("use the recipe that it was made for",)
    state = (read_pickle if path.suffix in PICKLES else read_safetensors)(path, hints=hints)
    state = fitted(net.state_dict(), state, says=f"{path} does not fit", hints=hints)
    require_finite(state, origin=path, hints=hints)
    net.load_state_dict(state)
    says = f"starting from the whole network in {path}"
    try:
        card = method.describe(LoadOptions(path))
    except WeightsError:  # tensors without a header
        return Started(says, frozenset({UNKNOWN}), None)
    # What nobody knows stays unknown in the header of what begins with it: no dataset is called so.
    return Started(says, card.trained_on or frozenset({UNKNOWN}), card.corpora)
