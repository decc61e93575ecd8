"""TimeSformer (Bertasius et al., ICML 2021) as dfbench trains it: FakeSTormer's backbone with a plain head, its natural ablation.

It sees the samples that FakeSTormer is trained on, self-blended videos of real ones, and has neither the temporal token nor the
heads for heat map and frames. It lies in this package because it is made of FakeSTormer's layers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, model_validator

from dfbench.training import Method, Recipe

if TYPE_CHECKING:
    from dfbench_fakestormer.timesformer_net import TimeSformerNet

MOST_WIDTH, MOST_DEPTH, MOST_PATCHES = 4096, 64, 4096
NAME = "timesformer"
WAYS_OUT = (
    "train weights:                        dfbench train --detector timesformer",
    "start from an image transformer's:    dfbench train --detector timesformer --start timm:vit_base_patch16_224.mae=FILE",
    "or from TimeSformer's on Kinetics:    dfbench train --detector timesformer --start FILE --set size=224 --set frames=8",
)


class TimeSformerRecipe(Recipe):
    """What every training is told, and the shape of the network; `model.ModelConfig` explains the fields."""

    package: ClassVar[str] = "dfbench_fakestormer.recipes.timesformer"

    patch: int = Field(ge=2, le=MOST_WIDTH)
    width: int = Field(ge=8, le=MOST_WIDTH)
    depth: int = Field(ge=1, le=MOST_DEPTH)
    heads: int = Field(ge=1, le=MOST_WIDTH)
    mlp_ratio: float = Field(gt=0, le=16)
    drop_path: float = Field(ge=0, lt=1)
    stem: Literal["patch", "conv"]

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.size % self.patch:
            raise ValueError(f"size {self.size} is no multiple of patch {self.patch}")
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is no multiple of heads {self.heads}")
        if self.stem == "conv" and self.patch & (self.patch - 1):
            raise ValueError(f"a conv stem needs a patch that is a power of two, not {self.patch}")
        patches = self.frames * (self.size // self.patch) ** 2
        if patches > MOST_PATCHES:
            raise ValueError(f"a clip of {patches} patches: at most {MOST_PATCHES} are taken")
        return self

    def most_offset(self) -> int:
        """By how many frames the clips of a training video may begin later: as FakeSTormer's, so that both share the faces."""
        return max(2, self.frames - 2)


def network(recipe: TimeSformerRecipe, *, seed: int) -> TimeSformerNet:
    """Build the network of a recipe."""
    from dfbench_fakestormer.model import ModelConfig
    from dfbench_fakestormer.timesformer_net import TimeSformerNet

    shape = ("frames", "size", "patch", "width", "depth", "heads", "mlp_ratio", "drop_path", "stem")
    return TimeSformerNet(ModelConfig(**{name: getattr(recipe, name) for name in shape}), seed=seed)


METHOD = Method(
    name=NAME,
    recipe=TimeSformerRecipe,
    network=network,
    start="dfbench_fakestormer.timesformer_weights:start_from",
    ways_out=WAYS_OUT,
)
