"""The trainer of a detector: by which recipe, from which weights, and what it needs."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, cast

from dfbench.errors import PluginError, UsageError, WeightsError
from dfbench.exchanged import StartWeights, TrainingNeeds
from dfbench.hooks.plugin_code import running
from dfbench.hooks.recipe_names import recipe_names
from dfbench.hooks.registry import load_object
from dfbench.interfaces import Synthesizer, Trainer, TrainerFactory
from dfbench.training.recipe import NO_SYNTHESIZER
from dfbench.types import PrepareSpec

if TYPE_CHECKING:
    from dfbench.hooks.registry import Registry
    from dfbench.specs import DetectorSpec


def trainer_of(
    spec: DetectorSpec,
    registry: Registry,
    recipe: str,
    overrides: Mapping[str, str],
    *,
    made: bool,
    synthesizer: str = "",
) -> tuple[str, Trainer]:
    """The recipe and the trainer of a detector; "" is its own, or that for corpora that were `made`.

    `synthesizer`: the one to train with, "none" for the fakes of the data set, "" for what the recipe says. Raises
    UsageError, UnknownNameError.
    """
    if not spec.trainer:
        raise UsageError(
            f"detector '{spec.name}' cannot be trained", hints=("give its weights with --weights",)
        )
    recipe = recipe_names(spec).choose(recipe, made=made)
    factory = cast("TrainerFactory", load_object(spec.trainer))
    chosen = _chosen(synthesizer, spec, factory, registry) if synthesizer else {}
    with running(spec, f"to make a trainer of recipe '{recipe}'"):
        return recipe, factory(recipe, overrides, **chosen)


def _chosen(name: str, spec: DetectorSpec, factory: object, registry: Registry) -> dict[str, str]:
    """What a trainer factory is given for `--synthesizer`: the synthesizer's own name. Raises UsageError, UnknownNameError."""
    if name != NO_SYNTHESIZER:
        name = registry.synthesizer(name).name
    if not callable(factory) or "synthesizer" not in signature(factory).parameters:
        raise UsageError(
            f"detector '{spec.name}' is trained by a trainer of its own, which takes no --synthesizer",
            hints=("leave out --synthesizer", "its recipe may have a field for it: --set FIELD=..."),
        )
    return {"synthesizer": name}


def needs_of(spec: DetectorSpec, trainer: Trainer) -> TrainingNeeds:
    """What the trainer of a detector wants to be prepared. Raises PluginError if it does not say."""
    with running(spec, "to say what its training needs"):
        needs: object = trainer.needs()
    if not isinstance(needs, TrainingNeeds):
        raise PluginError(
            f"detector '{spec.name}': needs() of its trainer returned {type(needs).__name__}, not TrainingNeeds"
        )
    for name in ("prepare", "prepare_validation"):
        wanted: object = getattr(needs, name)
        fault = wanted.fault() if isinstance(wanted, PrepareSpec) else f"it is {wanted!r}, not a PrepareSpec"
        if fault:
            raise PluginError(
                f"detector '{spec.name}': needs() of its trainer returned {name}, of which {fault}"
            )
    return needs


def synthesizer_of(needs: TrainingNeeds, registry: Registry) -> Synthesizer:
    """The synthesizer that a training needs, built. Raises UnknownNameError, PluginError."""
    spec = registry.synthesizer(needs.synthesizer)
    build = load_object(spec.build)
    if not callable(build):
        raise PluginError(f"synthesizer '{spec.name}': {spec.build} is not callable")
    with running(spec, "when it was built"):
        return cast("Synthesizer", build(needs.synthesizer_options))


def start_weights(start: str) -> StartWeights:
    """The weights that FILE or HOW=FILE names; a detector knows what HOW means. Raises WeightsError if there is no such file."""
    how, _, file = ("", "", start) if Path(start).is_file() else start.partition("=")
    path = Path(file or how)
    if not path.is_file():
        raise WeightsError(f"there is no weights file {path}", hints=("correct --start",))
    return StartWeights(path, how if file else "")
