"""Reading the official files of a dataset by its plugin, whose faults are told as such."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from dfbench.data.datasets.corpus_card import refuse_cards_inside
from dfbench.data.datasets.manifest import refuse_unfit
from dfbench.errors import DfbenchError, LayoutError, UsageError
from dfbench.exchanged import DatasetIndex
from dfbench.hooks.manners import kept
from dfbench.hooks.plugin_code import plugin_error
from dfbench.hooks.registry import load_object
from dfbench.hooks.waiting import named_if_slow
from dfbench.interfaces import Dataset
from dfbench.runs.planning.sources import DataSource
from dfbench.specs import DatasetSpec


def dataset_index(
    spec: DatasetSpec,
    root: Path,
    compression: str | None,
    *,
    roots: Mapping[str, Path] | None = None,
) -> DatasetIndex:
    """Parse the official files of the dataset at `root`; `roots` are those of the datasets that it needs.

    Raises what the dataset raises, LayoutError where it meets something that the system refuses to read or a part of
    `root` belongs to another corpus, and ManifestError if a video fits into no result table.
    """
    factory = load_object(spec.build)
    if not callable(factory):
        raise UsageError(f"dataset '{spec.name}': {spec.build} is not callable")
    more = {"roots": roots or {}} if spec.needs else {}
    try:
        with _told_apart(spec, root):
            dataset = cast("Dataset", factory(root, compression=compression, **more))
            index = dataset.index()
            refuse_unfit(index, spec.name)
    except OSError as error:  # a folder without permission, a share that went stale: no fault of the dataset
        raise LayoutError(
            f"{spec.name} at {root} cannot be read: {error.filename or ''}: {error.strerror or error}",
            hints=("make it readable, or mount the disk again",),
        ) from error
    refuse_cards_inside(root, index.videos)
    return index


@contextmanager
def _told_apart(spec: DatasetSpec, root: Path) -> Iterator[None]:
    """Errors of the system are let through; what else is raised is told as an error of the dataset's plugin."""
    words = f"dataset '{spec.name}'"
    try:
        with (
            named_if_slow(lambda: f"{words}, which reads {root}"),
            kept(lambda: words, f"when asked to read {root}", generators=True),
        ):
            yield
    except (DfbenchError, OSError):
        raise
    except Exception as error:
        raise plugin_error(spec, f"to read {root}", error) from error


def index_at(spec: DatasetSpec, source: DataSource, compression: str | None) -> DatasetIndex:
    """Parse the official files of a dataset where `source` has it, which may be inside another's root.

    Raises what `dataset_index` raises, and SettingsError if no root is known.
    """
    roots = source.needed_by(spec)
    return dataset_index(spec, source.root_for(spec), compression, roots=roots)
