"""Detectors on the image transformer of a foundation model (CLIP, Perception Encoder), of which little is trained.

GenD (Yermakov et al., arXiv 2508.06248) trains the layer norms and the head alone, on features of length one, and pulls those
of a class together while it spreads all of them. Effort (Yan et al., ICML 2025) keeps the largest singular values of each
attention matrix as they are, and trains what little is left of it. Both see single frames; the logit of a clip is the mean of
its frames'.

The transformer is one of timm. Weights to start from are a local file, of timm or as CLIP is published; the layers are those of
the public code, so that its checkpoints can be scored too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from dfbench import UsageError
from dfbench.training import Batch, Method, Released, drawing_from
from dfbench_baselines.imagenet import PretrainedRecipe, pretrained_file, require_pretrained

if TYPE_CHECKING:
    from torch import Tensor, nn

    from dfbench_baselines.foundation_layers import FrameDetector


class FoundationRecipe(PretrainedRecipe):
    """What every training is told, and the transformer.

    `backbone`: its name in timm. `patch`, `width`, `depth`, `heads`, `mlp_ratio`: its dimensions where they are not those of
    that name (0). `resized_positions`: it takes images of another size than it was trained for, whose position embeddings it
    interpolates.
    """

    backbone: str
    patch: int = Field(default=0, ge=0)
    width: int = Field(default=0, ge=0)
    depth: int = Field(default=0, ge=0)
    heads: int = Field(default=0, ge=0)
    mlp_ratio: float = Field(default=0, ge=0)
    resized_positions: bool = False

    def transformer(self) -> dict[str, Any]:
        """Return the arguments for `timm.create_model` beside the name."""
        names = {"patch": "patch_size", "width": "embed_dim", "depth": "depth", "heads": "num_heads"}
        own = {theirs: getattr(self, ours) for ours, theirs in names.items() if getattr(self, ours)}
        own |= {"mlp_ratio": self.mlp_ratio} if self.mlp_ratio else {}
        return own | ({"dynamic_img_size": True} if self.resized_positions else {"img_size": self.size})


class GenDRecipe(FoundationRecipe):
    """`tuned`: what is trained beside the head, the layer "norms" or "all". `alignment`, `uniformity`: weights of these terms."""

    package: ClassVar[str] = "dfbench_baselines.recipes.gend"
    detector: ClassVar[str] = "gend"
    tuned: Literal["norms", "all"] = "norms"
    alignment: float = Field(default=0.1, ge=0)
    uniformity: float = Field(default=0.5, ge=0)


class EffortRecipe(FoundationRecipe):
    """`rank`: how many of the smallest singular values of each attention matrix are trained."""

    package: ClassVar[str] = "dfbench_baselines.recipes.effort"
    detector: ClassVar[str] = "effort"
    rank: int = Field(default=1, ge=1)


def gend(recipe: GenDRecipe, *, seed: int) -> FrameDetector:
    """Build GenD, frames (B, 3, S, S) to logits (B,). Raises UsageError if timm has no such transformer."""
    from dfbench_baselines.foundation_layers import FrameDetector, only_norms

    with drawing_from(seed):
        net = FrameDetector(_transformer(recipe), unit_length=True)
    if recipe.tuned == "norms":
        only_norms(net.backbone)
    return net


def effort(recipe: EffortRecipe, *, seed: int) -> FrameDetector:
    """Build Effort, frames (B, 3, S, S) to logits (B,). Raises UsageError if timm has no such transformer."""
    from dfbench_baselines.foundation_layers import FrameDetector, split_attention

    with drawing_from(seed):
        net = FrameDetector(_transformer(recipe), unit_length=False)
    split_attention(net.backbone, rank=recipe.rank)
    return net


def logit(net: FrameDetector, clips: Tensor) -> Tensor:
    """Compute the logits (B,) of clips (B, 3, T, S, S): the mean over frames."""
    frames: Tensor = net(clips.transpose(1, 2).flatten(0, 1))
    return frames.view(len(clips), -1).mean(dim=1)


def gend_loss(net: FrameDetector, clips: Tensor, batch: Batch, recipe: GenDRecipe) -> Mapping[str, Tensor]:
    """Compute cross-entropy, alignment and uniformity, over single frames."""
    from torch.nn.functional import binary_cross_entropy_with_logits

    from dfbench_baselines.foundation_layers import alignment, uniformity

    features = net.features(clips.transpose(1, 2).flatten(0, 1))
    labels = batch.labels.repeat_interleave(clips.shape[2])
    logits = net.logits(features).float()
    return {
        "classes": binary_cross_entropy_with_logits(logits, labels.to(logits.dtype)),
        "alignment": recipe.alignment * alignment(features.float(), labels),
        "uniformity": recipe.uniformity * uniformity(features.float()),
    }


def _transformer(recipe: FoundationRecipe) -> nn.Module:
    import timm

    if not timm.is_model(recipe.backbone):
        raise UsageError(f"timm has no network {recipe.backbone!r}", hints=("see timm.list_models('vit*')",))
    try:
        net: nn.Module = timm.create_model(recipe.backbone, num_classes=0, **recipe.transformer())
    except (TypeError, AssertionError, ValueError) as error:
        raise UsageError(
            f"timm cannot build {recipe.backbone} so: {error}",
            hints=("name a vision transformer of timm whose patches divide the size",),
        ) from error
    return net


GEND = Method(
    name="gend",
    recipe=GenDRecipe,
    network=gend,
    logit=logit,
    loss=gend_loss,
    terms=("classes", "alignment", "uniformity"),
    needs_start=require_pretrained,
    starts_from=pretrained_file,
    head=lambda net: net.head,
    start="dfbench_baselines.foundation_files:start_backbone",
    released=(
        Released(
            says="GenD on CLIP ViT-L/14 (Hugging Face safetensors)",
            recipe="clip_l14",
            tells=("feature_extractor.vision_model.pre_layrnorm.weight", "model.linear.weight"),
            convert=lambda state: _files().gend_clip(state),
        ),
        Released(
            says="GenD on Perception Encoder L/14 (Hugging Face safetensors)",
            recipe="pe_l14",
            tells=("feature_extractor.backbone.attn_pool.*", "model.linear.weight"),
            convert=lambda state: _files().gend_timm(state),
        ),
    ),
)
EFFORT = Method(
    name="effort",
    recipe=EffortRecipe,
    network=effort,
    logit=logit,
    needs_start=require_pretrained,
    starts_from=pretrained_file,
    head=lambda net: net.head,
    start="dfbench_baselines.foundation_files:start_backbone",
    released=(
        Released(
            says="Effort on CLIP ViT-L/14 (DeepfakeBench)",
            recipe="clip_l14",
            tells=("*self_attn.q_proj.S_residual", "head.weight"),
            convert=lambda state: _files().effort_clip(state),
        ),
    ),
)


def _files() -> Any:
    from dfbench_baselines import foundation_files

    return foundation_files
