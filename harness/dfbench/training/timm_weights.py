"""Weights for a network of timm, from a file and never from the network: read as timm reads them, but without running code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dfbench.errors import UsageError, WeightsError
from dfbench.exchanged import StartWeights
from dfbench.text import meant
from dfbench.training.state_files import PICKLES, first_line, read_pickle, read_safetensors

if TYPE_CHECKING:
    from torch import Tensor

_HINTS = ("download it again",)
_NAMED = 3  # tensors that an error names
TIMM = "timm:"  # before the name of weights, in --start timm:NAME=FILE


def require_timm_name(name: str) -> None:
    """Raise UsageError if timm has no network, or no weights, of this name; it says which one was probably meant."""
    import timm

    known = timm.list_models() if "." not in name else timm.list_pretrained()
    if name in known:
        return
    question = meant(name, known)
    raise UsageError(
        f"timm has no network {name!r}",
        hints=(
            *([question] if question else []),
            "all names:  python -c 'import timm; print(timm.list_models())'",
        ),
    )


def read_start(weights: StartWeights, **network: Any) -> Mapping[str, Tensor]:
    """Return the tensors of FILE, or those that timm makes of it, but for the last layer, where it is called timm:NAME=FILE.

    `network`: arguments for timm's network, such as `img_size`. Raises WeightsError for a file that is missing, unsafe,
    damaged or of another network, and UsageError for another way to read it, and for a name that timm does not have.
    """
    path, how = weights.path, weights.read_as
    if how and not how.startswith(TIMM):
        raise UsageError(
            f"cannot understand --start {how}={path}",
            hints=(f"give the file alone: --start {path}", f"or as timm reads it:  --start timm:NAME={path}"),
        )
    if not how:
        return (read_pickle if path.suffix in PICKLES else read_safetensors)(path, hints=_HINTS)
    name = how.removeprefix(TIMM)
    require_timm_name(name)
    # timm takes anything but this suffix for a pickle, whatever it is called; ours refuse what could run code, or is damaged.
    (read_safetensors if path.suffix == ".safetensors" else read_pickle)(path, hints=_HINTS)
    return _made_by_timm(name, path, network)


def _made_by_timm(name: str, path: Path, network: Mapping[str, Any]) -> Mapping[str, Tensor]:
    """The state of timm's network of this name, without its last layer, with the weights of a file that holds only tensors.

    Raises WeightsError if the file lacks some of them: timm would leave these at random, and say so in a log alone.
    """
    state, other = (_built(name, path, network, seed=seed) for seed in (0, 1))
    if drawn := [key for key, value in state.items() if not value.equal(other[key])]:
        more = f" and {len(drawn) - _NAMED} more" if len(drawn) > _NAMED else ""
        raise WeightsError(
            f"{path} holds no weights of {name}: it lacks {', '.join(drawn[:_NAMED])}{more}",
            hints=(f"name the network that it is of: --start {TIMM}NAME={path}",),
        )
    return state


def _built(name: str, path: Path, network: Mapping[str, Any], *, seed: int) -> Mapping[str, Tensor]:
    """The state of timm's network with what a file holds of it; the rest is drawn from `seed`. Raises WeightsError."""
    import timm

    from dfbench.training.randomness import drawing_from

    overlay = {"file": str(path.absolute())}
    try:
        with drawing_from(seed):
            built = timm.create_model(
                name, pretrained=True, pretrained_cfg_overlay=overlay, num_classes=0, **network
            )
    except (RuntimeError, ValueError, KeyError, OSError, TypeError, AttributeError, IndexError) as error:
        raise WeightsError(f"timm cannot load {path} as {name}: {first_line(error)}") from error
    state: Mapping[str, Tensor] = built.state_dict()
    return state
