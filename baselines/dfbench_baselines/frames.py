"""A frame detector: an image network of timm with one logit; the logit of a clip is the mean of those of its frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from dfbench import UsageError, training

if TYPE_CHECKING:
    from torch import Tensor, nn


class FrameRecipe(training.Recipe):
    """What every training is told, and the name of the network in timm."""

    package: ClassVar[str] = "dfbench_baselines.recipes.frames"
    backbone: str


def network(recipe: FrameRecipe, *, seed: int) -> nn.Module:
    """Build the network, (B, 3, S, S) to (B, 1). Raises UsageError if timm has none of this name."""
    import timm

    if not timm.is_model(recipe.backbone):
        raise UsageError(f"timm has no network {recipe.backbone!r}", hints=("see timm.list_models()",))
    with training.drawing_from(seed):
        net: nn.Module = timm.create_model(recipe.backbone, num_classes=1)
    return net


def logit(net: nn.Module, clips: Tensor) -> Tensor:
    """Compute the logits (B,) of clips (B, 3, T, S, S)."""
    logits: Tensor = net(clips.transpose(1, 2).flatten(0, 1))
    return logits.view(len(clips), -1).mean(dim=1)


METHOD = training.Method(
    name="frame_cnn", recipe=FrameRecipe, network=network, logit=logit, head=lambda net: net.get_classifier()
)
