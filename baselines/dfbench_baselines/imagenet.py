"""Where networks of ImageNet start from: which weights a recipe wants, what is said where none are given, and how they are read.

Nothing is downloaded. Whoever trains gives the file, by `--start FILE` or, where timm has to convert it, by
`--start timm:NAME=FILE`; from random weights a network starts only if it is told to (`--set pretrained=none`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from dfbench import WeightsError, for_shell
from dfbench.training import PublishedFile, Recipe, require_timm_name

if TYPE_CHECKING:
    from torch import nn

NONE = "none"
_CHECKED = re.compile(
    r"-([0-9a-f]{8,})\.\w+$"
)  # the end of a name that tells how the SHA-256 of the file begins


class PretrainedRecipe(Recipe):
    """What every training is told, and which weights it starts from.

    `pretrained`: what timm calls the weights that must be given, or "none" for random ones. `detector`: whose recipes they are.
    """

    detector: ClassVar[str] = ""
    pretrained: str = NONE

    def owner(self) -> str:
        """Return the name of the detector whose recipe it is."""
        return self.detector


def pretrained_file(recipe: PretrainedRecipe) -> PublishedFile | None:
    """Return the file of the weights that the recipe starts from, with what timm says of it; None for random weights.

    Raises UsageError if timm knows no weights of this name.
    """
    if recipe.pretrained == NONE:
        return None
    import timm

    require_timm_name(recipe.pretrained)
    known = timm.get_pretrained_cfg(recipe.pretrained)
    licence = known.license or ""
    if known.hf_hub_id:
        url = f"https://huggingface.co/{known.hf_hub_id} (model.safetensors)"
        return PublishedFile(recipe.pretrained, url, licence=licence)
    checked = _CHECKED.search(known.url or "")
    return PublishedFile(recipe.pretrained, known.url or "", checked[1] if checked else "", licence)


def require_pretrained(recipe: PretrainedRecipe) -> None:
    """Raise WeightsError that says where to get the weights that the recipe wants, unless it wants none."""
    file = pretrained_file(recipe)
    if file is None:
        return
    begins = f" (its SHA-256 begins with {file.sha256})" if file.sha256 else ""
    train = f"dfbench train --detector {for_shell(recipe.owner())} --recipe {for_shell(recipe.name)}"
    raise WeightsError(
        f"by recipe '{recipe.name}', {recipe.owner()} starts from weights that timm calls"
        f" {recipe.pretrained!r}, and none are given",
        hints=(
            f"download them:                {file.url}{begins}",
            f"and name the file:            {train} --start timm:{recipe.pretrained}=FILE",
            f"or begin with random weights: {train} --set pretrained={NONE}",
        ),
    )


def all_but(net: nn.Module, head: nn.Module) -> nn.Module:
    """The layers of `net` beside `head`, one of them: what is held still while the head alone is trained."""
    from torch import nn

    return nn.ModuleList([layer for layer in net.children() if layer is not head])
