"""F3-Net (Qian et al., ECCV 2020) as DeepfakeBench has it: the branch of frequency-aware decomposition alone.

A frame is taken apart by its cosine transform: low, middle and high frequencies and all of them, each band with weights that
are learned. Xception looks at the four images side by side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from dfbench import Started, StartWeights
from dfbench.training import Method, drawing_from
from dfbench_baselines.deepfakebench_files import F3NET_FILES
from dfbench_baselines.imagenet import pretrained_file, require_pretrained
from dfbench_baselines.xception import XceptionRecipe, begin_inside, logit

if TYPE_CHECKING:
    from torch import Tensor

    from dfbench_baselines.f3net_layers import F3Net


class F3NetRecipe(XceptionRecipe):
    """What every training is told. The front end has weights for one size alone."""

    package: ClassVar[str] = "dfbench_baselines.recipes.f3net"
    detector: ClassVar[str] = "f3net"


def network(recipe: F3NetRecipe, *, seed: int) -> F3Net:
    """Build the network: frames (B, 3, S, S) to logits of "real" and "fake" (B, 2)."""
    from dfbench_baselines.f3net_layers import F3Net

    with drawing_from(seed):
        return F3Net(recipe.size, width=recipe.width, dropout=recipe.dropout)


def start(net: F3Net, weights: StartWeights) -> Started:
    """Give `net` weights to start from; of a network of ImageNet, each of the four images gets a quarter of the first kernel."""

    def first(kernel: Tensor) -> Tensor:
        return kernel.repeat(1, 4, 1, 1) / 4

    return begin_inside(METHOD, net, weights, inside={"backbone.": net.backbone}, first=first)


METHOD = Method(
    name="f3net",
    recipe=F3NetRecipe,
    network=network,
    logit=logit,
    start=start,
    needs_start=require_pretrained,
    starts_from=pretrained_file,
    released=F3NET_FILES,
)
