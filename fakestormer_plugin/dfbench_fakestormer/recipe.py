"""FakeSTormer's recipes: the fields of its network, its loss and the defects of the released code, beside those of any training.

The recipes of the package are the TOML files in `recipes/`, of which `base_c23.toml` shows every field. Each switch by which
two detectors differ has a name there, so that the weights record it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from dfbench import ClipSpec
from dfbench.training import MANY, Recipe
from dfbench_fakestormer.sizes import size_fault

# Pixels that the released test script cuts from each side of a 256 px crop: 15, unless edited by hand for one of these.
RELEASED_CUTS = {"wilddeepfake": 0, "dfdcp": 5, "dfd": 13}
FIXED = ("mean", "std", "train_sampling", "augmentation")  # fields that this method has no choice of
RELEASED_FRAMES = 32  # that the released test script scores of a video, whatever the length of its clips


class FakeSTormerRecipe(Recipe):
    """What a training of FakeSTormer is told.

    "released" is what the authors' code does, "mended" what it should do. Fields with a default came after the first
    weights were written, and mean what was done before.
    """

    package: ClassVar[str] = "dfbench_fakestormer.recipes"
    # Labels list the fields of the first recipes in this order, and identities contain them all: entries and weights of
    # before keep their names.
    order: ClassVar[tuple[str, ...]] = (
        "name", "frames", "size", "patch", "width", "depth", "heads", "mlp_ratio", "drop_path", "head_dropout", "stem",
        "temporal_token", "embed_order", "clips_per_video", "clip_margin", "crop", "train_frames", "train_margin",
        "train_crop", "train_stride", "train_clips", "detect_every", "validation_clips", "synthesizer", "synthesizer_options",
        "validation_fakes", "validation_view", "best_by", "patience", "retry", "resume", "test_margins", "mask_out",
        "heatmap", "derivative", "cells", "mirror", "jpeg", "heatmap_weight", "class_weight", "temporal_weight",
        "temperature", "optimizer", "lr", "beta1", "beta2", "weight_decay", "sam_rho", "sam_running_stats", "clip_norm",
        "ema_decay", "schedule", "epochs", "lr_boost", "start_decay", "warmup_steps", "frozen_epochs", "batch", "accumulate",
        "precision", "compile", "validate_every", "checkpoint_steps",
    )  # fmt: skip

    # The network; `model.ModelConfig` explains the fields.
    patch: int = Field(ge=2, le=MANY)
    width: int = Field(ge=8, le=MANY)
    depth: int = Field(ge=1, le=MANY)
    heads: int = Field(ge=1, le=MANY)
    mlp_ratio: float = Field(gt=0, le=1000)
    drop_path: float = Field(ge=0, lt=1)
    head_dropout: float = Field(ge=0, lt=1)
    stem: Literal["patch", "conv"]
    temporal_token: Literal["learned", "patch0"]
    embed_order: Literal["released", "mended"]

    # "mended": crops are squares of the frame. "released": they have the shape of the face box, and the network sees
    # faces compressed along their longer side.
    crop: Literal["mended", "released"] = "mended"
    train_crop: int = Field(ge=16, le=MANY)
    # "released": validation clips are augmented like training clips, but for the mirror image, and drawn anew each round.
    validation_view: Literal["mended", "released"] = "mended"
    # "released": a sample that fails hands its draws to the next; a training that goes on has lost Adam's moments and
    # its schedule; the crop margin when scoring depends on the dataset.
    retry: Literal["mended", "released"] = "mended"
    resume: Literal["mended", "released"] = "mended"
    test_margins: Literal["mended", "released"] = "mended"

    # The pseudo-fake sample; `synthesis.sample.SampleSettings` explains the fields.
    mask_out: float = Field(ge=0, le=1)
    heatmap: Literal["m_std_normalized", "gaussian", "vulnerability"]
    derivative: Literal["mended", "absolute", "released"]
    cells: Literal["area", "point"]
    mirror: Literal["mended", "released"]
    jpeg: Literal["mended", "released"]

    # The loss; `losses.LossWeights` explains the fields.
    heatmap_weight: float = Field(ge=0)
    class_weight: float = Field(ge=0)
    temporal_weight: float = Field(ge=0)
    temperature: float = Field(gt=0)

    # "sam_adam" is "adam" around a sharpness-aware step; the others take none, whatever `sam_rho` is: so it stands in the
    # identities of trained weights.
    optimizer: Literal["sam_adam", "adam", "adamw", "sgd", "muon"]  # type: ignore[assignment] # one value more

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for name in FIXED:
            if getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(f"fakestormer has no other {name} than its own")
        if self.size % self.patch:
            raise ValueError(f"size {self.size} is no multiple of patch {self.patch}")
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is no multiple of heads {self.heads}")
        if self.stem == "conv" and self.patch & (self.patch - 1):
            raise ValueError(f"a conv stem needs a patch that is a power of two, not {self.patch}")
        if self.validation_fakes == "real" and self.validation_view == "released":
            raise ValueError(
                'validation_view = "released" augments pseudo-fakes; with real ones use "mended"'
            )
        if fault := size_fault(self):
            raise ValueError(f"it asks for {fault}")
        return self

    @property
    def update_rule(self) -> str:
        """The optimiser that takes the step."""
        return "adam" if self.sharpness_aware else self.optimizer

    @property
    def sharpness_aware(self) -> bool:
        """True if each step is sharpness-aware."""
        return self.optimizer == "sam_adam"

    @property
    def validates_anew(self) -> bool:
        """True if the pseudo-fakes of validation are drawn anew in every round."""
        return self.validation_view == "released"

    def smaller(self) -> tuple[str, ...]:
        """Names of recipes with a smaller network."""
        return ("small",) if self.width > load_recipe("small").width else ()

    def clips(self) -> ClipSpec:
        """The clips that this network scores."""
        clips = super().clips()
        return replace(clips, square=self.crop == "mended")

    def margins(self) -> dict[str, float]:
        """Crop margins of single datasets, where they differ from that of `clips`: none, unless as released."""
        if self.test_margins == "mended":
            return {}
        return {dataset: released_margin(cut) for dataset, cut in RELEASED_CUTS.items()}

    def most_offset(self) -> int:
        """By how many frames the clips of a training video may begin later: by two less than a clip has, as in the source.

        By two at least: the source begins clips of two frames always at the first, and can make none of one.
        """
        return max(2, self.frames - 2)


def released_margin(cut: int) -> float:
    """The margin beyond the face box, as a share of it, that is left of 25 % after `cut` of 256 px on each side."""
    return 0.25 - 1.5 * cut / 256


load_recipe = FakeSTormerRecipe.load
parse_recipe = FakeSTormerRecipe.parse
