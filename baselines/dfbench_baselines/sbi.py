"""SBI: an image network of timm with two classes, trained on real faces and self-blended images of them.

Source: Shiohara and Yamasaki, "Detecting Deepfakes with Self-Blended Images", CVPR 2022, and their published code. Their
cross-entropy of two classes is that of the one logit which is the difference of the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from dfbench import ClipSpec, UsageError, training
from dfbench.training import Released
from dfbench_baselines.imagenet import PretrainedRecipe, pretrained_file, require_pretrained

if TYPE_CHECKING:
    from torch import Tensor, nn

FAKE, REAL = 1, 0  # the classes, in the authors' order


class SbiRecipe(PretrainedRecipe):
    """What every training is told, and the network: its name in timm, what is dropped of it, and how fast its batch norms
    follow (as torch counts: the share of the new)."""

    package: ClassVar[str] = "dfbench_baselines.recipes.sbi"
    detector: ClassVar[str] = "sbi"
    backbone: str
    dropout: float = Field(default=0, ge=0, lt=1)
    drop_path: float = Field(default=0, ge=0, lt=1)
    norm_momentum: float = Field(default=0.1, gt=0, le=1)

    def clips(self) -> ClipSpec:
        """The clips that this network scores: crops of the face box's shape, made square."""
        return replace(super().clips(), square=False)


def network(recipe: SbiRecipe, *, seed: int) -> nn.Module:
    """Build the network, (B, 3, S, S) to (B, 2). Raises UsageError if timm has none of this name."""
    import timm
    from torch.nn.modules.batchnorm import _BatchNorm

    if not timm.is_model(recipe.backbone):
        raise UsageError(f"timm has no network {recipe.backbone!r}", hints=("see timm.list_models()",))
    with training.drawing_from(seed):
        net: nn.Module = timm.create_model(
            recipe.backbone, num_classes=2, drop_rate=recipe.dropout, drop_path_rate=recipe.drop_path
        )
    for module in net.modules():
        if isinstance(module, _BatchNorm):
            module.momentum = recipe.norm_momentum
    return net


def logit(net: nn.Module, clips: Tensor) -> Tensor:
    """Compute the logits (B,) of clips (B, 3, T, S, S): the mean over the frames of how far "fake" is above "real"."""
    classes: Tensor = net(clips.transpose(1, 2).flatten(0, 1))
    return (classes[:, FAKE] - classes[:, REAL]).view(len(clips), -1).mean(dim=1)


def released_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of the authors' checkpoint in the names of this network."""
    from dfbench_baselines.sbi_files import as_timm

    return as_timm(state)


METHOD = training.Method(
    name="sbi",
    recipe=SbiRecipe,
    network=network,
    logit=logit,
    samples="dfbench_baselines.sbi_samples:sample_maker",
    needs_start=require_pretrained,
    starts_from=pretrained_file,
    head=lambda net: net.get_classifier(),
    released=(
        Released(
            says="SBI's EfficientNet-B4 (the authors' .tar)",
            recipe="standard",
            tells=("_conv_stem.weight", "_blocks.*", "_fc.weight"),
            convert=released_weights,
            fake=FAKE,
        ),
    ),
)
