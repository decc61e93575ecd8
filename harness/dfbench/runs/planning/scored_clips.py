"""Which clips a detector will score, before it has weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dfbench.errors import UsageError
from dfbench.hooks.plugin_code import running
from dfbench.interfaces import ChoosesClips
from dfbench.runs.planning.refusals import load_options
from dfbench.runs.planning.trainers import trainer_of
from dfbench.training.readers import card_with
from dfbench.types import ClipSpec

if TYPE_CHECKING:
    from dfbench.hooks.registry import Registry
    from dfbench.runs.planning.requests import ScoringRequest


def scored_clips(request: ScoringRequest, registry: Registry, *, made: bool) -> ClipSpec:
    """The clips that a run by `request` will score: those of its weights, or of those that its training will leave.

    `made`: the data are, and the recipe that goes with such is meant if none is named. Raises UsageError for a recipe
    without a training, and for one that cannot change given weights.
    """
    spec = registry.detector(request.detector)
    if request.weights is not None:
        return card_with(spec, load_options(request, spec), registry).clips
    asked = bool(request.recipe or request.overrides or request.synthesizer)
    if not spec.trainer:
        if asked:
            raise UsageError(
                f"detector '{spec.name}' cannot be trained, and has no recipe",
                hints=("leave out --recipe and --set",),
            )
        return spec.clips
    if not (spec.needs_weights or asked):
        return spec.clips
    _, trainer = trainer_of(
        spec, registry, request.recipe, request.overrides, made=made, synthesizer=request.synthesizer
    )
    if not isinstance(trainer, ChoosesClips):
        return spec.clips
    with running(spec, "to say which clips its training will have scored"):
        return trainer.clips()
