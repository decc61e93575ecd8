"""Every dataset that is offered: is it configured, is it there, is it complete?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dfbench.data.folders import folder_fault
from dfbench.data.inventory import check
from dfbench.errors import DfbenchError
from dfbench.runs.sources import DataSource, dataset_index
from dfbench.types import DatasetSpec

if TYPE_CHECKING:
    from dfbench.hooks.registry import Registry


@dataclass(frozen=True, slots=True)
class DatasetState:
    """One dataset.

    `state` is "not configured", "MISSING" (no folder that can be entered), "BROKEN", "INCOMPLETE", "complete" or "found"
    (not looked into); `reason` says why it is missing or broken. `within` names the dataset whose root it lies in.
    """

    spec: DatasetSpec
    root: Path | None
    within: str
    state: str
    reason: str = ""


def overview(registry: Registry, source: DataSource, *, look: bool) -> list[DatasetState]:
    """All datasets by name; with `look`, those that are there are held against their lists and published counts."""
    return [_state(registry.dataset(name), registry, source, look=look) for name in registry.names("dataset")]


def _state(spec: DatasetSpec, registry: Registry, source: DataSource, *, look: bool) -> DatasetState:
    within = spec.root_of if spec.name not in source.roots and spec.root_of in source.roots else ""
    root = source.roots.get(within or spec.name)
    if root is None:
        return DatasetState(spec, None, "", "not configured")
    if fault := folder_fault(root):
        return DatasetState(spec, root, within, "MISSING", fault)
    if not look:
        return DatasetState(spec, root, within, "found")
    try:
        index = dataset_index(spec, root, None, registry, roots=source.needed_by(spec))
        complete = check(spec, root, index).complete
    except DfbenchError as error:
        if within:  # the dataset around it is configured, and this one need not be there
            return DatasetState(spec, None, "", "not configured", error.message)
        return DatasetState(spec, root, within, "BROKEN", error.message)
    return DatasetState(spec, root, within, "complete" if complete else "INCOMPLETE")
