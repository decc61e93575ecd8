"""Training for plugin authors: detectors that dfbench trains and scores, and the parts that trainers of one's own may use.

These names are public; what else lies in the modules below may change. A detector is a `Method` with recipes of a `Recipe`
class; its samples are of the second group, and what a subclass may change is in the third. Then: drawing, devices and memory;
weights of others; and the loop alone, for modules of Lightning. Importing this package does not import torch.

Below: `method`, `recipe` (what a plugin says), `order`, `samples`, `other_faces`, `augmentation`, `loaders` (clips to batches),
`module`, `sharpness`, `schedules`, `muon` (a step), `trainer`, `loop`, `record` (a training and what it leaves behind),
`weights_file`, `state_files`, `starting`, `timm_weights`, `released`, `readers` (weights), `scorer` (a network that scores),
`distributed`, `launchers`, `devices`, `memory`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dfbench.lazy import lazy_names

if TYPE_CHECKING:
    from dfbench.training.augmentation import Augmentation as Augmentation
    from dfbench.training.devices import resolve_device as resolve_device
    from dfbench.training.distributed import gather_values as gather_values
    from dfbench.training.loaders import TrainingClips as TrainingClips
    from dfbench.training.loop import FitResult as FitResult
    from dfbench.training.loop import fit_module as fit_module
    from dfbench.training.memory import in_parts as in_parts
    from dfbench.training.method import Method as Method
    from dfbench.training.method import first_output as first_output
    from dfbench.training.module import MethodModule as MethodModule
    from dfbench.training.order import Address as Address
    from dfbench.training.randomness import drawing_from as drawing_from
    from dfbench.training.recipe import IMAGENET_MEAN as IMAGENET_MEAN
    from dfbench.training.recipe import IMAGENET_STD as IMAGENET_STD
    from dfbench.training.recipe import MANY as MANY
    from dfbench.training.recipe import Recipe as Recipe
    from dfbench.training.record import FitPlan as FitPlan
    from dfbench.training.released import KnownFile as KnownFile
    from dfbench.training.released import PublishedFile as PublishedFile
    from dfbench.training.released import Released as Released
    from dfbench.training.released import one_logit as one_logit
    from dfbench.training.released import renamed as renamed
    from dfbench.training.samples import Batch as Batch
    from dfbench.training.samples import FaceClip as FaceClip
    from dfbench.training.samples import Sample as Sample
    from dfbench.training.samples import SampleMaker as SampleMaker
    from dfbench.training.samples import SamplesFactory as SamplesFactory
    from dfbench.training.samples import check_pair as check_pair
    from dfbench.training.samples import margin_to_cut as margin_to_cut
    from dfbench.training.samples import seen as seen
    from dfbench.training.samples import standard_samples as standard_samples
    from dfbench.training.scorer import MethodDetector as MethodDetector
    from dfbench.training.scorer import Scoring as Scoring
    from dfbench.training.scorer import normalise as normalise
    from dfbench.training.starting import UNKNOWN as UNKNOWN
    from dfbench.training.starting import start_whole as start_whole
    from dfbench.training.state_files import PICKLES as PICKLES
    from dfbench.training.state_files import first_line as first_line
    from dfbench.training.state_files import read_pickle as read_pickle
    from dfbench.training.state_files import read_safetensors as read_safetensors
    from dfbench.training.state_files import require_file as require_file
    from dfbench.training.timm_weights import read_start as read_start
    from dfbench.training.timm_weights import require_timm_name as require_timm_name
    from dfbench.training.trainer import MethodTrainer as MethodTrainer
    from dfbench.training.weights_file import WeightsHeader as WeightsHeader
    from dfbench.training.weights_file import fitted as fitted
    from dfbench.training.weights_file import require_finite as require_finite

if not TYPE_CHECKING:  # to a type checker, a module with __getattr__ has every name
    __getattr__, __all__ = lazy_names(__spec__, elsewhere=("dfbench", "dfbench.data"))
