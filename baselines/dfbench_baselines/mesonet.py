"""MesoNet (Afchar et al., WIFS 2018): two networks of 28,000 numbers that look at single frames of 256 px.

Layers, their order and constants are those of the published Keras code: the activation stands before the batch norm, whose
epsilon is 1e-3, and the maps are flattened by row, column and channel. So the authors' HDF5 files fit, which
`keras_files` reads. **Their output is the probability of "real"** (class folders are sorted: df, real); the logit of "fake"
that dfbench asks for is the negative of theirs.

DeepfakeBench's networks of these names are others, and stand beside them: recipe `deepfakebench`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import model_validator

from dfbench import DetectorCard, LoadOptions, Started, StartWeights, for_shell
from dfbench.training import UNKNOWN, Batch, Method, PublishedFile, Recipe, drawing_from
from dfbench_baselines.deepfakebench_files import MESO4_FILES, MESOINCEPTION4_FILES

if TYPE_CHECKING:
    from torch import Tensor, nn

HDF5 = (".h5", ".hdf5")
POOLED = 32  # the product of the pools: a map has so many times fewer rows than the image
OFFERED = "https://github.com/DariusAf/MesoNet/tree/master/weights"
# The files that the authors offer, by SHA-256. DF and F2F are their own sets of deepfakes and of Face2Face videos.
RELEASED: Mapping[str, str] = {
    "036ed30d04ffd9c7506f825b97c86aa64915f5818931da96817b169aad790af5": "Meso4_DF",
    "bcfda015d217b9f8d6557693edbdf9f4e79cfd22672541968dd0e2954462b5d7": "Meso4_F2F",
    "234586d40058e76ef8b6f27ca4b63c06e31c2a5a69c0d8ba6f30b1468ab7bafa": "MesoInception_DF",
    "d4533ac8a3197dc35c47405d23d99e888c1d0135e267e03540c7451feaccff3f": "MesoInception_F2F",
}


class Meso4Recipe(Recipe):
    """What every training is told, and whose network of this name it is: the authors' or DeepfakeBench's."""

    package: ClassVar[str] = "dfbench_baselines.recipes.meso4"
    layers: Literal["authors", "deepfakebench"] = "authors"

    @model_validator(mode="after")
    def _fits_the_pools(self) -> Self:
        if self.size % POOLED:
            raise ValueError(f"size {self.size} is no multiple of {POOLED}, by which the network pools")
        return self


class MesoInception4Recipe(Meso4Recipe):
    """What every training is told, and whose network of this name it is: the authors' or DeepfakeBench's."""

    package: ClassVar[str] = "dfbench_baselines.recipes.mesoinception4"


def meso4(recipe: Meso4Recipe, *, seed: int) -> nn.Module:
    """Build Meso4: normalised frames (B, 3, S, S) to the logit of "real" (B, 1)."""
    from dfbench_baselines.mesonet_deepfakebench import sharing_meso4
    from dfbench_baselines.mesonet_layers import Meso4

    with drawing_from(seed):
        return Meso4(recipe.size) if recipe.layers == "authors" else sharing_meso4(recipe.size)


def mesoinception4(recipe: MesoInception4Recipe, *, seed: int) -> nn.Module:
    """Build MesoInception4: normalised frames (B, 3, S, S) to the logit of "real" (B, 1)."""
    from dfbench_baselines.mesonet_deepfakebench import sharing_mesoinception4
    from dfbench_baselines.mesonet_layers import MesoInception4

    with drawing_from(seed):
        return (
            MesoInception4(recipe.size) if recipe.layers == "authors" else sharing_mesoinception4(recipe.size)
        )


def logit(net: nn.Module, clips: Tensor) -> Tensor:
    """Compute the logits of "fake" (B,) of clips (B, 3, T, S, S): the mean over frames, with the sign turned."""
    real: Tensor = net(clips.transpose(1, 2).flatten(0, 1))
    return -real.view(len(clips), -1).mean(dim=1)


def loss(net: nn.Module, clips: Tensor, batch: Batch, recipe: Meso4Recipe) -> Mapping[str, Tensor]:
    """Return the squared error of the probability, as the authors train, or the cross-entropy, as DeepfakeBench does."""
    from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

    logits = logit(net, clips)
    labels = batch.labels.to(logits.dtype)
    if recipe.layers == "deepfakebench":
        return {"classes": binary_cross_entropy_with_logits(logits, labels)}
    return {"squared error": mse_loss(logits.sigmoid(), labels)}


class MesoMethod(Method):
    """A method that also reads the authors' HDF5 files, to score with and to start from."""

    def describe(self, options: LoadOptions) -> DetectorCard:
        """Return the card of a detector with the weights of `options`.

        What an HDF5 file was trained on is not one of the data sets that dfbench knows, and stays unknown. Raises
        WeightsError, UsageError.
        """
        if options.weights is None or options.weights.suffix not in HDF5:
            return super().describe(options)
        recipe, sha256 = self._released(options.weights)
        changed = self._changed(recipe, options.changes)
        return DetectorCard(
            clips=changed.clips(),
            pooling=changed.pooling,
            recipe=changed.label(recipe),
            details={"source": "HDF5 weights of Keras", "sha256": sha256, "recipe": changed.identity()},
        )

    def load(self, weights: Path) -> tuple[nn.Module, Recipe]:
        """Return the network with the weights of a file, in evaluation mode on the CPU, and its recipe. Raises WeightsError."""
        if weights.suffix not in HDF5:
            return super().load(weights)
        recipe, _ = self._released(weights)
        net = self.network(recipe, seed=0)
        self._load_keras(net, weights)
        return net.eval(), recipe

    def known_files(self) -> tuple[PublishedFile, ...]:
        """Return the authors' files of this network, and other public checkpoints, that are known by their SHA-256."""
        files = tuple(
            PublishedFile(f"{name}.h5", OFFERED, sha256)
            for sha256, name in RELEASED.items()
            if name.partition("_")[0].casefold().removesuffix("4") == self.name.removesuffix("4")
        )
        return files + super().known_files()

    def begin(self, net: nn.Module, weights: StartWeights) -> Started:
        """Give `net` weights to start a training from. Raises WeightsError or UsageError if it cannot have them."""
        if weights.path.suffix not in HDF5 or weights.read_as:
            return super().begin(net, weights)
        self._load_keras(net, weights.path)
        return Started(f"starting from the Keras network in {weights.path}", frozenset({UNKNOWN}), None)

    def _load_keras(self, net: nn.Module, path: Path) -> None:
        from dfbench_baselines.keras_files import load_keras

        load_keras(net, path, hints=self.hints())

    def _released(self, path: Path) -> tuple[Recipe, str]:
        """The recipe by which an HDF5 file is scored, named after it, and its SHA-256. Raises WeightsError."""
        from dfbench_baselines.keras_files import read_small

        sha256 = hashlib.sha256(read_small(path, hints=self.hints())).hexdigest()
        known = RELEASED.get(sha256)
        name = f"released {known}" if known else f"unverified weights {sha256[:8]}"
        return self.recipe.parse({**self.recipe.load("standard").model_dump(), "name": name}), sha256


def _ways_out(name: str, file: str) -> tuple[str, ...]:
    return (
        f"train weights:             dfbench train --detector {for_shell(name)}",
        f"or use the authors' (.h5): dfbench run --detector {for_shell(name)} --weights PATH/TO/{file}",
    )


MESO4 = MesoMethod(
    name="meso4",
    recipe=Meso4Recipe,
    network=meso4,
    logit=logit,
    loss=loss,
    ways_out=_ways_out("meso4", "Meso4_DF.h5"),
    released=MESO4_FILES,
)
MESOINCEPTION4 = MesoMethod(
    name="mesoinception4",
    recipe=MesoInception4Recipe,
    network=mesoinception4,
    logit=logit,
    loss=loss,
    ways_out=_ways_out("mesoinception4", "MesoInception_DF.h5"),
    released=MESOINCEPTION4_FILES,
)
