"""A detector that dfbench trains: on real videos, and on fakes that this plugin's own synthesizer makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from dfbench.training import Method, Recipe

if TYPE_CHECKING:
    from torch import nn


class LinearRecipe(Recipe):
    """What every training is told; `cells`: into how many cells a side a clip is averaged."""

    package: ClassVar[str] = "dfbench_sample.recipes"
    cells: int


def network(recipe: LinearRecipe, *, seed: int) -> nn.Module:
    """Build the network: clips (B, 3, T, S, S) to logits (B, 1)."""
    from torch import nn

    from dfbench.training import drawing_from

    with drawing_from(seed):
        pooled = nn.AdaptiveAvgPool3d((1, recipe.cells, recipe.cells))
        return nn.Sequential(pooled, nn.Flatten(), nn.Linear(3 * recipe.cells**2, 1))


METHOD = Method(name="sample_linear", recipe=LinearRecipe, network=network)
