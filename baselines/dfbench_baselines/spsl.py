"""SPSL (Liu et al., CVPR 2021) as DeepfakeBench has it: the phase of a frame's spectrum as a fourth channel of Xception."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from dfbench import Started, StartWeights
from dfbench.training import Method, drawing_from
from dfbench_baselines.deepfakebench_files import SPSL_FILES
from dfbench_baselines.imagenet import pretrained_file, require_pretrained
from dfbench_baselines.xception import XceptionRecipe, begin_inside, logit

if TYPE_CHECKING:
    from torch import Tensor

    from dfbench_baselines.spsl_layers import SPSL


class SPSLRecipe(XceptionRecipe):
    """What every training is told."""

    package: ClassVar[str] = "dfbench_baselines.recipes.spsl"
    detector: ClassVar[str] = "spsl"


def network(recipe: SPSLRecipe, *, seed: int) -> SPSL:
    """Build the network: frames (B, 3, S, S) to logits of "real" and "fake" (B, 2)."""
    from dfbench_baselines.spsl_layers import SPSL

    with drawing_from(seed):
        return SPSL(width=recipe.width, dropout=recipe.dropout)


def start(net: SPSL, weights: StartWeights) -> Started:
    """Give `net` weights to start from; of a network of ImageNet, each channel gets the mean of the first kernel over RGB."""

    def first(kernel: Tensor) -> Tensor:
        return kernel.mean(dim=1, keepdim=True).repeat(1, 4, 1, 1)

    return begin_inside(METHOD, net, weights, inside={"backbone.": net.backbone}, first=first)


METHOD = Method(
    name="spsl",
    recipe=SPSLRecipe,
    network=network,
    logit=logit,
    start=start,
    needs_start=require_pretrained,
    starts_from=pretrained_file,
    released=SPSL_FILES,
)
