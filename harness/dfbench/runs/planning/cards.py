"""What a detector says of itself with given weights, and by which recipe it reads them if they do not say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dfbench.errors import PluginError, RunError
from dfbench.hooks.plugin_code import running
from dfbench.specs import DetectorCard, DetectorSpec

if TYPE_CHECKING:
    from dfbench.hooks.registry import Registry


@dataclass(frozen=True, slots=True)
class Reading:
    """How given weights are read: by the `recipe` of this name, if they carry none, and with fields that are changed."""

    recipe: str = ""
    changes: Mapping[str, str] = field(default_factory=dict)

    def options(self) -> dict[str, Any]:
        """Arguments for `build` and `explain` of a detector, of which only one that takes recipes knows any."""
        return {"recipe": self.recipe, "changes": self.changes} if self.recipe else {}


def card_of(
    spec: DetectorSpec,
    registry: Registry,
    weights: Path | None,
    reading: Reading = Reading(),
) -> DetectorCard:
    """The card of a detector with these weights. Raises RunError for a broken spec, and what its `describe` raises."""
    if weights is None or not spec.describe:
        return spec.card()
    describe = registry.load_object(spec.describe)
    if not callable(describe):
        raise RunError(f"detector '{spec.name}': {spec.describe} is not callable")
    # Only a detector with fields to set knows a second argument, and only one that takes recipes a third.
    changes = [reading.changes] if reading.changes or reading.recipe else []
    recipe = {"recipe": reading.recipe} if reading.recipe else {}
    with running(spec, f"to describe {weights}"):
        card: object = describe(weights, *changes, **recipe)
    if not isinstance(card, DetectorCard):
        raise PluginError(
            f"detector '{spec.name}': {spec.describe} returned {type(card).__name__}, not a DetectorCard"
        )
    if fault := card.clips.fault():
        raise PluginError(f"detector '{spec.name}': {spec.describe} returned clips whose {fault}")
    for name in ("trained_on", "corpora"):
        value: object = getattr(card, name)
        if value is not None and not _are_names(value):
            raise PluginError(
                f"detector '{spec.name}': {spec.describe} returned {name} {value!a}",
                hints=("a frozenset of names is meant, or None where they are unknown",),
            )
    return card


def _are_names(value: object) -> bool:
    return isinstance(value, frozenset) and all(isinstance(one, str) for one in value)
