"""Say which detectors read a public checkpoint, for a user who gave it to another one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dfbench.errors import DfbenchError, WeightsError
from dfbench.escaping import for_shell
from dfbench.hooks.detectors import card_of
from dfbench.hooks.registry import Kind, load_object
from dfbench.training.released import Released, kind_of
from dfbench.training.state_files import PICKLES, read_pickle, read_safetensors

if TYPE_CHECKING:
    from torch import Tensor

    from dfbench.hooks.registry import Registry
    from dfbench.specs import DetectorCard, DetectorSpec, LoadOptions


def card_with(spec: DetectorSpec, options: LoadOptions, registry: Registry) -> DetectorCard:
    """Return the card of a detector with the weights of `options`.

    Raises what `card_of` raises; for a public checkpoint of others, the WeightsError names the detectors that read it.
    """
    with naming_readers(options.weights, registry, detector=spec.name):
        return card_of(spec, options)


@contextmanager
def naming_readers(weights: Path | None, registry: Registry, *, detector: str) -> Iterator[None]:
    """Name the detectors that read the checkpoint `weights` in the WeightsError that `detector` raises for it.

    The error is left as it is for what is no public checkpoint, and for one that `detector` itself should read.
    """
    try:
        yield
    except WeightsError as error:
        found = {} if weights is None else readers_of(weights, registry)
        if not found or detector in found:
            raise
        whose = "; ".join(dict.fromkeys(kind.says for kind in found.values()))
        raise WeightsError(
            f"{weights} is a checkpoint of {whose}, which {detector} does not read",
            hints=tuple(f"score it as what it is:  --detector {for_shell(name)}" for name in found),
        ) from error


def readers_of(weights: Path, registry: Registry) -> dict[str, Released]:
    """Return the kind of public checkpoint that a file is, for each detector that reads it, sorted by their names.

    Empty for a file that cannot be read or that none of them knows.
    """
    try:
        state = (read_pickle if weights.suffix in PICKLES else read_safetensors)(weights, hints=())
    except WeightsError:
        return {}
    found: dict[str, Released] = {}
    for name in registry.names(Kind.DETECTOR):
        kind = kind_of(state, _kinds(registry, name))
        if kind is not None and _can_convert(kind, state):
            found[name] = kind
    return found


def _kinds(registry: Registry, name: str) -> tuple[Released, ...]:
    """The kinds of public checkpoints that a detector reads; none of one whose plugin cannot be used."""
    try:
        spec = registry.detector(name)
        method: Any = load_object(spec.method) if spec.method and not spec.family else None
    except DfbenchError:
        return ()
    return tuple(getattr(method, "released", ()))


def _can_convert(kind: Released, state: dict[str, Tensor]) -> bool:
    try:
        kind.convert(state)
    except (KeyError, ValueError, RuntimeError, WeightsError):
        return False
    return True
