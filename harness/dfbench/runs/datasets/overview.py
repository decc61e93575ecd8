"""Every dataset that is offered: is it configured, is it there, is it complete?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from dfbench.data.datasets.inventory import Inventory
from dfbench.data.folders import folder_fault
from dfbench.errors import DfbenchError, LayoutError, MissingCompressionError
from dfbench.runs.planning.sources import DataSource
from dfbench.specs import DatasetSpec
from dfbench.text import storable

if TYPE_CHECKING:
    from dfbench.hooks.registry import Registry

NOT_CONFIGURED = "not configured"


@dataclass(frozen=True, slots=True)
class DatasetState:
    """One dataset, at one compression where it has several and was looked into.

    `state` is "not configured", "MISSING" (no folder that can be entered), "BROKEN", "INCOMPLETE", "complete", "found"
    (not looked into) or "UNKNOWN" (a root is configured under a name that nobody offers); `error` says what is wrong, and
    what to do. `within` names the dataset whose root it lies in. `inventory` is there if it could be looked into.
    """

    spec: DatasetSpec
    root: Path | None
    within: str
    state: str
    compression: str = ""
    error: DfbenchError | None = None
    inventory: Inventory | None = None

    @property
    def name(self) -> str:
        """Of the dataset, with its compression if it has several: "ffpp (c40)"."""
        return f"{self.spec.name} ({self.compression})" if self.compression else self.spec.name

    @property
    def reason(self) -> str:
        """Why it is missing or broken, "" if it is neither."""
        return "" if self.error is None else self.error.message

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
            "compression": self.compression,
            "complete": False,
            "state": self.state,
            "error": self.reason,
            "remedies": list(self.hints),
        }

    def lines(self) -> list[str]:
        """The inventory as text, or why there is none; a verdict last."""
        if self.inventory is not None:
            return self.inventory.lines()
        which = f" (compression: {self.compression})" if self.compression else ""
        return [
            f"{self.spec.title or self.spec.name} in {storable(str(self.root or ''))}{which}",
            f"  cannot be checked: {self.reason}",
            *(f"  to do: {hint}" for hint in self.hints),
            self.state,
        ]

    @property
    def hints(self) -> tuple[str, ...]:
        """What to do about it."""
        return () if self.error is None else self.error.hints


class Look(Protocol):
    """Makes the inventory of a dataset at a compression, None for its default one; raises DfbenchError."""

    def __call__(self, spec: DatasetSpec, *, compression: str | None) -> Inventory: ...  # noqa: D102


def overview(
    registry: Registry, source: DataSource, *, look: Look | None, compression: str = ""
) -> list[DatasetState]:
    """All datasets by name, those of several compressions once for each that is on disk (or for `compression` alone).

    An error of one becomes its state, and the rest is looked into; with `look` None, nothing is looked into.
    """
    states = [
        state
        for name in registry.names("dataset")
        for state in _states(registry.dataset(name), source, look, compression)
    ]
    for key, (root, error) in source.unknown.items():
        states.append(DatasetState(DatasetSpec(key, "", ""), root, "", "UNKNOWN", error=error))
    return states


def _states(spec: DatasetSpec, source: DataSource, look: Look | None, compression: str) -> list[DatasetState]:
    within = source.inside(spec)
    root = source.roots.get(within or spec.name)
    if root is None:
        return [DatasetState(spec, None, "", NOT_CONFIGURED)]
    if fault := folder_fault(root):
        error = LayoutError(fault, hints=("correct [data.roots], or mount the disk that it is on",))
        return [DatasetState(spec, root, within, "MISSING", error=error)]
    if look is None:
        return [DatasetState(spec, root, within, "found")]
    states = states_on_disk(spec, root, look=look, compression=compression)
    if within and all(state.error for state in states):  # this one need not be there
        return [DatasetState(spec, None, "", NOT_CONFIGURED, error=states[0].error)]
    return [replace(state, within=within) for state in states]


def states_on_disk(spec: DatasetSpec, root: Path, *, look: Look, compression: str = "") -> list[DatasetState]:
    """What `look` finds at `root` of each compression that is there (or of `compression` alone), the default first.

    An error stands in the place of its compression, the same one once; if there is nothing at all, that of the default.
    """
    several = len(spec.compressions) > 1
    found: list[DatasetState] = []
    absent: list[DatasetState] = []
    for one in (compression,) if compression else spec.compressions or ("",):
        state = DatasetState(spec, root, "", "BROKEN", one if several else "")
        try:
            inventory = look(spec, compression=one or None)
        except MissingCompressionError as error:
            absent.append(replace(state, error=error))
        except DfbenchError as error:
            if error.message not in {other.reason for other in found}:  # a wrong root is wrong at each
                found.append(replace(state, error=error))
        else:
            verdict = "complete" if inventory.complete else "INCOMPLETE"
            found.append(replace(state, state=verdict, inventory=inventory))
    return found or absent[:1]
