"""A recipe: every number that decides what is trained and how, in one flat, frozen record.

The recipes of the package are the TOML files in `recipes/`, where one that `extends` another says only what differs.
Any field can be overridden (`--set lr=1e-4`). The resolved recipe is part of a training's identity and is stored in
the weights file, so each switch by which two detectors differ has a name there.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dfbench import ClipSpec, FrameChoice, PrepareSpec, Sampling, UnknownNameError, UsageError
from dfbench_fakestormer.sizes import size_fault

RECIPES = ("base_c23", "base_c0", "base_c40", "released", "small", "demo")
EXTENDS = "extends"
# Pixels that the released test script cuts from each side of a 256 px crop: 15, unless edited by hand for one of these.
RELEASED_CUTS = {"wilddeepfake": 0, "dfdcp": 5, "dfd": 13}
MANY = 10**9  # of anything; what would not fit into memory is refused by `sizes` long before
RELEASED_FRAMES = 32  # that the released test script scores of a video, whatever the length of its clips
_SHOWN = 80


class Recipe(BaseModel):
    """All fields are required, so that `recipes/base_c23.toml` shows everything there is."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str

    # The network; `model.ModelConfig` explains the fields.
    frames: int = Field(ge=1, le=MANY)
    size: int = Field(ge=8, le=MANY)
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

    # Clips when scoring: how many a video, and how far a crop reaches beyond the face box.
    clips_per_video: int = Field(ge=1, le=MANY)
    clip_margin: float = Field(ge=0, le=0.5)
    # "mended": crops are squares of the frame. "released": they have the shape of the face box, and the network sees
    # faces compressed along their longer side.
    crop: Literal["mended", "released"]

    # Clips when training. A video's first `train_frames` frames are stored; crops that reach `train_margin` beyond
    # the face box, `train_crop` px wide, are what the synthesizer works on. A clip's frames are `train_stride`
    # frames apart. `train_clips` clips a video and epoch (0: all there are).
    train_frames: int = Field(ge=1, le=MANY)
    train_margin: float = Field(ge=0, le=0.5)
    train_crop: int = Field(ge=16, le=MANY)
    train_stride: int = Field(ge=1, le=MANY)
    train_clips: int = Field(ge=0, le=MANY)
    detect_every: int = Field(ge=1, le=MANY)
    validation_clips: int = Field(ge=1, le=MANY)
    synthesizer: str
    synthesizer_options: str = Field(
        pattern=r"^(\w+=\w+(,\w+=\w+)*)?$"
    )  # such as "elastic=released,units=pixels"

    # What a training is judged by: "pseudo" fakes of the validation reals, made once and not augmented, or the
    # "real" fakes of the validation set, which a training on reals alone does not see otherwise. `best_by` chooses
    # the weights to keep, and stops the training after `patience` validations without a gain (0: never).
    validation_fakes: Literal["pseudo", "real"]
    validation_view: Literal["mended", "released"]
    best_by: Literal["video_auc", "clip_accuracy"]
    patience: int = Field(ge=0, le=MANY)
    # "released": a sample that fails hands its draws to the next; a training that goes on has lost Adam's moments and
    # its schedule; the crop margin when scoring depends on the dataset.
    retry: Literal["mended", "released"]
    resume: Literal["mended", "released"]
    test_margins: Literal["mended", "released"]

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

    # The optimiser. "sam_adam": Adam with coupled weight decay around a sharpness-aware step; "adamw": AdamW alone;
    # "muon": Muon for weight matrices, AdamW for the rest (`muon.MuonAdamW`).
    # `sam_running_stats`: whether batch norms count a batch "once" or, as released, "twice".
    optimizer: Literal["sam_adam", "adamw", "muon"]
    lr: float = Field(gt=0)
    beta1: float = Field(ge=0, lt=1)
    beta2: float = Field(ge=0, lt=1)
    weight_decay: float = Field(ge=0)
    sam_rho: float = Field(ge=0)
    sam_running_stats: Literal["once", "twice"]
    clip_norm: float = Field(ge=0)  # largest gradient norm; 0 = never cut
    ema_decay: float = Field(ge=0, lt=1)  # of the weights' moving average, which is then kept; 0 = none

    # The schedule. "ramp_decay" by epochs (`lr_boost`, `start_decay`), "warmup_cosine" by steps (`warmup_steps`).
    schedule: Literal["ramp_decay", "warmup_cosine"]
    epochs: int = Field(ge=1, le=MANY)
    lr_boost: float = Field(gt=0)
    start_decay: float = Field(ge=1)
    warmup_steps: int = Field(ge=0, le=MANY)
    frozen_epochs: int = Field(ge=0, le=MANY)  # at the start, the backbone is not trained

    # One sample is one real and one fake clip. `batch` counts the samples of a step, on all devices together; each
    # device takes its share in `accumulate` parts, one after the other. `precision` "64" is for comparing two ways to
    # train, which rounding drives apart otherwise. `compile`: a backend of torch.compile.
    batch: int = Field(ge=1, le=MANY)
    accumulate: int = Field(ge=1, le=MANY)
    precision: Literal["64", "32", "bf16", "fp16"]
    compile: Literal["none", "inductor", "aot_eager"]
    validate_every: int = Field(ge=1, le=MANY)  # epochs
    checkpoint_steps: int = Field(ge=1, le=MANY)

    @model_validator(mode="after")
    def _fits_together(self) -> Recipe:
        if self.size % self.patch:
            raise ValueError(f"size {self.size} is no multiple of patch {self.patch}")
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is no multiple of heads {self.heads}")
        if self.stem == "conv" and self.patch & (self.patch - 1):
            raise ValueError(f"a conv stem needs a patch that is a power of two, not {self.patch}")
        if self.schedule == "ramp_decay" and self.epochs // self.start_decay >= self.epochs:
            raise ValueError("start_decay leaves no epoch for the decay; it must be above 1")
        if self.clip_margin > self.train_margin:
            raise ValueError(
                "clip_margin must not exceed train_margin: validation crops are cut from training crops"
            )
        if self.validation_fakes == "real" and self.validation_view == "released":
            raise ValueError(
                'validation_view = "released" augments pseudo-fakes; with real ones use "mended"'
            )
        if fault := size_fault(self):
            raise ValueError(f"it asks for {fault}")
        return self

    def label(self, stored: Recipe | None = None) -> str:
        """The recipe's name, with every field that was changed: `demo with lr=0.001`. For the names of entries.

        `stored` is the unchanged recipe, if the package has none of this name.
        """
        if stored is None:
            if self.name not in RECIPES:
                return self.name
            stored = load_recipe(self.name)
        changed = [
            f"{key}={value}" for key, value in self.model_dump().items() if value != getattr(stored, key)
        ]
        return " ".join([self.name, "with", *changed]) if changed else self.name

    def clips(self) -> ClipSpec:
        """The clips this network scores."""
        return ClipSpec(
            frames=self.frames,
            size=self.size,
            per_video=self.clips_per_video,
            sampling=Sampling.UNIFORM,
            margin=self.clip_margin,
            square=self.crop == "mended",
        )

    def options(self) -> dict[str, str]:
        """`synthesizer_options` by name."""
        return dict(option.split("=") for option in filter(None, self.synthesizer_options.split(",")))

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

    def shortest_track(self) -> int:
        """How many successive frames with a face a training video must have, wherever its clips begin."""
        return self.frames + (self.frames - 1) * (self.train_stride - 1) + self.most_offset()

    def prepare(self) -> PrepareSpec:
        """What must be stored of a training video."""
        return PrepareSpec(
            frames=FrameChoice("first", self.train_frames, clip=self.shortest_track()),
            margin=0.5,
            max_size=320,
            landmarks=True,
            detect_every=self.detect_every,
        )


def released_margin(cut: int) -> float:
    """The margin beyond the face box, as a share of it, that is left of 25 % after `cut` of 256 px on each side."""
    return 0.25 - 1.5 * cut / 256


def load_recipe(name: str, overrides: Mapping[str, str] | None = None) -> Recipe:
    """The recipe of this name with `overrides` applied, each parsed by its field's type.

    Raises UnknownNameError for an unknown recipe, UsageError for an unknown field or a value that does not fit.
    """
    if name not in RECIPES:
        raise UnknownNameError(
            f"fakestormer has no recipe {name!r}{_did_you_mean(name, RECIPES)}",
            hints=(f"use one of: {', '.join(RECIPES)}",),
        )
    if overrides and "name" in overrides:
        raise UsageError(
            "a recipe's name cannot be overridden: it says where the fields come from",
            hints=("leave out --set name=...",),
        )
    return parse_recipe({**_stored(name), **(overrides or {}), "name": name})


def _stored(name: str) -> dict[str, Any]:
    fields = tomllib.loads((Path(__file__).parent / "recipes" / f"{name}.toml").read_text(encoding="utf-8"))
    parent = fields.pop(EXTENDS, None)
    return {**_stored(parent), **fields} if parent else fields


def parse_recipe(fields: Mapping[str, Any]) -> Recipe:
    """A recipe from its fields. Raises UsageError that names every field that is unknown, missing or unfit."""
    known = tuple(Recipe.model_fields)
    unknown = [key for key in fields if key not in known]
    if unknown:
        raise UsageError(
            "unknown recipe field " + ", ".join(f"{key!r}{_did_you_mean(key, known)}" for key in unknown),
            hints=(f"the fields are: {', '.join(known)}",),
        )
    try:
        return Recipe.model_validate(dict(fields))
    except ValidationError as error:
        lines = [
            f"{'.'.join(str(part) for part in one['loc']) or 'recipe'}: {one['msg']} (got {_cut(one['input'])})"
            if one["loc"]
            else one["msg"]
            for one in error.errors()
        ]
        raise UsageError("the recipe cannot be used: " + "; ".join(lines)) from error


def _cut(value: object) -> str:
    """`value` as it was given, in no more than 80 characters."""
    shown = repr(value)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."


def _did_you_mean(word: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
