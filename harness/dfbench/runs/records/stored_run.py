"""A run as it is stored: its folder, its record, and what lies beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dfbench.errors import StoreError
from dfbench.runs.records.fields import RecordFault
from dfbench.runs.records.record import RunRecord
from dfbench.runs.records.run_file import NAME, read_files
from dfbench.runs.records.run_manifest import expected_videos, read_manifest
from dfbench.runs.records.score_files import COLUMNS
from dfbench.runs.records.score_table import read_scores, video_scores

if TYPE_CHECKING:
    import pandas as pd

    from dfbench.data.datasets.manifest import FileFingerprints
    from dfbench.types import ClipSpec, Pooling, PrepareSpec, Video


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run in its folder, finished or not. What lies beside the record is read when it is asked for."""

    folder: Path
    record: RunRecord

    @classmethod
    def read(cls, folder: Path) -> StoredRun:
        """Read the record of the run in `folder`; returns the run. Raises StoreError, NewerFormatError."""
        return cls(folder, RunRecord.read(folder))

    def write(self, record: RunRecord) -> StoredRun:
        """Write another record of this run to its folder; returns the run with it. Raises StoreError."""
        return replace(self, record=record.write(self.folder))

    @property
    def name(self) -> str:
        """The name of the folder, by which the run is found among others."""
        return self.folder.name

    @property
    def pooling(self) -> Pooling:
        """How the scores of clips become that of a video. Raises StoreError if the record does not say."""
        if self.record.scoring.pooling is None:
            raise self.unusable("it does not say how scores are pooled")
        return self.record.scoring.pooling

    def scores(self, columns: Sequence[str] = COLUMNS) -> pd.DataFrame:
        """Read the score table, a row for each clip or failed video; empty if nothing was scored yet. Raises StoreError."""
        return read_scores(self.folder, columns=columns)

    def videos(self) -> pd.DataFrame:
        """Read the scores, pooled to a row for each video; empty if nothing was scored yet. Raises StoreError, ScoreError."""
        return video_scores(self.scores(), self.pooling)

    def manifest(self) -> pd.DataFrame | None:
        """Read the table of the videos that the run expects; None in a run of before there was one.

        Each has its test, label, groups and identities, and the path of its file relative to the root of its dataset. Raises
        StoreError, ManifestError.
        """
        return read_manifest(self.folder)

    def expected(self) -> dict[str, list[Video]] | None:
        """Read the videos that the run expects, by the key of their test; None in a run of before these were noted.

        Raises StoreError, ManifestError.
        """
        manifest = self.manifest()
        return None if manifest is None else expected_videos(manifest)

    def files(self) -> FileFingerprints:
        """Read the fingerprints of the files that the run expects; empty in a run of before these were noted."""
        return read_files(self.folder)

    def prepare_spec(self) -> PrepareSpec:
        """Return what was prepared of each video. Raises StoreError if this version has no such thing."""
        try:
            return self.record.scoring.prepare_spec()
        except RecordFault as error:
            raise self.unusable(str(error)) from error

    def clips_of(self, dataset: str) -> ClipSpec:
        """Return the clips that were scored of the videos of a dataset. Raises StoreError if this version has no such thing."""
        margins = {test.dataset: test.margin for test in self.record.tests.values()}
        try:
            return self.record.scoring.clip_spec(margins.get(dataset))
        except RecordFault as error:
            raise self.unusable(str(error)) from error

    def unusable(self, why: str) -> StoreError:
        """Return the error for a record of which something that is needed cannot be used."""
        return StoreError(f"{self.folder / NAME} is damaged: {why}", hints=("run again, and name that run",))
