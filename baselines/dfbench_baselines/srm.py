"""SRM (Luo et al., CVPR 2021): Xception on a frame and on its noise residuals, in DeepfakeBench's version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import Field, model_validator

from dfbench import Started, StartWeights
from dfbench.training import Method, drawing_from
from dfbench_baselines.deepfakebench_files import SRM_FILES
from dfbench_baselines.imagenet import pretrained_file, require_pretrained
from dfbench_baselines.xception import XceptionRecipe, begin_inside, logit

if TYPE_CHECKING:
    from torch import Tensor, nn

    from dfbench.training import Batch
    from dfbench_baselines.srm_layers import SRM

SMALLEST = 24  # pixels, of which Xception's third block leaves one


class SRMRecipe(XceptionRecipe):
    """What every training is told; attention has weights for one size alone. `scale` and `margin` are those of the loss."""

    package: ClassVar[str] = "dfbench_baselines.recipes.srm"
    detector: ClassVar[str] = "srm"
    scale: float = Field(default=30, gt=0)
    margin: float = Field(default=0.45, ge=0)

    @model_validator(mode="after")
    def _leaves_places(self) -> Self:
        if self.size < SMALLEST:
            raise ValueError(
                f"size {self.size} leaves nothing for attention to look at: take {SMALLEST} or more"
            )
        return self


def network(recipe: SRMRecipe, *, seed: int) -> SRM:
    """Build the network: frames (B, 3, S, S) to logits of "real" and "fake" (B, 2)."""
    from dfbench_baselines.srm_layers import SRM

    with drawing_from(seed):
        return SRM(recipe.size, width=recipe.width, dropout=recipe.dropout)


def loss(net: nn.Module, clips: Tensor, batch: Batch, recipe: SRMRecipe) -> Mapping[str, Tensor]:
    """Return the cross-entropy with a margin of the outputs, in the mean over the frames of a clip."""
    from dfbench_baselines.srm_layers import margin_softmax

    outputs: Tensor = net(clips.transpose(1, 2).flatten(0, 1))
    outputs = outputs.view(len(clips), -1, 2).mean(dim=1)
    return {"classes": margin_softmax(outputs, batch.labels, scale=recipe.scale, margin=recipe.margin)}


def start(net: SRM, weights: StartWeights) -> Started:
    """Give `net` weights to start from; those of a network of ImageNet go to both streams."""
    return begin_inside(
        METHOD,
        net,
        weights,
        inside={"rgb.": net.rgb, "noise.": net.noise},
        first=lambda kernel: kernel,
    )


METHOD = Method(
    name="srm",
    recipe=SRMRecipe,
    network=network,
    logit=logit,
    loss=loss,
    start=start,
    needs_start=require_pretrained,
    starts_from=pretrained_file,
    released=SRM_FILES,
)
