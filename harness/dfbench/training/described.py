"""What is known of a detector before it is built: for `dfbench detectors list` and `show`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from dfbench.errors import PluginError, WeightsError
from dfbench.hooks.plugin_code import running
from dfbench.hooks.recipe_names import recipe_names
from dfbench.hooks.registry import Kind, Registered, load_object

if TYPE_CHECKING:
    from dfbench.hooks.registry import Registry
    from dfbench.specs import DetectorSpec
    from dfbench.training.method import Method
    from dfbench.training.recipe import Recipe
    from dfbench.training.trainer import MethodTrainer


@dataclass(frozen=True, slots=True)
class RecipeFacts:
    """Holds what a recipe of a `Method` says of input, training and score.

    `size` is in px, `margin` the share of the face box that a crop adds on each side. `learns_from`: "real and fake videos", or
    the synthesizer whose pseudo-fakes it sees. `needs_start`: why a training by it must be given weights to begin with, and
    `start_hints` how; "" if it begins with random ones, None if that was not asked. `fields`: all fields of the recipe.
    """

    name: str
    frames: int
    size: int
    margin: float
    clips_per_video: int
    pooling: str
    learns_from: str
    epochs: int
    fields: dict[str, Any]
    needs_start: str | None = None
    start_hints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DetectorFacts:
    """Holds what is known of a detector before it is built.

    `name` is "NAME:MEMBER" with the word NAME for a family. `trained`: whether `dfbench train` trains it. `recipes` are empty for
    a detector that dfbench does not train by a `Method`; `recipe_names` has the names of foreign trainers too, `default` and
    `demo` those for real and for made data. `released`: whose public checkpoints it reads. `problem`: why its plugin could not
    say more.
    """

    name: str
    plugin: str
    version: str = ""
    trained: bool = False
    needs_weights: bool = False
    trained_on: tuple[str, ...] | None = None
    sees: str = ""
    recipe_names: tuple[str, ...] = ()
    default: str = ""
    demo: str = ""
    recipes: tuple[RecipeFacts, ...] = ()
    released: tuple[str, ...] = ()
    maps: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ()
    problem: str = ""

    @property
    def learns_from(self) -> str:
        """What the default recipe learns from; "" for a detector that is not trained by a `Method`."""
        return next((one.learns_from for one in self.recipes if one.name == self.default), "")


def all_detectors(registry: Registry) -> list[DetectorFacts]:
    """Return the facts of every registered detector and family, sorted by name.

    The methods of detectors are imported for that, and no network is built. What a plugin raises becomes `problem`.
    """
    names: Iterable[str] = [*registry.names(Kind.DETECTOR), *registry.families()]
    offers = [registry.offer(Kind.DETECTOR, name) for name in sorted(names)]
    return [_listed_or_not(offer) for offer in offers if offer is not None]


def detector_facts(name: str, registry: Registry) -> DetectorFacts:
    """Return the facts of the detector called `name`, such as "xception" or "timm:resnet18".

    Raises UnknownNameError for a name that no detector has, and PluginError for a method that cannot be used.
    """
    spec = registry.detector(name)
    offer = registry.offer(Kind.DETECTOR, name)
    assert offer is not None  # else `detector` had raised
    method = _method_of(spec)
    if method is None:
        return _facts(offer, ())
    found = []
    with running(spec, "to read its recipes"):
        for recipe in recipe_names(spec).names:
            # of a member of a family, its trainer alone knows the fields that the member's name decides
            trainer = method.trainer(recipe, {})
            found.append(_with_start(trainer, method.recipe.parse(trainer.recipe())))
    return _facts(offer, found)


def _method_of(spec: DetectorSpec) -> Method | None:
    if not spec.method or spec.family:
        return None
    method: Any = load_object(spec.method)
    return cast("Method", method)


def _listed_or_not(offer: Registered) -> DetectorFacts:
    try:
        return _listed(offer)
    except PluginError as error:
        return DetectorFacts(name=offer.listed_as, plugin=offer.plugin, problem=error.headline)


def _listed(offer: Registered) -> DetectorFacts:
    spec: DetectorSpec = offer.spec  # type: ignore[assignment] # of its kind
    method = _method_of(spec)
    if method is None:
        return _facts(offer, ())
    with running(spec, "to read its recipes"):
        return _facts(offer, [_recipe_facts(method.recipe.load(name)) for name in recipe_names(spec).names])


def _facts(offer: Registered, recipes: Sequence[RecipeFacts]) -> DetectorFacts:
    spec: DetectorSpec = offer.spec  # type: ignore[assignment] # of its kind
    names = None if spec.family else recipe_names(spec)
    method = _method_of(spec)
    default = names.default if names else ""
    usual = next((one for one in recipes if one.name == default), None)
    return DetectorFacts(
        name=offer.listed_as,
        plugin=offer.plugin,
        version=spec.version,
        trained=bool(spec.method or spec.trainer),
        needs_weights=spec.needs_weights,
        trained_on=None if spec.trained_on is None else tuple(sorted(spec.trained_on)),
        sees="" if spec.family else _sees(spec, usual),
        recipe_names=names.names if names else (),
        default=default,
        demo=names.demo if names else "",
        recipes=tuple(recipes),
        released=tuple(kind.says for kind in method.released) if method else (),
        maps=spec.maps,
        precisions=spec.precisions,
    )


def _sees(spec: DetectorSpec, usual: RecipeFacts | None) -> str:
    """Say in words what a detector is shown at a time."""
    if usual is not None:
        return in_words(usual.frames, usual.size)
    return "what its weights say" if spec.describe else in_words(spec.clips.frames, spec.clips.size)


def in_words(frames: int, size: int) -> str:
    """Return how clips of `frames` frames of `size` px are called, such as "16 frames of 224 px"."""
    return f"{'1 frame' if frames == 1 else f'{frames} frames'} of {size} px"


def _recipe_facts(recipe: Recipe) -> RecipeFacts:
    made = f"{recipe.synthesizer} of real videos"
    return RecipeFacts(
        name=recipe.name,
        frames=recipe.frames,
        size=recipe.size,
        margin=recipe.clip_margin,
        clips_per_video=recipe.clips_per_video,
        pooling=str(recipe.pooling),
        learns_from=made if recipe.fakes == "pseudo" else "real and fake videos",
        epochs=recipe.epochs,
        fields=recipe.model_dump(mode="json"),
    )


def _with_start(trainer: MethodTrainer, recipe: Recipe) -> RecipeFacts:
    facts = _recipe_facts(recipe)
    try:
        trainer.require_start()
    except WeightsError as error:
        return replace(facts, needs_start=error.headline, start_hints=tuple(error.hints))
    return replace(facts, needs_start="")
