"""Checking a dataset where it is: its inventory, and on demand what is in its files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dfbench.data.datasets.inventory import Inventory
from dfbench.data.datasets.stocktaking import take_stock
from dfbench.interfaces import Progress
from dfbench.runs.planning.indexing import dataset_index
from dfbench.runs.planning.sources import DataSource
from dfbench.specs import DatasetSpec


def inspect_dataset(
    spec: DatasetSpec,
    *,
    source: DataSource,
    root: Path | None = None,
    compression: str | None = None,
    splits: Sequence[str] = (),
    deep: bool = False,
    workers: int,
    progress: Progress,
) -> Inventory:
    """Take stock of a dataset at `root`, or where `source` has it, and return the inventory; `deep` looks into its files, too.

    Raises SettingsError if no root is known, LayoutError if it is not the dataset's.
    """
    from dfbench.data.datasets.inspection import inspect

    place = source.root_for(spec) if root is None else root
    index = dataset_index(spec, place, compression, roots=source.needed_by(spec))
    inventory = take_stock(spec, place, index, splits=splits)
    if not deep:
        return inventory
    videos = [video for video in index.videos if not splits or video.split in splits]
    return inventory.inspected(inspect(videos, workers=workers, progress=progress))
