"""Training: what a detector that is trained imports, and the loop that trains it.

These names are imported when they are used, because some of them import torch and Lightning.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dfbench.training.loaders import Library, TrainingClips, ValidationClips
    from dfbench.training.method import Method, first_output
    from dfbench.training.module import MethodModule
    from dfbench.training.randomness import drawing_from
    from dfbench.training.recipe import IMAGENET_MEAN, IMAGENET_STD, Recipe
    from dfbench.training.samples import Batch, FaceClip, Sample, SampleMaker, standard_samples
    from dfbench.training.scorer import MethodDetector, Scoring, normalise
    from dfbench.training.trainer import MethodTrainer
    from dfbench.training.weights_file import WeightsHeader

_LAZY = {
    "Batch": "samples",
    "FaceClip": "samples",
    "IMAGENET_MEAN": "recipe",
    "IMAGENET_STD": "recipe",
    "Library": "loaders",
    "Method": "method",
    "MethodDetector": "scorer",
    "MethodModule": "module",
    "MethodTrainer": "trainer",
    "Recipe": "recipe",
    "Sample": "samples",
    "SampleMaker": "samples",
    "Scoring": "scorer",
    "TrainingClips": "loaders",
    "ValidationClips": "loaders",
    "WeightsHeader": "weights_file",
    "drawing_from": "randomness",
    "first_output": "method",
    "normalise": "scorer",
    "standard_samples": "samples",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "Batch",
    "FaceClip",
    "Library",
    "Method",
    "MethodDetector",
    "MethodModule",
    "MethodTrainer",
    "Recipe",
    "Sample",
    "SampleMaker",
    "Scoring",
    "TrainingClips",
    "ValidationClips",
    "WeightsHeader",
    "drawing_from",
    "first_output",
    "normalise",
    "standard_samples",
]
