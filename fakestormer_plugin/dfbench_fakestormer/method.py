"""FakeSTormer as dfbench trains and scores it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING

from dfbench.training import Method
from dfbench_fakestormer.recipe import FakeSTormerRecipe

if TYPE_CHECKING:
    from torch import Tensor, nn

    from dfbench.training import Batch
    from dfbench_fakestormer.model import FakeSTormerNet, ModelConfig

NAME = "fakestormer"
WAYS_OUT = (
    "train weights:              dfbench train --detector fakestormer",
    "or use the authors' (.pth): dfbench run --detector fakestormer --weights PATH/TO/checkpoint.pth",
)


def network_config(recipe: FakeSTormerRecipe) -> ModelConfig:
    """The part of a recipe that shapes the network."""
    from dfbench_fakestormer.model import ModelConfig

    named = [field.name for field in fields(ModelConfig) if field.name in type(recipe).model_fields]
    return ModelConfig(**{name: getattr(recipe, name) for name in named})


def network(recipe: FakeSTormerRecipe, *, seed: int) -> FakeSTormerNet:
    """The network of a recipe."""
    from dfbench_fakestormer.model import FakeSTormerNet

    return FakeSTormerNet(network_config(recipe), seed=seed)


def logit(net: FakeSTormerNet, clips: Tensor) -> Tensor:
    """The class logit (B,), without the heads for heat map and frames."""
    return net.logit(clips)


def loss(net: FakeSTormerNet, clips: Tensor, batch: Batch, recipe: FakeSTormerRecipe) -> Mapping[str, Tensor]:
    """The three terms of `losses.combined_loss`."""
    from dfbench_fakestormer.losses import LossWeights, Targets, combined_loss

    weights = LossWeights(
        recipe.heatmap_weight, recipe.class_weight, recipe.temporal_weight, recipe.temperature
    )
    named = batch.targets
    targets = Targets(batch.labels[:, None].float(), named["frame_labels"], named["heatmap"], named["keep"])
    return combined_loss(net(clips), targets, weights)._asdict()


def backbone(net: FakeSTormerNet) -> nn.Module:
    """What is held still during the first epochs."""
    return net.backbone


METHOD = Method(
    name=NAME,
    recipe=FakeSTormerRecipe,
    network=network,
    logit=logit,
    loss=loss,
    terms=("heatmap", "classes", "temporal"),
    samples="dfbench_fakestormer.samples:sample_maker",
    start="dfbench_fakestormer.pretrained:start_from",
    frozen=backbone,
    scoring="dfbench_fakestormer.detector:scoring",
    module="dfbench_fakestormer.module:FakeSTormerModule",
    clips="dfbench_fakestormer.samples:FakeSTormerClips",
    ways_out=WAYS_OUT,
)
