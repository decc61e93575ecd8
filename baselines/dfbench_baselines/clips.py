"""Clip networks of pytorchvideo (Fan et al., ACM Multimedia 2021) with one logit: X3D, Slow, SlowFast, R(2+1)D, CSN, MViT, I3D.

They were made for actions, and no paper says what they reach when they are trained on FF++ as it is done here. Inputs are what
they had on Kinetics-400: as many frames of that size, normalised by mean .45 and standard deviation .225. The frames of a clip
are as far apart as there in a video of 320 frames, because the clips of a video share it evenly.

pytorchvideo has had no release since 2022. It is imported when a network is built, and never before.
"""

from __future__ import annotations

import warnings
from difflib import get_close_matches
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from dfbench import UsageError, WeightsError, for_shell, training

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

KINETICS = 0.45, 0.225  # the mean and the standard deviation of every channel
ZOO = "https://dl.fbaipublicfiles.com/pytorchvideo/model_zoo/kinetics"
KINETICS_FILES = {
    "x3d_s": "X3D_S.pyth",
    "x3d_m": "X3D_M.pyth",
    "slow_r50": "SLOW_8x8_R50.pyth",
    "slowfast_r50": "SLOWFAST_8x8_R50.pyth",
    "r2plus1d_r50": "R2PLUS1D_16x4_R50.pyth",
    "csn_r101": "CSN_32x2_R101.pyth",
    "mvit_base_16x4": "MVIT_B_16x4.pyth",
    "i3d_r50": "I3D_8x8_R50.pyth",
    "x3d_xs": "X3D_XS.pyth",
    "x3d_l": "X3D_L.pyth",
    "slowfast_r101": "SLOWFAST_8x8_R101.pyth",
    "slowfast_16x8_r101_50_50": "SLOWFAST_16x8_R101_50_50.pyth",
    "c2d_r50": "C2D_8x8_R50.pyth",
    "mvit_base_32x3": "MVIT_B_32x3_f294077834.pyth",
}
FAMILY = "pytorchvideo"
# Detectors of their own; the others are members of the family.
NAMED = (
    "x3d_s",
    "x3d_m",
    "slow_r50",
    "slowfast_r50",
    "r2plus1d_r50",
    "csn_r101",
    "mvit_base_16x4",
    "i3d_r50",
)
ALPHA = 4  # SlowFast: the fast pathway sees so many frames for each of the slow one
TIMES = {"slowfast": ALPHA, "i3d": 2, "mvit": 2}  # of what number its frames are a multiple
HALVED = 32  # every network halves a frame five times
MOST = 1024  # frames, pixels: a header of a stranger's weights must not take all memory


class ClipRecipe(training.Recipe):
    """What every training is told, how wide the network is, and what it starts from.

    `width`: the channels of its layers, as a share of the published ones. `pretrained`: "kinetics" where weights must be given.
    Both files of recipes hold what is common, and a table for each network, called as pytorchvideo's hub calls it (`builder`).
    """

    package: ClassVar[str] = "dfbench_baselines.recipes.clips"
    builder: ClassVar[str]
    detector: ClassVar[str]
    mean: tuple[float, float, float] = (KINETICS[0],) * 3
    std: tuple[float, float, float] = (KINETICS[1],) * 3
    width: float = Field(default=1, ge=1 / 16, le=4)
    pretrained: Literal["kinetics", "none"] = "none"

    @model_validator(mode="after")
    def _fits_the_network(self) -> Self:
        if max(self.frames, self.size) > MOST:
            raise ValueError(f"clips of {self.frames} frames of {self.size} px: at most {MOST} are taken")
        if self.size < HALVED or (self.builder.startswith("mvit") and self.size % HALVED):
            raise ValueError(
                f"size {self.size}: {self.builder} halves a frame five times, so that it needs {HALVED} px at least"
                + (", and a multiple of them" if self.builder.startswith("mvit") else "")
            )
        if self.builder.startswith("slowfast") and self.width < 1 / 8:
            raise ValueError(
                f"width {self.width}: the fast pathway has an eighth of the channels, so that 0.125 is the least"
            )
        times = TIMES.get(self.builder.partition("_")[0], 1)
        if self.frames % times:
            raise ValueError(f"frames {self.frames}: {self.builder} needs a multiple of {times}")
        return self

    @classmethod
    def stored_fields(cls, name: str) -> dict[str, Any]:
        """Return the common fields of a file and those in the table of this network."""
        fields = super().stored_fields(name)
        own: dict[str, Any] = fields.get(cls.builder, {})
        return {key: value for key, value in fields.items() if not isinstance(value, dict)} | own


def hub() -> ModuleType:
    """Import pytorchvideo's builders. Raises UsageError if this environment cannot."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it calls what torch announces the end of
            from pytorchvideo.models import hub as builders
    except Exception as error:  # an old package beside new ones may raise anything
        raise UsageError(
            f"pytorchvideo cannot be imported: {training.first_line(error)}",
            hints=(
                "its last release, of 2022, runs beside torch 2.14:  pip install pytorchvideo==0.1.5",
                "the detectors that are not made of it work without",
            ),
        ) from error
    module: ModuleType = builders
    return module


def build(builder: str, *, frames: int, size: int, width: float = 1, outputs: int = 1) -> nn.Module:
    """Build a network of the hub, clips (B, 3, T, S, S) to logits (B, outputs), its weights drawn from torch's generator.

    Heads pool over the whole map that they are given, whatever its size: for the published size this is their own pooling.
    """
    from torch import nn

    if builder.startswith("mvit"):
        given: dict[str, Any] = {
            "spatial_size": size,
            "temporal_size": frames,
            "head_num_classes": outputs,
            "patch_embed_dim": 8 * round(12 * width),  # later layers want multiples of eight
        }
    else:
        given = {"model_num_class": outputs, "head_activation": None, **_channels(builder, width)}
    net: nn.Module = getattr(hub(), builder)(pretrained=False, **given)
    for module in list(net.modules()):
        for name, part in module.named_children():
            # Before the head, networks take maxima; and SlowFast keeps a pool for each pathway in a list.
            if isinstance(part, nn.AvgPool3d):
                setattr(module, name, nn.AdaptiveAvgPool3d(1))
            elif type(part).__name__ == "Swish":  # the library's own asks torch for what it will lose
                setattr(module, name, nn.SiLU())
    return net


def _channels(builder: str, width: float) -> dict[str, Any]:
    """The arguments by which a convolutional network is made `width` times as wide as published."""
    if width == 1:
        return {}
    if builder.startswith("x3d"):
        return {"width_factor": 2 * width}
    if builder.startswith("slowfast"):
        return {"stem_dim_outs": (round(64 * width), round(8 * width))}
    return {"stem_dim_out": round(64 * width)}


def network(recipe: ClipRecipe, *, seed: int) -> nn.Module:
    """Build the network of a recipe. Raises UsageError if pytorchvideo cannot be imported."""
    with training.drawing_from(seed):
        return build(recipe.builder, frames=recipe.frames, size=recipe.size, width=recipe.width)


def kinetics_file(recipe: ClipRecipe) -> training.PublishedFile | None:
    """Return the file of the weights of Kinetics-400 that the recipe starts from; None for random weights."""
    if recipe.pretrained == "none":
        return None
    name = KINETICS_FILES[recipe.builder]
    return training.PublishedFile(name, f"{ZOO}/{name}")


def require_kinetics(recipe: ClipRecipe) -> None:
    """Raise WeightsError that says where to get the weights of Kinetics that the recipe wants, unless it wants none."""
    file = kinetics_file(recipe)
    if file is None:
        return
    train = f"dfbench train --detector {for_shell(recipe.detector)} --recipe {for_shell(recipe.name)}"
    raise WeightsError(
        f"by recipe '{recipe.name}', {recipe.detector} starts from weights of Kinetics-400, and none are given",
        hints=(
            f"download them:                {file.url}",
            f"and name the file:            {train} --start {file.name}",
            f"or begin with random weights: {train} --set pretrained=none",
        ),
    )


def last_layer(net: nn.Module) -> nn.Module:
    """The linear layer that names what is seen."""
    from torch import nn

    return [module for module in net.modules() if isinstance(module, nn.Linear)][-1]


def slow_index(frames: int) -> torch.Tensor:
    """Which frames the slow pathway sees, (frames // 4,) int64, first and last included."""
    import torch

    return torch.linspace(0, frames - 1, frames // ALPHA).long()


def two_pathways(net: nn.Module, clips: Tensor) -> Tensor:
    """Compute the logits (B,) of a SlowFast network, which sees few of the frames in one pathway and all in the other."""
    slow = clips.index_select(2, slow_index(clips.shape[2]).to(clips.device))
    logits: Tensor = net([slow, clips])  # which changes the list that it is given
    return logits[:, 0]


def _method(builder: str) -> training.Method:
    """Return the method of a network of the hub; those without a name of their own are members of the family."""
    name = builder if builder in NAMED else f"{FAMILY}:{builder}"
    known = {"builder": builder, "detector": name}
    # Data workers find the class of a recipe by its name in this module, where no other program starts them by a fork.
    recipe: type[ClipRecipe] = type(
        f"ClipRecipe_{builder}",
        (ClipRecipe,),
        {**known, "__module__": __name__, "__annotations__": dict.fromkeys(known, ClassVar[str])},
    )
    globals()[recipe.__name__] = recipe
    return training.Method(
        name=name,
        recipe=recipe,
        network=network,
        logit=two_pathways if builder.startswith("slowfast") else training.first_output,
        needs_start=require_kinetics,
        starts_from=kinetics_file,
        head=last_layer,
    )


METHODS = {builder: _method(builder) for builder in KINETICS_FILES}
X3D_S, X3D_M = METHODS["x3d_s"], METHODS["x3d_m"]
SLOW_R50, SLOWFAST_R50 = METHODS["slow_r50"], METHODS["slowfast_r50"]
R2PLUS1D_R50, CSN_R101 = METHODS["r2plus1d_r50"], METHODS["csn_r101"]
MVIT_BASE_16X4, I3D_R50 = METHODS["mvit_base_16x4"], METHODS["i3d_r50"]


def member(name: str) -> training.Method:
    """Return the method of the detector `pytorchvideo:NAME`, NAME being a builder of pytorchvideo's hub.

    Raises UsageError for a name that the hub does not have, for one that is a detector of its own, and for a network that is no
    classifier of clips: detectors of actions want boxes, and the mobile X3D and the MViT of images are built otherwise.
    """
    if name in NAMED:
        raise UsageError(
            f"{FAMILY}:{name} is a detector of its own", hints=(f"name it:  --detector {for_shell(name)}",)
        )
    if name in METHODS:
        return METHODS[name]
    members = sorted(set(METHODS) - set(NAMED))
    near = [*get_close_matches(name, members, n=1), *get_close_matches(name, NAMED, n=1)][:1]
    raise UsageError(
        f"pytorchvideo has no clip network {name!r} that can be trained here",
        hints=(
            *(f"did you mean {one if one in NAMED else f'{FAMILY}:{one}'}?" for one in near),
            f"known: {', '.join(members)}",
        ),
    )
