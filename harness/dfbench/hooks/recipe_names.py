"""By which recipes a detector can be trained, and which of them is taken when nobody names one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dfbench.errors import PluginError, unknown_name
from dfbench.hooks.plugin_code import running
from dfbench.hooks.registry import load_object
from dfbench.names import name_fault, shown
from dfbench.specs import DEMO_RECIPE, DetectorSpec


@dataclass(frozen=True, slots=True)
class RecipeNames:
    """Holds the names of a detector's recipes: all, the one for real data, and the one for corpora that are made here.

    Of a detector that cannot be trained, all three are empty.
    """

    detector: str
    names: tuple[str, ...] = ()
    default: str = ""
    demo: str = ""

    def choose(self, name: str, *, made: bool) -> str:
        """Return the recipe called `name`; for "", the default of corpora that are `made` here or of others.

        Raises UnknownNameError for a name that is none of them.
        """
        name = name or (self.demo if made else "") or self.default
        if name not in self.names:
            raise unknown_name("recipe", name, self.names, where=f"detector {self.detector!r}")
        return name


def recipe_names(spec: DetectorSpec) -> RecipeNames:
    """Return the recipes that a spec names or else those of its method, which are the TOML files in its package of recipes.

    The method is imported for that. Raises PluginError if it has no usable recipes, or several and the spec names no default.
    """
    if spec.recipes or not spec.method:
        return RecipeNames(spec.name, spec.recipes, spec.default_recipe, spec.demo_recipe)
    method: Any = load_object(spec.method)
    with running(spec, "to name its recipes"):
        names = tuple(method.recipe.names())
    for name in names:
        if fault := name_fault(name):
            raise PluginError(f"detector {spec.name!r} has a recipe {shown(name)}, which {fault}")
    default = spec.default_recipe or _usual(names)
    demo = spec.demo_recipe or (DEMO_RECIPE if DEMO_RECIPE in names else default)
    for field, name in (("default_recipe", default), ("demo_recipe", demo)):
        if name not in names:
            raise _unusable(spec, field, name, names)
    return RecipeNames(spec.name, names, default, demo)


def _usual(names: Sequence[str]) -> str:
    """Return the only recipe besides "demo", or "demo" if it is the only one; "" if there are several others."""
    others = [name for name in names if name != DEMO_RECIPE] or list(names)
    return others[0] if len(others) == 1 else ""


def _unusable(spec: DetectorSpec, field: str, name: str, names: Sequence[str]) -> PluginError:
    if not names:
        return PluginError(
            f"detector {spec.name!r} has no recipe: there is no TOML file in its package of recipes"
        )
    what = f"{field} {name!r}, which is none of its recipes" if name else f"several recipes, and no {field}"
    return PluginError(
        f"detector {spec.name!r} has {what}: {', '.join(names)}",
        hints=(f'name one of them in its spec:  DetectorSpec(..., {field}="{names[0]}")',),
    )
