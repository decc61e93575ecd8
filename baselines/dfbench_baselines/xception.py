"""Xception on frames (Rossler et al., ICCV 2019), the detector that FaceForensics++ made the field's yardstick.

The network has an output for "real" and one for "fake", in this order, as the public checkpoints do; the logit is their
difference, so that its cross-entropy is that of both outputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from dfbench import Started, StartWeights
from dfbench.training import Method, drawing_from, fitted, read_start, require_finite, start_whole
from dfbench_baselines.deepfakebench_files import XCEPTION_FILES
from dfbench_baselines.imagenet import PretrainedRecipe, all_but, pretrained_file, require_pretrained

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    from dfbench_baselines.xception_net import Xception

HEAD = "fc."
_HINTS = ("Xception's are called legacy_xception in timm",)


class XceptionRecipe(PretrainedRecipe):
    """What every training is told. `width`: what all channels are multiplied by; `dropout`: before the last layer."""

    package: ClassVar[str] = "dfbench_baselines.recipes.xception"
    detector: ClassVar[str] = "xception"
    width: float = Field(default=1, gt=0, le=1)
    dropout: float = Field(default=0, ge=0, lt=1)


def network(recipe: XceptionRecipe, *, seed: int) -> Xception:
    """Build the network: frames (B, 3, S, S) to logits of "real" and "fake" (B, 2)."""
    from dfbench_baselines.xception_net import Xception

    with drawing_from(seed):
        return Xception(width=recipe.width, dropout=recipe.dropout)


def logit(net: nn.Module, clips: Tensor) -> Tensor:
    """Compute the logits of "fake" (B,) of clips (B, 3, T, S, S): the mean over frames of the difference of both outputs."""
    outputs: Tensor = net(clips.transpose(1, 2).flatten(0, 1))
    return (outputs[:, 1] - outputs[:, 0]).view(len(clips), -1).mean(dim=1)


def begin_inside(
    method: Method,
    net: nn.Module,
    weights: StartWeights,
    *,
    inside: dict[str, Xception],
    first: Callable[[Tensor], Tensor],
) -> Started:
    """Give weights of ImageNet to the Xceptions `inside` of a network by prefix, or those of a whole network to all of it.

    `first` makes the kernel of their first convolution (32, C, 3, 3) of that of ImageNet, (32, 3, 3, 3). Raises WeightsError
    for a file that is unsafe, damaged or does not fit, UsageError for a way to read it that is unknown.
    """
    state = read_start(weights)
    if any(name.startswith(tuple(inside)) for name in state):
        return start_whole(method, net, weights)
    says = f"{weights.path} does not fit"
    given = {name: value for name, value in state.items() if not name.startswith(HEAD)}
    if "conv1.weight" in given and given["conv1.weight"].shape[1:2] == (3,):
        given["conv1.weight"] = first(given["conv1.weight"])
    for part in inside.values():
        own = part.state_dict()
        head = {name: value for name, value in own.items() if name.startswith(HEAD)}
        full = fitted(own, given | head, says=says, hints=_HINTS)
        require_finite(full, origin=weights.path, hints=_HINTS)
        part.load_state_dict(full)
    return Started(f"starting from the Xception in {weights.path}; all else begins anew")


METHOD = Method(
    name="xception",
    recipe=XceptionRecipe,
    network=network,
    logit=logit,
    needs_start=require_pretrained,
    starts_from=pretrained_file,
    head=lambda net: net.fc,
    frozen=lambda net: all_but(net, net.fc),
    released=XCEPTION_FILES,
)
