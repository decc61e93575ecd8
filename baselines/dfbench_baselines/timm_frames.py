"""Image networks of timm on single frames, each a detector of its own with the values of the literature, or `timm:NAME`.

The logit of a clip is the mean of those of its frames. Networks start from weights of ImageNet, which must be given as a file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from dfbench import UsageError, for_shell
from dfbench.training import Method, Released, drawing_from, first_line, require_timm_name
from dfbench_baselines.deepfakebench_files import EFFICIENTNET_FILES
from dfbench_baselines.frames import logit
from dfbench_baselines.imagenet import PretrainedRecipe, pretrained_file, require_pretrained

if TYPE_CHECKING:
    from torch import nn

    from dfbench.training import Recipe

FAMILY = "timm"
_ARGUMENT = r"\w+=\d+(\.\d+)*"
# What timm's networks raise for a size or an argument that they cannot take.
_UNFIT: tuple[type[Exception], ...] = (AssertionError, TypeError, ValueError, RuntimeError, ZeroDivisionError)


class TimmRecipe(PretrainedRecipe):
    """What every training is told, and the network.

    `backbone`: its name in timm, one of `networks`. `drop_rate`: dropout before the last layer; `drop_path`: how often a
    residual branch is left out. `arguments`: whole numbers, or several joined by dots, that timm builds it with.
    """

    networks: ClassVar[tuple[str, ...]] = ()
    backbone: str
    drop_rate: float = Field(default=0, ge=0, lt=1)
    drop_path: float = Field(default=0, ge=0, lt=1)
    arguments: str = Field(default="", pattern=rf"^({_ARGUMENT}(,{_ARGUMENT})*)?$")

    @model_validator(mode="after")
    def _is_its_network(self) -> Self:
        if self.networks and self.backbone not in self.networks:
            raise ValueError(
                f"{self.detector} is the name of {self.networks[0]}; another network is the detector"
                f" {FAMILY}:{self.backbone}"
            )
        return self


class EfficientNetB4Recipe(TimmRecipe):
    """EfficientNet-B4. `padding`: by the size of the maps, as its authors do, or as DeepfakeBench does."""

    package: ClassVar[str] = "dfbench_baselines.recipes.efficientnet_b4"
    detector: ClassVar[str] = "efficientnet_b4"
    networks: ClassVar[tuple[str, ...]] = ("tf_efficientnet_b4", "test_efficientnet")
    padding: Literal["same", "deepfakebench"] = "same"


class ResNet50Recipe(TimmRecipe):
    """ResNet-50."""

    package: ClassVar[str] = "dfbench_baselines.recipes.resnet50"
    detector: ClassVar[str] = "resnet50"
    networks: ClassVar[tuple[str, ...]] = ("resnet50", "test_resnet")


class ConvNeXtTinyRecipe(TimmRecipe):
    """ConvNeXt-T."""

    package: ClassVar[str] = "dfbench_baselines.recipes.convnext_tiny"
    detector: ClassVar[str] = "convnext_tiny"
    networks: ClassVar[tuple[str, ...]] = ("convnext_tiny", "test_convnext")


class ViTB16Recipe(TimmRecipe):
    """ViT-B/16."""

    package: ClassVar[str] = "dfbench_baselines.recipes.vit_b16"
    detector: ClassVar[str] = "vit_b16"
    networks: ClassVar[tuple[str, ...]] = ("vit_base_patch16_224", "test_vit")


class SwinSmallRecipe(TimmRecipe):
    """Swin-S."""

    package: ClassVar[str] = "dfbench_baselines.recipes.swin_small"
    detector: ClassVar[str] = "swin_small"
    networks: ClassVar[tuple[str, ...]] = ("swin_small_patch4_window7_224",)


def network(recipe: TimmRecipe, *, seed: int) -> nn.Module:
    """Build the network: frames (B, 3, S, S) to logits (B, 1). Raises UsageError if timm cannot, or none that is square."""
    import timm

    require_timm_name(recipe.backbone)
    require_square(recipe.backbone)
    given: dict[str, Any] = {name: _numbers(text) for name, text in _pairs(recipe.arguments)}
    if recipe.drop_rate:
        given["drop_rate"] = recipe.drop_rate
    if recipe.drop_path:
        given["drop_path_rate"] = recipe.drop_path
    if timm.get_pretrained_cfg(recipe.backbone).fixed_input_size:
        given["img_size"] = recipe.size
    with drawing_from(seed):
        try:
            net: nn.Module = timm.create_model(recipe.backbone, num_classes=1, **given)
        except _UNFIT as error:
            raise UsageError(
                f"timm cannot build {recipe.backbone} for frames of {recipe.size} px: {first_line(error)}",
                hints=("choose other fields: --set size=..., --set arguments=...",),
            ) from error
    return net


def efficientnet_b4(recipe: EfficientNetB4Recipe, *, seed: int) -> nn.Module:
    """Build EfficientNet-B4 as `network` does, padded as the recipe says."""
    net = network(recipe, seed=seed)
    if recipe.padding == "deepfakebench":
        from dfbench_baselines.efficientnet_padding import pad_as_deepfakebench

        pad_as_deepfakebench(net)
    return net


def _method(
    recipe: type[TimmRecipe],
    network: Callable[..., nn.Module] = network,
    released: tuple[Released, ...] = (),
) -> Method:
    return Method(
        name=recipe.detector,
        recipe=recipe,
        network=network,
        logit=logit,
        needs_start=require_pretrained,
        starts_from=pretrained_file,
        head=lambda net: net.get_classifier(),
        released=released,
    )


EFFICIENTNET_B4 = _method(EfficientNetB4Recipe, efficientnet_b4, EFFICIENTNET_FILES)
RESNET50 = _method(ResNet50Recipe)
CONVNEXT_TINY = _method(ConvNeXtTinyRecipe)
VIT_B16 = _method(ViTB16Recipe)
SWIN_SMALL = _method(SwinSmallRecipe)


class MemberRecipe(TimmRecipe):
    """A network that is named by the detector, `timm:NAME`.

    What a recipe file leaves out is as timm published the network: the size and normalisation of its input, and its weights.
    """

    package: ClassVar[str] = "dfbench_baselines.recipes.timm"
    family: ClassVar[str] = FAMILY

    @model_validator(mode="before")
    @classmethod
    def _as_published(cls, fields: Any) -> Any:
        if not isinstance(fields, dict) or not {"size", "mean", "std", "pretrained"} - fields.keys():
            return fields
        import timm

        backbone = str(fields.get("backbone"))
        require_timm_name(backbone)
        known = timm.get_pretrained_cfg(backbone)
        weights = ".".join(filter(None, (known.architecture, known.tag)))
        published = {
            "size": known.input_size[-1],
            "mean": known.mean,
            "std": known.std,
            "pretrained": weights,
        }
        fields = published | fields
        return {"train_crop": fields["size"]} | fields

    def owner(self) -> str:
        """Return the name of the detector."""
        return f"{self.family}:{self.backbone}"

    def label(self, stored: Self | None = None) -> str:
        """Return the recipe's name with every changed field but the network, which the detector's name says."""
        if stored is None and self.name in self.names():
            stored = self.load(self.name, {"backbone": self.backbone})
        return super().label(stored)


class MemberMethod(Method):
    """The method of a member of the family: the detector's name says which network its recipes are for."""

    def load_recipe(
        self, name: str, overrides: Mapping[str, str] | None = None, synthesizer: str = ""
    ) -> Recipe:
        """Return the recipe called `name` for this network. Raises UsageError for what does not fit, or for another network."""
        family, _, backbone = self.name.partition(":")
        if overrides and "backbone" in overrides:
            raise UsageError(
                f"{self.name} is the name of {backbone}",
                hints=(
                    f"for another network:  --detector {for_shell(family + ':' + overrides['backbone'])}",
                ),
            )
        return super().load_recipe(name, {**(overrides or {}), "backbone": backbone}, synthesizer)


@cache
def member(name: str) -> Method:
    """Return the method of the detector `timm:NAME`. Raises UsageError if timm has no network of this name, or none that is
    square."""
    require_timm_name(name)
    require_square(name)
    return MemberMethod(
        name=f"{FAMILY}:{name}",
        recipe=MemberRecipe,
        network=network,
        logit=logit,
        needs_start=require_pretrained,
        starts_from=pretrained_file,
        head=lambda net: net.get_classifier(),
    )


def require_square(name: str) -> None:
    """Raise UsageError unless timm's network of this name sees square images of three channels."""
    import timm

    channels, height, width = timm.get_pretrained_cfg(name).input_size
    if (channels, height) != (3, width):
        raise UsageError(
            f"timm's {name} takes images of {width} x {height} px and {channels} channels, and a crop is a square of three",
            hints=("choose another network",),
        )


def _pairs(text: str) -> list[tuple[str, str]]:
    return re.findall(r"(\w+)=([\d.]+)", text)


def _numbers(text: str) -> int | tuple[int, ...]:
    """`"3"` as 3, and `"1.1.2"` as (1, 1, 2)."""
    numbers = tuple(int(one) for one in text.split("."))
    return numbers if len(numbers) > 1 else numbers[0]
