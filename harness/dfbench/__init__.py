"""dfbench: trustworthy benchmarking of deepfake video detectors.

These are the public names: specs, what plugins and dfbench hand to one another, errors, and the commands as functions. Those
for video files, stored faces and clips are in `dfbench.data`, those for training in `dfbench.training`; a plugin needs nothing
else. Importing this package imports neither torch nor pandas.
"""

# Before all else, `from __future__` included: whatever is imported earlier could come from a stranger's folder.
from dfbench.guard import guard_program  # noqa: F401

# isort: split
from typing import TYPE_CHECKING

from dfbench.lazy import lazy_names
from dfbench.version import VERSION

if TYPE_CHECKING:
    from dfbench.api import boards as boards
    from dfbench.api import compare as compare
    from dfbench.api import export_runs as export_runs
    from dfbench.api import leaderboard as leaderboard
    from dfbench.api import list_runs as list_runs
    from dfbench.api import open_run as open_run
    from dfbench.api import predict as predict
    from dfbench.api import run as run
    from dfbench.api import scores as scores
    from dfbench.api import train as train
    from dfbench.api import verify_runs as verify_runs
    from dfbench.cli.output import print_table as print_table
    from dfbench.cli.output import progress_bars as progress_bars
    from dfbench.cli.output import say as say
    from dfbench.cores import own_cores as own_cores
    from dfbench.csv_text import csv_of as csv_of
    from dfbench.errors import CoverageError as CoverageError
    from dfbench.errors import CoverageWarning as CoverageWarning
    from dfbench.errors import DataError as DataError
    from dfbench.errors import DfbenchError as DfbenchError
    from dfbench.errors import LayoutError as LayoutError
    from dfbench.errors import ManifestError as ManifestError
    from dfbench.errors import MetricError as MetricError
    from dfbench.errors import MissingCompressionError as MissingCompressionError
    from dfbench.errors import MissingVideoError as MissingVideoError
    from dfbench.errors import NoFaceError as NoFaceError
    from dfbench.errors import PluginError as PluginError
    from dfbench.errors import RunError as RunError
    from dfbench.errors import ScoreError as ScoreError
    from dfbench.errors import SettingsError as SettingsError
    from dfbench.errors import SingleClassError as SingleClassError
    from dfbench.errors import StoreError as StoreError
    from dfbench.errors import SynthesisError as SynthesisError
    from dfbench.errors import TooShortError as TooShortError
    from dfbench.errors import UndecodableVideoError as UndecodableVideoError
    from dfbench.errors import UnknownNameError as UnknownNameError
    from dfbench.errors import UnreadableError as UnreadableError
    from dfbench.errors import UsageError as UsageError
    from dfbench.errors import VideoError as VideoError
    from dfbench.errors import WeightsError as WeightsError
    from dfbench.escaping import for_shell as for_shell
    from dfbench.events import TrainingFacts as TrainingFacts
    from dfbench.exchanged import DatasetIndex as DatasetIndex
    from dfbench.exchanged import Evidence as Evidence
    from dfbench.exchanged import FaceFile as FaceFile
    from dfbench.exchanged import Started as Started
    from dfbench.exchanged import StartWeights as StartWeights
    from dfbench.exchanged import Trained as Trained
    from dfbench.exchanged import TrainingNeeds as TrainingNeeds
    from dfbench.exchanged import TrainingRequest as TrainingRequest
    from dfbench.hooks.specs import hookimpl as hookimpl
    from dfbench.identity import canonical_json as canonical_json
    from dfbench.identity import digest_of as digest_of
    from dfbench.identity import identity_of as identity_of
    from dfbench.identity import neutral as neutral
    from dfbench.interfaces import BlendsOtherFaces as BlendsOtherFaces
    from dfbench.interfaces import ChecksStart as ChecksStart
    from dfbench.interfaces import ChoosesClips as ChoosesClips
    from dfbench.interfaces import Dataset as Dataset
    from dfbench.interfaces import Detector as Detector
    from dfbench.interfaces import Explainer as Explainer
    from dfbench.interfaces import FaceFinder as FaceFinder
    from dfbench.interfaces import NeedsStart as NeedsStart
    from dfbench.interfaces import OtherFaces as OtherFaces
    from dfbench.interfaces import Progress as Progress
    from dfbench.interfaces import ProgressTask as ProgressTask
    from dfbench.interfaces import ScoresFiles as ScoresFiles
    from dfbench.interfaces import Synthesizer as Synthesizer
    from dfbench.interfaces import ThoroughFaceFinder as ThoroughFaceFinder
    from dfbench.interfaces import Trainer as Trainer
    from dfbench.results.boards.board import Board as Board
    from dfbench.results.paired import Comparison as Comparison
    from dfbench.results.terminal import DataTable as DataTable
    from dfbench.runs.planning.recipes import parse_overrides as parse_overrides
    from dfbench.runs.records.record import RunRecord as RunRecord
    from dfbench.runs.records.stored_run import StoredRun as StoredRun
    from dfbench.specs import CorpusSpec as CorpusSpec
    from dfbench.specs import DatasetSpec as DatasetSpec
    from dfbench.specs import DetectorCard as DetectorCard
    from dfbench.specs import DetectorSpec as DetectorSpec
    from dfbench.specs import Distortion as Distortion
    from dfbench.specs import EvidenceMap as EvidenceMap
    from dfbench.specs import FaceFinderSpec as FaceFinderSpec
    from dfbench.specs import LoadOptions as LoadOptions
    from dfbench.specs import ProtocolSpec as ProtocolSpec
    from dfbench.specs import SynthesizerSpec as SynthesizerSpec
    from dfbench.specs import TestSet as TestSet
    from dfbench.specs import VideoSelection as VideoSelection
    from dfbench.text import storable as storable
    from dfbench.types import OWN as OWN
    from dfbench.types import ClipSpec as ClipSpec
    from dfbench.types import Counts as Counts
    from dfbench.types import Faces as Faces
    from dfbench.types import FaceTrack as FaceTrack
    from dfbench.types import FrameChoice as FrameChoice
    from dfbench.types import Label as Label
    from dfbench.types import Pooling as Pooling
    from dfbench.types import PrepareSpec as PrepareSpec
    from dfbench.types import PseudoFake as PseudoFake
    from dfbench.types import Sampling as Sampling
    from dfbench.types import Status as Status
    from dfbench.types import Video as Video
    from dfbench.types import World as World

__version__ = VERSION
if not TYPE_CHECKING:  # to a type checker, a module with __getattr__ has every name
    __getattr__, __all__ = lazy_names(__spec__, elsewhere=("dfbench.data", "dfbench.training"))
    __all__ += ["__version__"]
