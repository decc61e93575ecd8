"""How large the network and the clips of a recipe are, by arithmetic: before memory is taken for them.

A recipe may come from a weights file of a stranger or a slip on the command line, and a width of 10^9 would end the process
before anybody could say why.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dfbench_fakestormer.recipe import FakeSTormerRecipe

MOST_PARAMETERS = 2 * 10**9  # 8 GB of weights; ViT-B/16 has a twentieth
MOST_DEPTH = 1024
MOST_BYTES = 16 * 2**30  # of the tensors of one clip, of the crops of one video, of the clips of one step


def parameter_count(recipe: FakeSTormerRecipe) -> int:
    """How many parameters the network of a recipe has."""
    width, grid, narrow = recipe.width, recipe.size // recipe.patch, recipe.width // 4
    hidden = int(width * recipe.mlp_ratio)
    attention = 4 * width * width + 4 * width
    mlp = 2 * width * hidden + hidden + width
    block = 2 * attention + (width * width + width) + mlp + 6 * width
    tokens = width * (1 + (1 + grid * grid) + 1 + (recipe.frames + 1))
    heat_map = (3 * width * width + 3 * width) + (3 * width * narrow + 3 * narrow) + (3 * narrow + 1)
    narrowed = max(1, width // recipe.frames)
    temporal = width * narrowed + narrowed + recipe.frames * narrowed * recipe.frames + recipe.frames
    heads = heat_map + (width + 1) + temporal
    return recipe.depth * block + tokens + _stem(recipe) + 6 * width + heads


def size_fault(recipe: FakeSTormerRecipe) -> str:
    """Say why the network or the clips of a recipe are too large to be made; returns "" if they are not."""
    grid = recipe.size // recipe.patch
    if recipe.depth > MOST_DEPTH:
        return f"a network of depth {recipe.depth}: at most {MOST_DEPTH} blocks are built"
    if (count := parameter_count(recipe)) > MOST_PARAMETERS:
        return (
            f"a network of {count:.3g} parameters (width {recipe.width}, depth {recipe.depth}, {recipe.frames} frames of "
            f"{grid} x {grid} patches): at most {MOST_PARAMETERS:.3g} are built"
        )
    widest = max(3 * recipe.width, int(recipe.width * recipe.mlp_ratio))
    clip = 3 * recipe.frames * recipe.size**2
    stored = 3 * recipe.train_crop**2
    for bytes_, what in (
        (4 * recipe.frames * grid**2 * widest, "tokens in one clip (frames, size, patch, width)"),
        (clip * recipe.clips_per_video, "clips of one video (frames, size, clips_per_video)"),
        (clip * recipe.validation_clips, "validation clips of one video (frames, size, validation_clips)"),
        (stored * recipe.train_frames, "crops of one training video (train_frames, train_crop)"),
        (2 * recipe.batch * recipe.frames * max(stored, 3 * recipe.size**2), "clips of one step (batch, frames, size, "
         "train_crop)"),
    ):  # fmt: skip
        if bytes_ > MOST_BYTES:
            return f"{bytes_:.3g} bytes for the {what}: at most {MOST_BYTES:.3g} are taken"
    return ""


def _stem(recipe: FakeSTormerRecipe) -> int:
    """How many parameters lead from pixels to patches."""
    if recipe.stem == "patch":
        return 3 * recipe.patch**2 * recipe.width + recipe.width
    halvings = recipe.patch.bit_length() - 1
    widths = [3, *(16 << number for number in range(halvings - 1))]
    count = 0
    for number, (before, after) in enumerate(pairwise(widths)):
        count += 9 * before * after + after + _norm(after)
        if number > 0:
            count += 9 * after * after + after + _norm(after)
    return count + 9 * widths[-1] * recipe.width + recipe.width


def _norm(width: int) -> int:
    return 2 * width
