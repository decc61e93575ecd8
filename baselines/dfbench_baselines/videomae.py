"""VideoMAE (Tong et al., NeurIPS 2022): a plain vision transformer on tubelets of two frames, with one logit.

Its worth is in how it was trained before: to restore most of a video from a tenth of its tubelets, without labels. So the
standard recipe starts from such weights, in a file; `KNOWN_FILES` are those that are public, `videomae_weights` maps names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, model_validator

from dfbench import WeightsError, for_shell
from dfbench.training import Method, PublishedFile, Recipe, drawing_from

if TYPE_CHECKING:
    from torch import nn

    from dfbench_baselines.videomae_net import VideoMae

TUBELET = 2  # frames
MOST_WIDTH, MOST_DEPTH, MOST_TUBELETS = 4096, 64, 4096
_LICENCE = "CC BY-NC 4.0"
# The first was trained without labels on Kinetics-400, the second then with labels.
KNOWN_FILES = tuple(
    PublishedFile(name, f"https://huggingface.co/{name} (model.safetensors)", licence=_LICENCE)
    for name in ("MCG-NJU/videomae-base", "MCG-NJU/videomae-base-finetuned-kinetics")
)


class VideoMaeRecipe(Recipe):
    """What every training is told, the shape of the network, and what it starts from.

    `patch`: px of a tubelet's side. `pretrained`: "videomae" where weights must be given, "none" for random ones.
    """

    package: ClassVar[str] = "dfbench_baselines.recipes.videomae"

    patch: int = Field(ge=2, le=MOST_WIDTH)
    width: int = Field(ge=8, le=MOST_WIDTH)
    depth: int = Field(ge=1, le=MOST_DEPTH)
    heads: int = Field(ge=1, le=MOST_WIDTH)
    pretrained: Literal["videomae", "none"] = "none"

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.frames % TUBELET:
            raise ValueError(
                f"frames {self.frames}: a tubelet has {TUBELET}, so that a clip needs a multiple of them"
            )
        if self.size % self.patch:
            raise ValueError(f"size {self.size} is no multiple of patch {self.patch}")
        if self.width % self.heads or self.width % 2:
            raise ValueError(f"width {self.width} is no multiple of heads {self.heads} and of two")
        tubelets = self.frames // TUBELET * (self.size // self.patch) ** 2
        if tubelets > MOST_TUBELETS:
            raise ValueError(f"a clip of {tubelets} tubelets: at most {MOST_TUBELETS} are taken")
        return self


def network(recipe: VideoMaeRecipe, *, seed: int) -> VideoMae:
    """Build the network of a recipe: normalised clips (B, 3, T, S, S) to the logit of "fake" (B, 1)."""
    from dfbench_baselines.videomae_net import VideoMae

    with drawing_from(seed):
        return VideoMae(
            frames=recipe.frames,
            size=recipe.size,
            tubelet=TUBELET,
            patch=recipe.patch,
            width=recipe.width,
            depth=recipe.depth,
            heads=recipe.heads,
        )


def first_weights(recipe: VideoMaeRecipe) -> PublishedFile | None:
    """Return the file of the weights that the recipe starts from; None for random weights."""
    return KNOWN_FILES[0] if recipe.pretrained == "videomae" else None


def require_weights(recipe: VideoMaeRecipe) -> None:
    """Raise WeightsError that says where to get the weights that the recipe wants, unless it wants none."""
    if recipe.pretrained == "none":
        return
    train = f"dfbench train --detector videomae --recipe {for_shell(recipe.name)}"
    raise WeightsError(
        f"by recipe '{recipe.name}', videomae starts from weights of VideoMAE, and none are given",
        hints=(
            f"download them:                {KNOWN_FILES[0].url}",
            f"and name the file:            {train} --start model.safetensors",
            f"or begin with random weights: {train} --set pretrained=none",
        ),
    )


def head(net: VideoMae) -> nn.Module:
    """The last layer."""
    return net.head


METHOD = Method(
    name="videomae",
    recipe=VideoMaeRecipe,
    network=network,
    start="dfbench_baselines.videomae_weights:start_from",
    needs_start=require_weights,
    starts_from=first_weights,
    head=head,
)
