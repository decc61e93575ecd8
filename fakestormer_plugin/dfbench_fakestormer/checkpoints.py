"""Weights on disk: our own, and the checkpoints that the authors released.

Ours carry their recipe in their header. The authors' `.pth` files are pickles, which carry none; they are only ever read
with `weights_only=True`, so a file that would run code on loading is refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dfbench import DetectorCard, LoadOptions, UsageError, WeightsError, for_shell
from dfbench.training import PICKLES, read_pickle, read_safetensors, require_file, require_finite
from dfbench.training import fitted as same_tensors
from dfbench_fakestormer.method import METHOD, WAYS_OUT, network_config
from dfbench_fakestormer.recipe import RELEASED_FRAMES, FakeSTormerRecipe, load_recipe, parse_recipe

if TYPE_CHECKING:
    from torch import Tensor

    from dfbench_fakestormer.model import FakeSTormerNet, ModelConfig

MOST_GRID = 512  # positions of another grid are resized, which reads all of them
# Recipe fields that the authors' checkpoints were trained with, whatever else a recipe says.
READ_BY = ("temporal_token", "embed_order", "derivative", "crop")
# Recipe fields that say how weights without a recipe are read and scored; all others are about training.
SCORED_BY = (
    *("frames", "size", "patch", "width", "depth", "heads", "mlp_ratio", "temporal_token", "embed_order"),
    *("clips_per_video", "clip_margin", "crop", "test_margins"),
)


def describe(options: LoadOptions) -> DetectorCard:
    """Return the card of a detector with the weights of `options`, from the header alone (a `.pth` is taken for the authors').

    Recipe and changes as in `recipe_of`. Raises WeightsError, or UsageError for a recipe or a change that does not fit.
    """
    weights, recipe = options.weights, options.recipe
    if weights is None:
        raise WeightsError("fakestormer needs trained weights", hints=WAYS_OUT)
    read_by = recipe_of(weights, recipe, options.changes)
    if weights.suffix in PICKLES:
        grid = read_by.size // read_by.patch
        source = f", read by recipe '{recipe}', positions resized to {grid} x {grid}" if recipe else ""
        return DetectorCard(
            clips=read_by.clips(),
            trained_on=frozenset({"ffpp"}),
            corpora=frozenset({"official"}),
            recipe=read_by.label(released_recipe(recipe)),
            margins=read_by.margins(),
            details={
                "source": f"checkpoint released by the authors{source}",
                "recipe": read_by.identity(),
            },
            verified=False,  # of none of the authors' files is the SHA-256 known here
        )
    return METHOD.header(weights).card(read_by)


def recipe_of(path: Path, name: str = "", changes: Mapping[str, str] | None = None) -> FakeSTormerRecipe:
    """The recipe of a weights file, with `changes`: its own; or of a `.pth`, which has none, `released_recipe(name)`.

    Raises WeightsError, or UsageError for a name beside weights that carry their recipe, and for a change that is about
    training or does not fit.
    """
    if path.suffix in PICKLES:
        require_file(path, hints=WAYS_OUT)
        for field in changes or ():
            if field in FakeSTormerRecipe.model_fields and field not in SCORED_BY:
                raise UsageError(
                    f"--set {field}=... is about training and cannot change how {path} is scored",
                    hints=(f"what may be set for it: {', '.join(SCORED_BY)}",),
                )
        recipe = released_recipe(name)
    else:
        recipe = METHOD.header(path).recipe
        if name:
            raise UsageError(
                f"{path} carries its own recipe, '{recipe.label()}', and cannot be scored by --recipe {name}",
                hints=(
                    "leave out --recipe",
                    f"or train by that recipe: dfbench train --detector fakestormer --recipe {for_shell(name)}",
                ),
            )
    return parse_recipe({**recipe.model_dump(), **changes}) if changes else recipe


def released_recipe(name: str = "") -> FakeSTormerRecipe:
    """How a checkpoint of the authors is read: by the recipe `released`, or by another with its network and crops.

    Raises UnknownNameError, or UsageError for a recipe with a convolutional stem, which the authors do not have.
    """
    released = load_recipe("released")
    if name in ("", released.name):
        return released
    recipe = load_recipe(name)
    if recipe.stem != "patch":
        raise UsageError(
            f"recipe '{name}' has a convolutional stem, and a checkpoint of the authors has none",
            hints=("name another recipe, such as --recipe base_c23",),
        )
    read_by = {field: getattr(released, field) for field in READ_BY}
    return parse_recipe(recipe.model_dump() | read_by | {"name": f"released {name}"})


def load_network(
    path: Path, *, recipe: str = "", changes: Mapping[str, str] | None = None
) -> tuple[FakeSTormerNet, FakeSTormerRecipe]:
    """The network with the weights of one of our files or of the authors', in evaluation mode on the CPU.

    `recipe` and `changes` as in `recipe_of`; where a recipe is named, positions are resized to its grid. Raises
    WeightsError if the file is missing, unsafe, damaged, made for another network, or holds NaN, and UsageError as
    `recipe_of` does.
    """
    read_by = recipe_of(path, recipe, changes)
    if path.suffix in PICKLES:
        return network_from(
            read_pickle(path, hints=WAYS_OUT), read_by, origin=path, resize=bool(recipe)
        ), read_by
    return network_from(read_safetensors(path, hints=WAYS_OUT), read_by, origin=path), read_by


def network_from(
    state: Mapping[str, Tensor], recipe: FakeSTormerRecipe, *, origin: Path, resize: bool = False
) -> FakeSTormerNet:
    """A network of this recipe with these weights, in evaluation mode. Raises WeightsError; `origin` is named.

    `resize`: take positions of another grid, too.
    """
    from dfbench_fakestormer.model import FakeSTormerNet

    config = network_config(recipe)
    if origin.suffix not in PICKLES and _has_older_head(state, config):
        config = replace(config, temporal_hidden=config.width // 4)
    net = FakeSTormerNet(config)
    fit = fitted(
        net.state_dict(),
        state,
        says=f"{origin} does not fit recipe '{recipe.name}'",
        hints=_ways_to_use(state, recipe, origin),
        positions="backbone.pos_embed" if resize else "",
    )
    require_finite(fit, origin=origin, hints=WAYS_OUT)
    net.load_state_dict(fit)
    return net.eval()


def _has_older_head(state: Mapping[str, Tensor], config: ModelConfig) -> bool:
    """Whether these weights are of ours, from when the temporal head was as wide for any number of frames as for four."""
    narrow = state.get("keypoint_head.temp_loc.fc1.0.weight")
    return narrow is not None and tuple(narrow.shape) == (config.width // 4, config.width)


def _ways_to_use(state: Mapping[str, Tensor], recipe: FakeSTormerRecipe, origin: Path) -> tuple[str, ...]:
    """What can be done with weights that do not fit `recipe`."""
    if "cls_token" in state or "encoder.cls_token" in state:
        return ("an image transformer is where a training can start: dfbench train --start FILE",)
    net = probable_network(state)
    if origin.suffix not in PICKLES or net is None or not net.patch or not net.frames:
        return WAYS_OUT
    seen = {"frames": net.frames, "size": net.grid * net.patch, "patch": net.patch}
    seen |= {"width": net.width, "depth": net.depth}
    if all(getattr(recipe, field) == value for field, value in seen.items()):
        return WAYS_OUT  # it differs in something else
    bases = [load_recipe(name) for name in ("base_c23", "small")]
    base = next((one for one in bases if one.width == net.width), bases[0])
    fields = [f"--set {field}={value}" for field, value in seen.items() if getattr(base, field) != value]
    if base.width != net.width:
        fields.append("--set heads=HEADS")  # which no tensor tells
    if (clips := max(1, RELEASED_FRAMES // net.frames)) != base.clips_per_video:
        fields.append(f"--set clips_per_video={clips}")
    return (
        "if the authors' code made it, say how: dfbench run --detector fakestormer"
        f" --weights {for_shell(origin)} " + " ".join([f"--recipe {base.name}", *fields]),
    )


def resize_positions(positions: Tensor, grid: int) -> Tensor:
    """Position embeddings (1, 1 + n, D) of a square grid for one of `grid` x `grid`, bicubic; the first row stays."""
    import torch
    from torch.nn import functional as F

    first, rest = positions[:, :1], positions[:, 1:]
    old = round(rest.shape[1] ** 0.5)
    if old == grid:
        return positions
    plane = rest.reshape(1, old, old, -1).permute(0, 3, 1, 2)
    plane = F.interpolate(plane, size=(grid, grid), mode="bicubic", align_corners=False)
    return torch.cat([first, plane.permute(0, 2, 3, 1).flatten(1, 2)], dim=1)


def fitted(
    own: Mapping[str, Tensor],
    state: Mapping[str, Tensor],
    *,
    says: str,
    hints: Sequence[str],
    positions: str = "",
) -> dict[str, Tensor]:
    """`state`, if it has the tensors of `own` and no others.

    Position embeddings of the name `positions` may be those of another grid, and are resized to that of `own`. Raises
    WeightsError, which begins with `says` and names the first keys that differ, and what `state` was probably made for.
    """
    fit = like_grid(state, own, positions)

    def probably() -> str:
        return f". It was probably made for {probable_shape(state)}; this network is {probable_shape(own)}"

    return same_tensors(own, fit, says=says, hints=hints, probably=probably)


def like_grid(state: Mapping[str, Tensor], own: Mapping[str, Tensor], positions: str) -> dict[str, Tensor]:
    """`state` with its position embeddings, of the name `positions`, resized to the grid of `own` if they are those of a grid."""
    fit = dict(state)
    if positions in own and positions in state and _is_grid(state[positions], like=own[positions]):
        fit[positions] = resize_positions(state[positions], _grid(own[positions]))
    return fit


def _is_grid(positions: Tensor, *, like: Tensor) -> bool:
    """Whether they are those of a square grid, (1, 1 + n, D) with the D of `like`."""
    if positions.ndim != 3 or positions.shape[0] != 1 or positions.shape[2] != like.shape[2]:
        return False
    return positions.shape[1] == 1 + _grid(positions) ** 2 > 1 and _grid(positions) <= MOST_GRID


def _grid(positions: Tensor) -> int:
    """Places along a side."""
    return math.isqrt(max(0, positions.shape[-2] - 1))


@dataclass(frozen=True, slots=True)
class ProbableNetwork:
    """What some tensors come from, as far as their shapes tell. frames 0: of images; patch 0: a conv stem."""

    width: int
    depth: int
    frames: int
    patch: int
    grid: int


def probable_network(state: Mapping[str, Tensor]) -> ProbableNetwork | None:
    """What network these tensors come from; None if it is no transformer of this kind."""
    prefix = "backbone." if "backbone.cls_token" in state else ""
    token, positions = state.get(f"{prefix}cls_token"), state.get(f"{prefix}pos_embed")
    if token is None or positions is None or token.ndim < 1 or positions.ndim < 2:
        return None
    blocks = [int(m[1]) for key in state if (m := re.match(rf"{prefix}blocks\.(\d+)\.", key))]
    times, patch = state.get(f"{prefix}time_embed"), state.get(f"{prefix}patch_embed.proj.weight")
    return ProbableNetwork(
        width=token.shape[-1],
        depth=1 + max(blocks, default=-1),
        frames=0 if times is None or times.ndim < 2 else times.shape[-2] - 1,
        patch=0 if patch is None or patch.ndim < 1 else patch.shape[-1],
        grid=_grid(positions),
    )


def probable_shape(state: Mapping[str, Tensor]) -> str:
    """In words, what network these tensors come from."""
    net = probable_network(state)
    if net is None:
        return f"another model (its first keys are {', '.join(list(state)[:3])})"
    kind, frames = ("FakeSTormer", f"{net.frames} frames, ") if net.frames else ("an image transformer", "")
    stem = f"patches of {net.patch} px" if net.patch else "a conv stem"
    return (
        f"{kind} of width {net.width}, depth {net.depth}, {frames}a {net.grid} x {net.grid} grid of patches"
        f" and {stem}"
    )
