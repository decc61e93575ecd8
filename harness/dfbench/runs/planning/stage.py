"""What a user asked for, resolved: plugins, settings, protocol and data of one request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dfbench.data.datasets.manifest import select
from dfbench.data.datasets.official import (
    Listing,
    counts_of,
    left_out,
    misspelt_splits,
    official_counts,
    published,
)
from dfbench.errors import LayoutError, UsageError
from dfbench.hooks.host import Host
from dfbench.interfaces import Progress
from dfbench.runs.planning.protocols import lint_protocol, with_own_names
from dfbench.runs.planning.refusals import Purpose, check_request, tested_dataset
from dfbench.runs.planning.single_dataset import dataset_protocol
from dfbench.runs.planning.sources import DataSource, data_source, index_at, no_root
from dfbench.settings import Settings, load_settings
from dfbench.specs import DetectorSpec, ProtocolSpec, VideoSelection
from dfbench.types import FULL_PRECISION, Video

if TYPE_CHECKING:
    from dfbench.hooks.registry import Registry


_TEXTS = ("detector", "protocol", "data", "dataset", "device", "precision", "size", "recipe", "start")


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What the user asked for.

    With `dataset`, that dataset is tested in place of what the protocol tests: its `splits` (its test split, or its only
    one, if empty) at a `compression` ("" for the standard one). `precision` is that of scoring. `train_compression`
    stands in for that of the protocol's training and validation sets. A training starts from the weights in `start`, if
    that is not empty, and runs on `devices` of each of `nodes` machines. With `force`, what was scored before is computed
    again.
    """

    detector: str
    protocol: str = "cross-dataset"
    data: str = ""
    only: tuple[str, ...] = ()
    dataset: str = ""
    splits: tuple[str, ...] = ()
    compression: str = ""
    weights: Path | None = None
    seed: int = 0
    device: str = "auto"
    precision: str = FULL_PRECISION
    size: str = "full"
    recipe: str = ""
    train_compression: str = ""
    overrides: Mapping[str, str] = field(default_factory=dict)
    start: str = ""
    devices: int = 1
    nodes: int = 1
    force: bool = False

    def __post_init__(self) -> None:
        for name, kind in (("seed", int), ("devices", int), ("nodes", int), *((one, str) for one in _TEXTS)):
            value = getattr(self, name)
            if not isinstance(value, kind) or isinstance(value, bool):
                raise UsageError(
                    f"{name}={value!r} is of the type {type(value).__name__}, where {kind.__name__} is meant",
                    hints=(f"write {name}={'...' if kind is int else repr(str(value))}",),
                )


@dataclass(frozen=True, slots=True)
class Stage:
    """What all steps of one request share."""

    host: Host
    settings: Settings
    spec: DetectorSpec
    protocol: ProtocolSpec
    source: DataSource
    progress: Progress

    @property
    def registry(self) -> Registry:
        """The registry of the loaded plugins."""
        return self.host.registry

    def videos(self, selection: VideoSelection) -> list[Video]:
        """The expected videos of a selection; problems of the official files become warnings."""
        return self.listed(selection)[0]

    def listed(self, selection: VideoSelection) -> tuple[list[Video], Listing]:
        """The videos of a selection as `videos` returns them, and how many there should be."""
        spec = self.registry.dataset(selection.dataset)
        index = index_at(spec, self.source, selection.compression, self.registry)
        for problem in index.problems:
            self.progress.note(f"warning: {problem}")
        videos = select(index.videos, selection)
        official = published(spec, self.source.root_for(spec), within=bool(self.source.inside(spec)))
        expected = official_counts(official, index.videos, selection)
        misspelt = misspelt_splits(index.videos, selection)
        listing = Listing(counts_of(videos), expected, index.problems, misspelt)
        part = "+".join(selection.splits) or "all splits"
        for differs in filter(None, (listing.shortfall, *left_out(misspelt))):
            self.progress.note(f"warning: {spec.name} {part}: {differs}")
        return videos, listing

    def videos_at_hand(self, selection: VideoSelection) -> list[Video]:
        """As `videos`; empty if there is no root for the dataset, or if it is not in that of another, where it need not be."""
        spec = self.registry.dataset(selection.dataset)
        within = self.source.inside(spec)
        if not within and spec.name not in self.source.roots:
            return []
        try:
            return self.videos(selection)
        except LayoutError:
            if within:
                return []
            raise


def compute_threads() -> int:
    """How many threads torch computes with on the processor."""
    import torch

    return torch.get_num_threads()


def trained_at(protocol: ProtocolSpec, compression: str) -> ProtocolSpec:
    """`protocol` with its training and validation sets at another compression; what it tests stays. "" changes nothing."""
    if not compression:
        return protocol
    return replace(
        protocol,
        train=replace(protocol.train, compression=compression),
        validation=replace(protocol.validation, compression=compression),
    )


def open_stage(request: RunRequest, progress: Progress, *, purpose: Purpose = "score") -> Stage:
    """Load the plugins and settings and find or make the data; `purpose` as of `check_request`.

    Raises UsageError and WeightsError for what `check_request` refuses, and RunError for a protocol that is not fair,
    before any corpus is made.
    """
    host = Host.load()
    settings = load_settings()
    check_request(request, host.registry, settings, purpose=purpose)
    spec = host.registry.detector(request.detector)
    protocol = with_own_names(host.registry.protocol(request.protocol), host.registry)
    lint_protocol(protocol)
    protocol = trained_at(protocol, request.train_compression)
    tested = tested_dataset(request, host.registry, settings)
    source = data_source(request.data, host.registry, settings, size=request.size, progress=progress)
    stage = Stage(host, settings, spec, protocol, source, progress)
    if tested is None:
        return stage
    if not source.has(tested):
        raise no_root(tested)
    index = index_at(tested, source, request.compression or None, host.registry)
    training = protocol if spec.needs_weights and request.weights is None else None
    of_dataset = dataset_protocol(
        tested, index.videos, splits=request.splits, compression=request.compression, training=training
    )
    return replace(stage, protocol=of_dataset)
