"""dfbench: trustworthy benchmarking of deepfake video detectors.

These are the public names; a plugin author needs nothing else. Importing this module never imports torch.
"""

# Before all else, `from __future__` included: whatever is imported earlier could come from a stranger's folder.
from dfbench.guard import guard_program  # noqa: F401

# isort: split
from typing import TYPE_CHECKING, Any

from dfbench.cores import own_cores
from dfbench.errors import (
    CoverageError,
    CoverageWarning,
    DataError,
    DfbenchError,
    LayoutError,
    ManifestError,
    MetricError,
    MissingCompressionError,
    MissingVideoError,
    NoFaceError,
    PluginError,
    RunError,
    ScoreError,
    SettingsError,
    SingleClassError,
    StoreError,
    SynthesisError,
    TooShortError,
    UndecodableVideoError,
    UnknownNameError,
    UnreadableError,
    UsageError,
    VideoError,
    WeightsError,
)
from dfbench.escaping import for_shell
from dfbench.events import RunFacts, TrainingFacts
from dfbench.exchanged import (
    DatasetIndex,
    Evidence,
    FaceFile,
    Started,
    StartWeights,
    Trained,
    TrainingNeeds,
    TrainingRequest,
)
from dfbench.hooks.specs import hookimpl
from dfbench.identity import canonical_json, digest_of, identity_of, neutral
from dfbench.interfaces import (
    ChecksStart,
    ChoosesClips,
    Dataset,
    Detector,
    Explainer,
    FaceFinder,
    Progress,
    ProgressTask,
    Synthesizer,
    ThoroughFaceFinder,
    Trainer,
)
from dfbench.specs import (
    CorpusSpec,
    DatasetSpec,
    DetectorCard,
    DetectorSpec,
    Distortion,
    EvidenceMap,
    FaceFinderSpec,
    LoadOptions,
    ProtocolSpec,
    SynthesizerSpec,
    TestSet,
    VideoSelection,
)
from dfbench.text import storable
from dfbench.types import (
    OWN,
    ClipSpec,
    Counts,
    Faces,
    FaceTrack,
    FrameChoice,
    Label,
    Pooling,
    PrepareSpec,
    PseudoFake,
    Sampling,
    Status,
    Video,
    World,
)
from dfbench.version import VERSION

if TYPE_CHECKING:
    from dfbench.api import (
        boards,
        compare,
        export_runs,
        leaderboard,
        list_runs,
        predict,
        run,
        scores,
        train,
        verify_runs,
    )
    from dfbench.cli.output import say
    from dfbench.data.clips import cut_crops, cut_landmarks
    from dfbench.data.datasets.corpus_card import CORPUS_FILE
    from dfbench.data.faces.landmarks import landmark_file
    from dfbench.data.faces.tracking import merged_faces, not_overlapping, unmatched
    from dfbench.data.folders import folder_fault
    from dfbench.data.images.file_kinds import (
        is_archive_name,
        is_companion_name,
        is_frame_name,
        is_video_name,
    )
    from dfbench.data.images.sequences import archive_folders, natural_key
    from dfbench.data.store.face_files import StoredFaces, read_faces, read_track
    from dfbench.results.boards.board import Board
    from dfbench.results.paired import Comparison
    from dfbench.training.devices import resolve_device
    from dfbench.training.distributed import gather_values
    from dfbench.training.loop import FitResult, fit_module
    from dfbench.training.record import FitPlan

__version__ = VERSION

# Reached through __getattr__, because what is behind them imports pandas, OpenCV or torch.
_LAZY = {
    "boards": "dfbench.api",
    "compare": "dfbench.api",
    "export_runs": "dfbench.api",
    "leaderboard": "dfbench.api",
    "list_runs": "dfbench.api",
    "predict": "dfbench.api",
    "run": "dfbench.api",
    "scores": "dfbench.api",
    "train": "dfbench.api",
    "verify_runs": "dfbench.api",
    "say": "dfbench.cli.output",
    "Board": "dfbench.results.boards.board",
    "Comparison": "dfbench.results.paired",
    "cut_crops": "dfbench.data.clips",
    "cut_landmarks": "dfbench.data.clips",
    "unmatched": "dfbench.data.faces.tracking",
    "not_overlapping": "dfbench.data.faces.tracking",
    "merged_faces": "dfbench.data.faces.tracking",
    "folder_fault": "dfbench.data.folders",
    "archive_folders": "dfbench.data.images.sequences",
    "CORPUS_FILE": "dfbench.data.datasets.corpus_card",
    "is_archive_name": "dfbench.data.images.file_kinds",
    "is_companion_name": "dfbench.data.images.file_kinds",
    "is_frame_name": "dfbench.data.images.file_kinds",
    "is_video_name": "dfbench.data.images.file_kinds",
    "natural_key": "dfbench.data.images.sequences",
    "landmark_file": "dfbench.data.faces.landmarks",
    "StoredFaces": "dfbench.data.store.face_files",
    "read_faces": "dfbench.data.store.face_files",
    "read_track": "dfbench.data.store.face_files",
    "gather_values": "dfbench.training.distributed",
    "FitPlan": "dfbench.training.record",
    "FitResult": "dfbench.training.loop",
    "fit_module": "dfbench.training.loop",
    "resolve_device": "dfbench.training.devices",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'dfbench' has no attribute {name!r}")


__all__ = [
    "CORPUS_FILE",
    "OWN",
    "Board",
    "ChecksStart",
    "ChoosesClips",
    "ClipSpec",
    "Comparison",
    "CorpusSpec",
    "Counts",
    "CoverageError",
    "CoverageWarning",
    "DataError",
    "Dataset",
    "DatasetIndex",
    "DatasetSpec",
    "Detector",
    "DetectorCard",
    "DetectorSpec",
    "DfbenchError",
    "Distortion",
    "Evidence",
    "EvidenceMap",
    "Explainer",
    "FaceFile",
    "FaceFinder",
    "FaceFinderSpec",
    "FaceTrack",
    "Faces",
    "FitPlan",
    "FitResult",
    "FrameChoice",
    "Label",
    "LayoutError",
    "LoadOptions",
    "ManifestError",
    "MetricError",
    "MissingCompressionError",
    "MissingVideoError",
    "NoFaceError",
    "PluginError",
    "Pooling",
    "PrepareSpec",
    "Progress",
    "ProgressTask",
    "ProtocolSpec",
    "PseudoFake",
    "RunError",
    "RunFacts",
    "Sampling",
    "ScoreError",
    "SettingsError",
    "SingleClassError",
    "StartWeights",
    "Started",
    "Status",
    "StoreError",
    "StoredFaces",
    "SynthesisError",
    "Synthesizer",
    "SynthesizerSpec",
    "TestSet",
    "ThoroughFaceFinder",
    "TooShortError",
    "Trained",
    "Trainer",
    "TrainingFacts",
    "TrainingNeeds",
    "TrainingRequest",
    "UndecodableVideoError",
    "UnknownNameError",
    "UnreadableError",
    "UsageError",
    "Video",
    "VideoError",
    "VideoSelection",
    "WeightsError",
    "World",
    "__version__",
    "archive_folders",
    "boards",
    "canonical_json",
    "compare",
    "cut_crops",
    "cut_landmarks",
    "digest_of",
    "export_runs",
    "fit_module",
    "folder_fault",
    "for_shell",
    "gather_values",
    "hookimpl",
    "identity_of",
    "is_archive_name",
    "is_companion_name",
    "is_frame_name",
    "is_video_name",
    "landmark_file",
    "leaderboard",
    "list_runs",
    "merged_faces",
    "natural_key",
    "neutral",
    "not_overlapping",
    "own_cores",
    "predict",
    "read_faces",
    "read_track",
    "resolve_device",
    "run",
    "say",
    "scores",
    "storable",
    "train",
    "unmatched",
    "verify_runs",
]
