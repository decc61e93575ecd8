"""What is known of a detector before it is built: for `dfbench detectors list` and `show`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, cast

from dfbench.errors import DfbenchError, WeightsError
from dfbench.hooks.cards import Card, card_of_work
from dfbench.hooks.plugin_code import running
from dfbench.hooks.recipe_names import RecipeNames, recipe_names
from dfbench.hooks.registry import Kind, Registered, load_object
from dfbench.specs import DetectorSpec

if TYPE_CHECKING:
    from dfbench.hooks.registry import Registry
    from dfbench.training.method import Method
    from dfbench.training.recipe import Recipe
    from dfbench.training.released import PublishedFile


@dataclass(frozen=True, slots=True)
class DescribedRecipe:
    """Holds a recipe, and the error that a training by it ends with if it is given no weights to start from.

    `needs_start` is None if the training begins with random weights, or if that was not asked. `start` is the public file that
    the training begins with, if the method names one.
    """

    recipe: Recipe
    needs_start: WeightsError | None = None
    start: PublishedFile | None = None

    def to_json(self) -> dict[str, Any]:
        """Return all fields of the recipe, and under "needs_start" what its training must begin with and how, or None."""
        error, file = self.needs_start, self.start
        reason = None if error is None else {"reason": error.headline, "hints": list(error.hints)}
        return {
            **self.recipe.model_dump(mode="json"),
            "needs_start": reason,
            "start": None if file is None else asdict(file),
        }


@dataclass(frozen=True, slots=True)
class DescribedDetector:
    """Holds a registered detector with its card and its recipes.

    `names` has the recipes of foreign trainers too; `recipes` are empty for a detector without a `Method`. `released` says whose
    public checkpoints it reads, and `files` are those that are known by their SHA-256. `problem` says why its plugin could not
    tell any of these; there is then no `card`.
    """

    offer: Registered
    names: RecipeNames
    card: Card | None = None
    recipes: tuple[DescribedRecipe, ...] = ()
    released: tuple[str, ...] = ()
    files: tuple[PublishedFile, ...] = ()
    problem: str = ""

    @property
    def spec(self) -> DetectorSpec:
        """Return the spec; of a family, that of the family."""
        return cast("DetectorSpec", self.offer.spec)

    @property
    def usual(self) -> Recipe | None:
        """Return the recipe for real data; None for a detector without a `Method`."""
        return next((one.recipe for one in self.recipes if one.recipe.name == self.names.default), None)

    def to_json(self) -> dict[str, Any]:
        """Return what `dfbench detectors --json` prints."""
        spec = self.spec
        fixed = not (spec.describe or spec.family)  # else weights or members decide on the clips
        return {
            "name": self.offer.listed_as,
            "plugin": self.offer.plugin,
            "version": spec.version,
            "family": spec.family,
            "trained": bool(spec.method or spec.trainer),
            "needs_weights": spec.needs_weights,
            "trained_on": None if spec.trained_on is None else sorted(spec.trained_on),
            "clips": asdict(spec.clips) if fixed else None,
            "precisions": list(spec.precisions),
            "maps": list(spec.maps),
            "recipe_names": list(self.names.names),
            "default_recipe": self.names.default,
            "demo_recipe": self.names.demo,
            "recipes": [one.to_json() for one in self.recipes],
            "released": list(self.released),
            "files": [asdict(file) for file in self.files],
            "card": None if self.card is None else self.card.model_dump(mode="json"),
            "problem": self.problem,
        }


def all_detectors(registry: Registry) -> list[DescribedDetector]:
    """Return every registered detector and family, sorted by name; what a plugin raises is the `problem` of its detector.

    Methods and recipes are read for that; no network is built, and whether trainings need weights is not asked.
    """
    names = sorted([*registry.names(Kind.DETECTOR), *registry.families()])
    offers = [offer for name in names if (offer := registry.offer(Kind.DETECTOR, name))]
    return [_described_or_not(offer) for offer in offers]


def detector_described(name: str, registry: Registry) -> DescribedDetector:
    """Return the detector called `name`, such as "xception" or "timm:resnet18", and what its trainings must begin with.

    Raises UnknownNameError for a name that no detector has, UsageError for a member that its family does not know, and
    PluginError for a method that cannot be used.
    """
    registry.detector(name)  # which says what is known instead
    offer = cast("Registered", registry.offer(Kind.DETECTOR, name))
    return _described(offer, _with_start)


def _described_or_not(offer: Registered) -> DescribedDetector:
    try:
        return _described(offer, lambda _, recipe: DescribedRecipe(recipe))
    except DfbenchError as error:
        return DescribedDetector(offer, RecipeNames(offer.spec.name), problem=error.headline)


def _described(offer: Registered, describe: Callable[[Method, Recipe], DescribedRecipe]) -> DescribedDetector:
    spec = cast("DetectorSpec", offer.spec)
    card = card_of_work(spec)
    if spec.family:
        return DescribedDetector(offer, RecipeNames(spec.name), card)
    names = recipe_names(spec)
    if not spec.method:
        return DescribedDetector(offer, names, card)
    method: Any = load_object(spec.method)
    with running(spec, "to read its recipes"):
        recipes = tuple(describe(method, method.load_recipe(name)) for name in names.names)
        released = tuple(kind.says for kind in method.released)
        files = method.known_files()
    return DescribedDetector(offer, names, card, recipes, released, files)


def _with_start(method: Method, recipe: Recipe) -> DescribedRecipe:
    error = None
    if method.needs_start is not None:
        try:
            method.needs_start(recipe)
        except WeightsError as raised:
            error = raised
    return DescribedRecipe(recipe, error, None if method.starts_from is None else method.starts_from(recipe))
