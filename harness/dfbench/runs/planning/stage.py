"""What a user asked for, resolved: plugins, settings, protocol and data of one request."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
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
from dfbench.errors import LayoutError, UnreadableError, UsageError
from dfbench.exchanged import DatasetIndex
from dfbench.files import write_text_whole
from dfbench.hooks.host import Host
from dfbench.interfaces import Progress
from dfbench.runs.planning.protocols import TrainingSets, lint_protocol, training_sets, with_own_names
from dfbench.runs.planning.refusals import Purpose, check_request, tested_dataset
from dfbench.runs.planning.setup import Setup
from dfbench.runs.planning.single_dataset import dataset_protocol
from dfbench.runs.planning.sources import DataSource, data_source, index_at, no_root
from dfbench.runs.records.run_file import refuse_unusable
from dfbench.settings import Settings
from dfbench.specs import DetectorSpec, ProtocolSpec, VideoSelection
from dfbench.types import FULL_PRECISION, Video
from dfbench.untrusted import MOST_RECORD, read_object

if TYPE_CHECKING:
    from dfbench.hooks.registry import Registry


_TEXTS = (
    "detector",
    "protocol",
    "data",
    "dataset",
    "device",
    "precision",
    "size",
    "recipe",
    "start",
    "synthesizer",
)


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What the user asked for.

    With `dataset`, that dataset is tested in place of what the protocol tests: its `splits` (its test split, or its only
    one, if empty) at a `compression` ("" for the standard one). `precision` is that of scoring. `train_compression`
    stands in for that of the protocol's training and validation sets. `synthesizer` stands in for that of the recipe; "none"
    trains on the fakes of the data set. A training starts from the weights in `start`, if
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
    synthesizer: str = ""
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

    def write(self, path: Path) -> Path:
        """Write the request to a JSON file, from which `RunRequest.read` makes it again; returns `path`. Raises StoreError."""
        given = {name: value for name, value in asdict(self).items() if name != "weights"}
        weights = None if self.weights is None else str(self.weights)
        write_text_whole(path, json.dumps({**given, "weights": weights}))
        return path

    @classmethod
    def read(cls, path: Path) -> RunRequest:
        """Read a request that `write` wrote. Raises UsageError if it is damaged or of another version of dfbench."""
        try:
            given = read_object(path, most=MOST_RECORD)
            given |= {name: tuple(given[name]) for name in ("only", "splits")}
            given["overrides"] = {str(name): str(value) for name, value in given["overrides"].items()}
            given["weights"] = None if given["weights"] is None else Path(given["weights"])
            return cls(**given)
        except (UnreadableError, LookupError, TypeError, AttributeError) as error:
            raise UsageError(
                f"{path} is no request of this version of dfbench: {error}",
                hints=("give the options of `dfbench train` in place of --request",),
            ) from error


@dataclass(frozen=True, slots=True)
class Stage:
    """What all steps of one request share."""

    host: Host
    settings: Settings
    spec: DetectorSpec
    protocol: ProtocolSpec
    source: DataSource
    progress: Progress
    _parsed: dict[tuple[str, str | None], DatasetIndex] = field(
        default_factory=dict, repr=False, compare=False
    )

    @property
    def registry(self) -> Registry:
        """The registry of the loaded plugins."""
        return self.host.registry

    def index(self, dataset: str, compression: str | None = None) -> DatasetIndex:
        """Return what the official files of a dataset say at a compression (None for its default), which are parsed once.

        Raises what `index_at` raises.
        """
        spec = self.registry.dataset(dataset)
        default = spec.compressions[0] if spec.compressions else None
        key = (spec.name, default if compression is None else compression)
        if key not in self._parsed:
            self._parsed[key] = index_at(spec, self.source, compression, self.registry)
        return self._parsed[key]

    def training_sets(self) -> TrainingSets:
        """Return what the detector of this request is trained and validated on. Raises UsageError if there is nothing."""
        return training_sets(self.protocol, self.spec, self.registry)

    def videos(self, selection: VideoSelection) -> list[Video]:
        """The expected videos of a selection; problems of the official files become warnings."""
        return self.listed(selection)[0]

    def listed(self, selection: VideoSelection) -> tuple[list[Video], Listing]:
        """The videos of a selection as `videos` returns them, and how many there should be."""
        spec = self.registry.dataset(selection.dataset)
        index = self.index(spec.name, selection.compression)
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
    train, validation = (
        None if selection is None else replace(selection, compression=compression)
        for selection in (protocol.train, protocol.validation)
    )
    return replace(protocol, train=train, validation=validation)


def open_stage(request: RunRequest, setup: Setup, progress: Progress, *, purpose: Purpose = "score") -> Stage:
    """Find or make the data of a request; returns what all its steps share. `purpose` as of `check_request`.

    Raises StoreError if no folder of runs can be made for what is to be scored, UsageError and WeightsError for what
    `check_request` refuses, and RunError for a protocol that is not fair, before any corpus is made.
    """
    host, settings = setup.host, setup.settings
    if purpose == "score":
        refuse_unusable(settings.runs)
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
    index = stage.index(tested.name, request.compression or None)
    training = protocol if spec.needs_weights and request.weights is None else None
    of_dataset = dataset_protocol(
        tested, index.videos, splits=request.splits, compression=request.compression, training=training
    )
    return replace(stage, protocol=of_dataset)
