"""Describe a detector that dfbench trains: its network, its loss, and its recipes.

A plugin offers a `Method` by its import path in `DetectorSpec.method`. The module that defines it is imported when a recipe is
used, so it should import torch inside of its functions only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from dfbench.errors import UsageError, WeightsError
from dfbench.escaping import for_shell
from dfbench.exchanged import Started, StartWeights
from dfbench.hooks.registry import load_object
from dfbench.specs import DetectorCard
from dfbench.training.samples import SamplesFactory, standard_samples
from dfbench.types import FULL_PRECISION, OFFICIAL

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from dfbench.specs import LoadOptions
    from dfbench.training.recipe import Recipe
    from dfbench.training.released import PublishedFile, Released, ReleasedState
    from dfbench.training.samples import Batch
    from dfbench.training.scorer import MethodDetector, Scoring
    from dfbench.training.trainer import MethodTrainer
    from dfbench.training.weights_file import WeightsHeader


class NetworkFactory(Protocol):
    """Builds the network of a method."""

    def __call__(self, recipe: Any, *, seed: int) -> nn.Module:
        """Return the network of a recipe, in float32 on the CPU, with weights that depend on `seed` only."""


class Logit(Protocol):
    """Computes the logits of clips."""

    def __call__(self, net: Any, clips: Tensor, /) -> Tensor:
        """Return the logit of "fake" (B,) of normalised clips (B, 3, T, S, S)."""


class Loss(Protocol):
    """Computes the loss of a batch."""

    def __call__(self, net: Any, clips: Tensor, batch: Batch, recipe: Any, /) -> Mapping[str, Tensor]:
        """Return named scalars, whose sum is minimised. `clips` (B, 3, T, S, S) are the normalised clips of the batch."""


class ScoringFactory(Protocol):
    """Prepares a network for scoring."""

    def __call__(self, method: Method, net: Any, precision: str, device: torch.device, /) -> Scoring:
        """Return the network ready to score in this precision on this device. Raises UsageError if it cannot."""


def first_output(net: Any, clips: Tensor) -> Tensor:
    """Return the first number that `net` outputs for each clip: the logits of networks that return (B,) or (B, 1)."""
    outputs: Tensor = net(clips)
    return outputs.reshape(len(clips), -1)[:, 0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """Describes a detector that dfbench trains and scores. Fields that are left out have standard behaviour.

    `name` marks its weights files. `recipe` is its class of recipes, whose `package` contains their TOML files.
    `network(recipe, seed=...)` builds the network; `logit(net, clips)` computes its logits. `loss(net, clips, batch, recipe)`
    returns named terms (None: the cross-entropy of the logit); those in `terms` are shown beside the progress bar.
    `samples(recipe, synthesizer, training=...)` builds the maker of samples.

    `start(net, weights)` loads weights to start from. "" loads those of the same network; if `head(net)` returns the last
    layer, weights trained for another purpose are loaded without it. `needs_start(recipe)` raises WeightsError if a training by
    this recipe must be given weights to start from and would otherwise begin with random ones.
    `frozen(net)` returns the part that is not trained during
    the first `Recipe.frozen_epochs` epochs. `scoring(method, net, precision, device)` prepares the network for scoring.
    `module` and `clips` are import paths of subclasses of `MethodModule` and `TrainingClips`, for what no other field can
    express; `samples`, `start` and `scoring` may be import paths too, if their modules import torch. `ways_out` are hints for
    a user without usable weights. `released` are public checkpoints of others that fit the network. `starts_from(recipe)`
    returns the public file that a training by this recipe begins with, None for random weights.
    """

    name: str
    recipe: type[Recipe]
    network: NetworkFactory
    logit: Logit = first_output
    loss: Loss | None = None
    terms: tuple[str, ...] = ()
    samples: SamplesFactory | str = standard_samples
    start: Callable[[Any, StartWeights], Started] | str = ""
    needs_start: Callable[[Any], None] | None = None
    head: Callable[[Any], nn.Module] | None = None
    frozen: Callable[[Any], nn.Module] | None = None
    scoring: ScoringFactory | str = "dfbench.training.scorer:plain_scoring"
    module: str = "dfbench.training.module:MethodModule"
    clips: str = "dfbench.training.loaders:TrainingClips"
    ways_out: tuple[str, ...] = ()
    released: tuple[Released, ...] = ()
    starts_from: Callable[[Any], PublishedFile | None] | None = None

    def part(self, name: str) -> Any:
        """Return the value of a field, imported if it is an import path."""
        value = getattr(self, name)
        return load_object(value) if isinstance(value, str) and value else value

    def trainer(self, recipe: str, overrides: Mapping[str, str], synthesizer: str = "") -> MethodTrainer:
        """Return the trainer for a recipe with changed fields. Raises UsageError for a field or value that does not fit.

        `synthesizer` replaces the one of the recipe; "none" means the fakes of the dataset, "" leaves the recipe as it is.
        """
        from dfbench.training.trainer import MethodTrainer

        return MethodTrainer(self, self.load_recipe(recipe, overrides, synthesizer))

    def load_recipe(
        self, name: str, overrides: Mapping[str, str] | None = None, synthesizer: str = ""
    ) -> Recipe:
        """Return the recipe called `name` with changed fields. Raises UnknownNameError and UsageError as `Recipe.load`.

        A method whose detector's name decides on fields, such as a member of a family, sets them here.
        """
        return self.recipe.load(name, overrides, synthesizer=synthesizer)

    def known_files(self) -> tuple[PublishedFile, ...]:
        """Return the public checkpoints that are known by their SHA-256, for the card of the detector."""
        from dfbench.training.released import known_files

        return known_files(self.released)

    def hints(self) -> tuple[str, ...]:
        """Return what a user without usable weights can do."""
        return self.ways_out or (f"train weights:  dfbench train --detector {for_shell(self.name)}",)

    def header(self, weights: Path) -> WeightsHeader[Any]:
        """Return the header of a weights file of this method. Raises WeightsError."""
        from dfbench.training.weights_file import read_header

        return read_header(weights, family=self.name, parse=self.recipe.parse, hints=self.hints())

    def describe(self, options: LoadOptions) -> DetectorCard:
        """Return the card of a detector with the weights of `options`; only the header of the file is read.

        Raises WeightsError, and UsageError for a recipe, because the weights store their own, or for a change that does not
        fit.
        """
        if options.weights is None:
            raise WeightsError(f"{self.name} needs trained weights", hints=self.hints())
        found = self._public(options.weights)
        if found is not None:
            recipe, carries = self._read_as(found), "is scored by the recipe of such files,"
        else:
            header = self.header(options.weights)
            recipe, carries = header.recipe, "carries its own recipe,"
        if options.recipe:
            raise UsageError(f"{options.weights} {carries} '{recipe.label()}'", hints=("leave out --recipe",))
        changed = self._changed(recipe, options.changes)
        if found is None:
            return header.card(changed)
        return DetectorCard(
            clips=changed.clips(),
            pooling=changed.pooling,
            trained_on=found.known.trained_on,
            train_compression=found.known.compression,
            recipe=changed.label(recipe),
            margins=changed.margins(),
            details={"source": found.kind.says, "sha256": found.sha256, "recipe": changed.identity()},
            corpora=frozenset({OFFICIAL}) if found.known.trained_on else None,
        )

    def load(self, weights: Path) -> tuple[nn.Module, Recipe]:
        """Return the network with the weights of a file, in evaluation mode on the CPU, and its recipe.

        Raises WeightsError if the file is missing, damaged, made for another network, or contains NaN.
        """
        from dfbench.training.state_files import read_safetensors
        from dfbench.training.weights_file import fitted, require_finite

        found = self._public(weights)
        recipe = self.header(weights).recipe if found is None else self._read_as(found)
        net = self.network(recipe, seed=0)
        says = f"{weights} does not fit recipe '{recipe.name}'"
        state = read_safetensors(weights, hints=self.hints()) if found is None else found.state
        state = fitted(net.state_dict(), state, says=says, hints=self.hints())
        require_finite(state, origin=weights, hints=self.hints())
        net.load_state_dict(state)
        return net.eval(), recipe

    def build(self, options: LoadOptions) -> MethodDetector:
        """Load the detector with trained weights; scoring draws nothing from the seed. Raises WeightsError, UsageError."""
        if options.weights is None:
            raise WeightsError(f"{self.name} needs trained weights", hints=self.hints())
        net, recipe = self.load(options.weights)
        return self.detector(net, self._changed(recipe, options.changes), options.device, options.precision)

    def detector(
        self, net: nn.Module, recipe: Recipe, device: str, precision: str = FULL_PRECISION
    ) -> MethodDetector:
        """Return the detector of a network of this recipe. Raises UsageError for an unusable device or precision."""
        from dfbench.training.devices import resolve_device
        from dfbench.training.scorer import MethodDetector

        place = resolve_device(device)
        scoring: Scoring = self.part("scoring")(self, net, precision, place)
        return MethodDetector(
            self.name,
            scoring,
            place,
            frames=recipe.frames,
            size=recipe.size,
            mean=recipe.mean,
            std=recipe.std,
        )

    def begin(self, net: nn.Module, weights: StartWeights) -> Started:
        """Load into `net` the weights that a training starts from, and return a description of them.

        Raises WeightsError or UsageError if they do not fit.
        """
        from dfbench.training.starting import start_whole

        start: Callable[[nn.Module, StartWeights], Started] | str = self.part("start")
        return start_whole(self, net, weights) if isinstance(start, str) else start(net, weights)

    def _public(self, weights: Path) -> ReleasedState | None:
        """The public checkpoint in a file; None if dfbench wrote it, or if this method reads none. Raises WeightsError."""
        from dfbench.training.released import read_released

        if not self.released:
            return None
        return read_released(weights, self.released, detector=self.name, hints=self.hints())

    def _read_as(self, found: ReleasedState) -> Recipe:
        """The recipe by which a public checkpoint is scored, called as the file is."""
        recipe = self.load_recipe(found.kind.recipe)
        return self.recipe.parse({**recipe.model_dump(), "name": found.known.name})

    def _changed(self, recipe: Recipe, changes: Mapping[str, str]) -> Recipe:
        return self.recipe.parse({**recipe.model_dump(), **changes}) if changes else recipe
