"""Every dataset that is offered: is it configured, is it there, is it complete?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dfbench.data.folders import folder_fault
from dfbench.data.inventory import Inventory
from dfbench.errors import DfbenchError
from dfbench.runs.sources import DataSource
from dfbench.text import storable
from dfbench.types import DatasetSpec

if TYPE_CHECKING:
    from dfbench.hooks.registry import Registry

NOT_CONFIGURED = "not configured"


@dataclass(frozen=True, slots=True)
class DatasetState:
    """One dataset.

    `state` is "not configured", "MISSING" (no folder that can be entered), "BROKEN", "INCOMPLETE", "complete" or "found"
    (not looked into); `reason` says why it is missing or broken, and `hints` what to do. `within` names the dataset whose
    root it lies in. `inventory` is there if it could be looked into.
    """

    spec: DatasetSpec
    root: Path | None
    within: str
    state: str
    reason: str = ""
    hints: tuple[str, ...] = ()
    inventory: Inventory | None = None

    @property
    def complete(self) -> bool:
        """Whether it was looked into and nothing is amiss."""
        return self.inventory is not None and self.inventory.complete

    def to_json(self) -> dict[str, Any]:
        """The inventory, JSON-ready; without one, why there is none ("error")."""
        if self.inventory is not None:
            return self.inventory.to_json()
        return {
            "dataset": self.spec.name,
            "title": self.spec.title or self.spec.name,
            "root": storable(str(self.root or "")),
            "complete": False,
            "state": self.state,
            "error": self.reason,
            "remedies": list(self.hints),
        }

    def lines(self) -> list[str]:
        """The inventory as text, or why there is none; a verdict last."""
        if self.inventory is not None:
            return self.inventory.lines()
        return [
            f"{self.spec.title or self.spec.name} in {storable(str(self.root or ''))}",
            f"  cannot be checked: {self.reason}",
            *(f"  to do: {hint}" for hint in self.hints),
            self.state,
        ]


def overview(
    registry: Registry, source: DataSource, *, look: Callable[[DatasetSpec], Inventory] | None
) -> list[DatasetState]:
    """All datasets by name; `look` makes the inventory of one that is there, None: nothing is looked into.

    An error of one dataset becomes its state, and the rest is looked into.
    """
    return [_state(registry.dataset(name), source, look) for name in registry.names("dataset")]


def _state(
    spec: DatasetSpec, source: DataSource, look: Callable[[DatasetSpec], Inventory] | None
) -> DatasetState:
    within = spec.root_of if spec.name not in source.roots and spec.root_of in source.roots else ""
    root = source.roots.get(within or spec.name)
    if root is None:
        return DatasetState(spec, None, "", NOT_CONFIGURED)
    state = DatasetState(spec, root, within, "found")
    if fault := folder_fault(root):
        hints = ("correct [data.roots], or mount the disk that it is on",)
        return replace(state, state="MISSING", reason=fault, hints=hints)
    if look is None:
        return state
    try:
        inventory = look(spec)
    except DfbenchError as error:
        if within:  # the dataset around it is configured, and this one need not be there
            return DatasetState(spec, None, "", NOT_CONFIGURED, error.message)
        return replace(state, state="BROKEN", reason=error.message, hints=error.hints)
    return replace(state, state="complete" if inventory.complete else "INCOMPLETE", inventory=inventory)
