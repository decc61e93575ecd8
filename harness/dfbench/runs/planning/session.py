"""What all steps of one command share: plugins, settings, data and progress; what is read of the data is read once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from dfbench.data.datasets.manifest import FileFingerprints, file_fingerprints, select
from dfbench.data.datasets.official import (
    Listing,
    counts_of,
    left_out,
    misspelt_splits,
    official_counts,
    published,
)
from dfbench.errors import LayoutError
from dfbench.exchanged import DatasetIndex
from dfbench.hooks.host import Host
from dfbench.interfaces import Progress
from dfbench.runs.planning.finders import with_finder
from dfbench.runs.planning.indexing import index_at
from dfbench.runs.planning.protocols import TrainingSets, training_sets
from dfbench.runs.planning.sources import DataSource
from dfbench.settings import Settings
from dfbench.specs import DetectorSpec, ProtocolSpec, VideoSelection
from dfbench.trust import require_trusted
from dfbench.types import PrepareSpec, Video, VideoFile

if TYPE_CHECKING:
    from dfbench.data.preparing.outcomes import Prepared
    from dfbench.data.preparing.prepare import Report
    from dfbench.hooks.registry import Registry

_V = TypeVar("_V", bound=VideoFile)


@dataclass(frozen=True, slots=True)
class Session:
    """The plugins, the settings, the data of `source` and the progress of one command."""

    host: Host
    settings: Settings
    source: DataSource
    progress: Progress
    _parsed: dict[tuple[str, str | None], DatasetIndex] = field(
        default_factory=dict, repr=False, compare=False
    )
    _taken: dict[Path, str] = field(default_factory=dict, repr=False, compare=False)

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
            self._parsed[key] = index_at(spec, self.source, compression)
        return self._parsed[key]

    def videos(self, selection: VideoSelection) -> list[Video]:
        """The expected videos of a selection; problems of the official files become warnings."""
        return self.listed(selection)[0]

    def listed(self, selection: VideoSelection) -> tuple[list[Video], Listing]:
        """The videos of a selection as `videos` returns them, and how many there should be."""
        spec = self.registry.dataset(selection.dataset)
        selection = replace(selection, dataset=spec.name)  # which videos have, whatever alias named it
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

    def file_fingerprints(self, videos: Iterable[Video], *, test: str = "") -> FileFingerprints:
        """Return the fingerprints of files as `file_fingerprints` does; each file is looked at once in a session."""
        return file_fingerprints(videos, test=test, known=self._taken)

    def with_finder(self, spec: PrepareSpec) -> PrepareSpec:
        """Return `spec` with the installed face finder, which is part of what the faces are. Raises UsageError."""
        return with_finder(spec, self.registry, self.settings)

    def prepare(
        self,
        videos: Sequence[_V],
        spec: PrepareSpec,
        *,
        retry: bool = False,
        verify: bool = False,
        own_files: bool = False,
    ) -> Report[_V]:
        """Fill the face store for `videos`, with the installed version of the finder; returns the outcome of each.

        `own_files`: as in `Preparation`; for all else see `prepare_all`.
        """
        (report,) = self.prepare_all([(videos, spec)], retry=retry, verify=verify, own_files=own_files)
        return report

    def prepare_all(
        self,
        wanted: Sequence[tuple[Sequence[_V], PrepareSpec]],
        *,
        retry: bool = False,
        verify: bool = False,
        own_files: bool = False,
    ) -> list[Report[_V]]:
        """Fill the face store for videos, each by a spec, with the installed version of the finder; a video that several specs
        want is decoded once. Returns the outcomes of each of `wanted`.

        `retry`: for those that failed. `verify`: after every byte of what is there was checked. Raises what
        `dfbench.data.preparing.prepare.prepare_all` raises, and UntrustedSettingError.
        """
        from dfbench.data.preparing.prepare import Preparation, prepare_all

        require_trusted(self.settings)
        by_finder: dict[str, list[int]] = {}
        specs = [self.with_finder(spec) for _, spec in wanted]
        for number, spec in enumerate(specs):
            by_finder.setdefault(spec.finder, []).append(number)
        reports: dict[int, Report[_V]] = {}
        for finder, numbers in by_finder.items():
            made = prepare_all(
                [Preparation(wanted[number][0], specs[number], own_files) for number in numbers],
                store_root=self.settings.cache / "faces",
                corpus=self.source.corpus_of({video.dataset for videos, _ in wanted for video in videos}),
                finder=self.registry.face_finder(finder).build,
                workers=self.settings.workers,
                progress=self.progress,
                scheduler=self.settings.scheduler,
                seconds=self.settings.video_seconds,
                retry=retry,
                verify=verify,
            )
            reports |= zip(numbers, made, strict=True)
        return [reports[number] for number in range(len(wanted))]

    def prepared(
        self, videos: Sequence[_V], spec: PrepareSpec, *, verify: bool = False, beside: bool = False
    ) -> list[Prepared[_V] | None]:
        """Return what the face store says of each video, None for one that is not prepared yet; changes nothing.

        `verify` checks every byte; `beside` tells of faces of those that are not prepared yet which were made otherwise.
        """
        return self.prepared_as(videos, self.with_finder(spec), verify=verify, beside=beside)

    def prepared_as(
        self, videos: Sequence[_V], spec: PrepareSpec, *, verify: bool = False, beside: bool = False
    ) -> list[Prepared[_V] | None]:
        """As `prepared`, by the finder and version that `spec` names, which need not be installed."""
        from dfbench.data.preparing.prepare import prepared

        return prepared(
            videos,
            spec,
            store_root=self.settings.cache / "faces",
            corpus=self.source.corpus_of({video.dataset for video in videos}),
            progress=self.progress,
            verify=self.settings.workers if verify else 0,
            beside=beside,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolSession(Session):
    """A session for one detector and the protocol by which it is trained or tested."""

    spec: DetectorSpec
    protocol: ProtocolSpec

    def reading_with(self, other: ProtocolSession) -> ProtocolSession:
        """Return this session sharing what `other` has read of the data, and what it will, if both are of the same data."""
        if self.source != other.source:
            return self
        return replace(self, _parsed=other._parsed, _taken=other._taken)

    def training_sets(self) -> TrainingSets:
        """Return what the detector of this session is trained and validated on. Raises UsageError if there is nothing."""
        return training_sets(self.protocol, self.spec, self.registry)
