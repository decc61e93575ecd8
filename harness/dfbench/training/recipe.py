"""Define recipes: every number that determines what is trained and how, in one flat, frozen record.

The recipe class of a method adds the fields of its network and its loss to those that every training has. Its recipes are the
TOML files of one package; a recipe that `extends` another states only the differences. Any field can be overridden (`--set
lr=1e-4`). The resolved recipe is part of the identity of a training, and is stored in the weights file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dfbench.errors import UnknownNameError, UsageError
from dfbench.exchanged import TrainingNeeds
from dfbench.face_sizes import stored_size
from dfbench.text import meant
from dfbench.types import ClipSpec, FrameChoice, Label, Pooling, PrepareSpec, Sampling

EXTENDS = "extends"
MANY = 10**9  # of anything: a slip on the command line is refused before memory is taken for it
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
NO_SYNTHESIZER = "none"  # in place of the name of a synthesizer: the fakes of the data set
_OPTIONS = r"^(\w+=[\w.]+(,\w+=[\w.]+)*)?$"
_SHOWN = 80
_Triple = tuple[float, float, float]


class Recipe(BaseModel):
    """Holds all settings of a training; a method's recipe class adds fields of its own.

    A field with a default means "as if the field did not exist", and its default never changes: identities omit fields that
    have their default, so that adding a field orphans no weights.

    `package` contains the TOML files of a subclass. `order` names fields that labels list first and identities always contain.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    package: ClassVar[str] = ""
    order: ClassVar[tuple[str, ...]] = ()

    name: str

    # What the network sees: clips of `frames` frames, `size` px wide, channels normalised by `mean` and `std`.
    frames: int = Field(ge=1, le=MANY)
    size: int = Field(ge=8, le=MANY)
    mean: _Triple = IMAGENET_MEAN
    std: _Triple = IMAGENET_STD

    # Scoring: clips a video, how far a crop reaches beyond the face box, which frames make clips, how scores are pooled.
    clips_per_video: int = Field(ge=1, le=MANY)
    clip_margin: float = Field(ge=0, le=0.5)
    sampling: Sampling = Sampling.UNIFORM
    pooling: Pooling = Pooling.MEAN_LOGIT

    # Training data. `fakes`: "pseudo" trains on real videos and on fakes that `synthesizer` makes of them; "real" on real
    # and fake videos. Of a video, `train_frames` frames are stored: its first ones ("successive"), or as many spread over
    # it ("uniform"). A clip's frames are `train_stride` stored frames apart, cut as crops of `train_crop` px that reach
    # `train_margin` beyond the face box. `train_clips`: clips a video and epoch (0: all there are). `balance` "classes":
    # as many real as fake clips an epoch. `augmentation`: see `training.augmentation`.
    fakes: Literal["pseudo", "real"] = "pseudo"
    synthesizer: str = ""
    synthesizer_options: str = Field(default="", pattern=_OPTIONS)  # such as "elastic=released,units=pixels"
    train_frames: int = Field(ge=1, le=MANY)
    train_sampling: Literal["successive", "uniform"] = "successive"
    train_margin: float = Field(ge=0, le=0.5)
    train_crop: int = Field(ge=8, le=MANY)
    train_stride: int = Field(default=1, ge=1, le=MANY)
    train_clips: int = Field(default=0, ge=0, le=MANY)
    balance: Literal["none", "classes"] = "none"
    augmentation: str = Field(default="", pattern=_OPTIONS)
    detect_every: int = Field(default=1, ge=1, le=MANY)

    # Validation, after every `validate_every` epochs: on "pseudo" fakes of the validation reals (`validation_clips` clips a
    # video), made once and not augmented, or on the "real" fakes of the validation set, cut as for scoring. `best_by`
    # chooses the weights to keep, and ends the training after `patience` validations without a gain (0: never).
    validation_fakes: Literal["pseudo", "real"] = "pseudo"
    validation_clips: int = Field(default=1, ge=1, le=MANY)
    validate_every: int = Field(default=1, ge=1, le=MANY)
    best_by: Literal["video_auc", "clip_accuracy"] = "video_auc"
    patience: int = Field(default=0, ge=0, le=MANY)

    # The optimiser: "adam" with coupled weight decay, "adamw", "sgd" (with `momentum`), or "muon" for weight matrices beside
    # AdamW for the rest. With `sam_rho` above 0 each step is sharpness-aware, and `sam_running_stats` says whether batch
    # norms count its batch "once" or "twice". `clip_norm`: largest norm of a gradient (0: any). `ema_decay`: of the moving
    # average of the weights, which is then validated and kept (0: none).
    optimizer: Literal["adam", "adamw", "sgd", "muon"]
    lr: float = Field(gt=0)
    momentum: float = Field(default=0, ge=0, lt=1)
    beta1: float = Field(default=0.9, ge=0, lt=1)
    beta2: float = Field(default=0.999, ge=0, lt=1)
    weight_decay: float = Field(default=0, ge=0)
    sam_rho: float = Field(default=0, ge=0)
    sam_running_stats: Literal["once", "twice"] = "once"
    clip_norm: float = Field(default=0, ge=0)
    ema_decay: float = Field(default=0, ge=0, lt=1)

    # The learning rate: "constant"; "ramp_decay" by epochs (`lr_boost`, `start_decay`), "warmup_cosine" by steps
    # (`warmup_steps`). During the first `frozen_epochs` epochs, the frozen part of a network is not trained.
    schedule: Literal["constant", "ramp_decay", "warmup_cosine"] = "constant"
    epochs: int = Field(ge=1, le=MANY)
    lr_boost: float = Field(default=1, gt=0)
    start_decay: float = Field(default=4, ge=1)
    warmup_steps: int = Field(default=0, ge=0, le=MANY)
    frozen_epochs: int = Field(default=0, ge=0, le=MANY)

    # A step: `batch` samples, on all devices together; each device takes its share in `accumulate` parts, one after the
    # other. `precision` "64" is for comparing two ways to train, which rounding drives apart otherwise. `compile`: a
    # backend of torch.compile. An epoch is divided into rounds of about `checkpoint_steps` steps, each with a checkpoint.
    batch: int = Field(ge=1, le=MANY)
    accumulate: int = Field(default=1, ge=1, le=MANY)
    precision: Literal["64", "32", "bf16", "fp16"] = "32"
    compile: Literal["none", "inductor", "aot_eager"] = "none"
    checkpoint_steps: int = Field(default=250, ge=1, le=MANY)

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.schedule == "ramp_decay" and self.epochs // self.start_decay >= self.epochs:
            raise ValueError("start_decay leaves no epoch for the decay; it must be above 1")
        if self.clip_margin > self.train_margin:
            raise ValueError(
                "clip_margin must not exceed train_margin: validation crops are cut from training crops"
            )
        if self.makes_fakes and not self.synthesizer:
            raise ValueError("pseudo-fakes need a synthesizer: name one, or use the videos' own fakes (real)")
        if self.balance == "classes" and self.fakes == "pseudo":
            raise ValueError(
                "a pseudo-fake stands beside each real clip: balance = 'classes' changes nothing"
            )
        return self

    @property
    def makes_fakes(self) -> bool:
        """Return True if pseudo-fakes are made, for training or for validation."""
        return "pseudo" in (self.fakes, self.validation_fakes)

    @property
    def made_by(self) -> str:
        """Return the synthesizer that makes the training fakes, or "none" if they come from the dataset."""
        return self.synthesizer if self.fakes == "pseudo" else NO_SYNTHESIZER

    @property
    def update_rule(self) -> str:
        """Return the optimiser that takes the step: "adam", "adamw", "sgd" or "muon"."""
        return self.optimizer

    @property
    def sharpness_aware(self) -> bool:
        """Return True if steps are sharpness-aware: taken by the gradient at the worst point within `sam_rho`."""
        return self.sam_rho > 0

    @property
    def validates_anew(self) -> bool:
        """Return True if the pseudo-fakes of validation are drawn anew in every round."""
        return False

    def clips(self) -> ClipSpec:
        """Return the clips that weights trained by this recipe score."""
        return ClipSpec(
            frames=self.frames,
            size=self.size,
            per_video=self.clips_per_video,
            sampling=self.sampling,
            margin=self.clip_margin,
        )

    def margins(self) -> dict[str, float]:
        """Return the crop margins of single datasets by name, where they differ from that of `clips`."""
        return {}

    def smaller(self) -> tuple[str, ...]:
        """Return the names of recipes with a smaller network, for users who run out of memory."""
        return ()

    def options(self) -> dict[str, str]:
        """Return `synthesizer_options` by name."""
        return pairs_of(self.synthesizer_options)

    def most_offset(self) -> int:
        """Return the largest number of stored frames that is skipped at the start of a training video, drawn for each epoch."""
        return self.frames - 1 if self.train_sampling == "successive" else 0

    def reach(self) -> int:
        """Return the number of stored frames that a training clip spans, including those between its frames."""
        return self.frames + (self.frames - 1) * (self.train_stride - 1)

    def shortest_track(self) -> int:
        """Return the number of frames with a face that a training video must have, wherever its clips start."""
        return self.reach() + self.most_offset()

    def prepare(self) -> PrepareSpec:
        """Return what must be stored of a training video."""
        how = "first" if self.train_sampling == "successive" else "uniform"
        return PrepareSpec(
            frames=FrameChoice(how, self.train_frames, clip=self.shortest_track()),
            max_size=stored_size(self.train_crop, self.train_margin, square=self.clips().square),
            landmarks=self.fakes == "pseudo",
            detect_every=self.detect_every if how == "first" else 1,
        )

    def needs(self) -> TrainingNeeds:
        """Return what the harness must prepare. For validation on real fakes, that is videos of both labels, as for scoring."""
        both, reals = frozenset({int(Label.REAL), int(Label.FAKE)}), frozenset({int(Label.REAL)})
        prepare = self.prepare()
        own = self.validation_fakes == "real"
        runs = FrameChoice("runs", self.validation_clips, self.frames)
        needs = TrainingNeeds(
            prepare=prepare,
            prepare_validation=self.clips().prepare()
            if own
            else replace(prepare, frames=runs, landmarks=True, detect_every=1),
            labels=reals if self.fakes == "pseudo" else both,
            validation_labels=both if own else None,
        )
        if self.fakes == "real" and not own:
            needs = replace(needs, validation_labels=reals)
        if not self.makes_fakes:
            return needs
        return replace(needs, synthesizer=self.synthesizer, synthesizer_options=self.options())

    def identity(self) -> dict[str, Any]:
        """Return the JSON-ready fields that determine the weights: all but fields that were added later and have no effect."""
        known = type(self).model_fields
        always = {*self.order, *(name for name, field in known.items() if field.is_required())}
        return {
            name: value
            for name, value in self.model_dump(mode="json").items()
            if name in always or getattr(self, name) != known[name].default
        }

    def label(self, stored: Self | None = None) -> str:
        """Return the recipe's name with every changed field (`demo with lr=0.001`), for the names of entries.

        Another synthesizer is stated by its name; the fields that follow from it (`fields_with_synthesizer`) are omitted.
        `stored` is the unchanged recipe, if the package has none of this name.
        """
        if stored is None:
            if self.name not in self.names():
                return self.name
            stored = self.load(self.name)
        shown = {name: getattr(self, name) for name in [*self.order, *type(self).model_fields]}
        known = stored.model_dump()
        if self.made_by != stored.made_by:
            known |= fields_with_synthesizer(known, self.made_by)
            shown["synthesizer"], known["synthesizer"] = self.made_by, stored.made_by
        changed = [f"{name}={value}" for name, value in shown.items() if value != known[name]]
        return " ".join([self.name, "with", *changed]) if changed else self.name

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Return the sorted names of the recipes in `package`. A file whose name begins with `_` only serves to be extended."""
        found = (
            one.name.removesuffix(".toml")
            for one in files(cls.package).iterdir()
            if one.name.endswith(".toml")
        )
        return tuple(sorted(name for name in found if not name.startswith("_")))

    @classmethod
    def load(cls, name: str, overrides: Mapping[str, str] | None = None, *, synthesizer: str = "") -> Self:
        """Return the recipe called `name` with `overrides` applied, each parsed by the type of its field.

        `synthesizer` replaces the one of the recipe; "none" means the fakes of the dataset, "" leaves the recipe as it is.
        Raises UnknownNameError for an unknown recipe, and UsageError for an unknown field, a value that does not fit, or an
        override of a field that follows from `synthesizer`.
        """
        if name not in cls.names():
            raise UnknownNameError(
                f"{cls.package.partition('.')[0]} has no recipe {name!r}{_did_you_mean(name, cls.names())}",
                hints=(f"use one of: {', '.join(cls.names())}",),
            )
        if overrides and "name" in overrides:
            raise UsageError(
                "a recipe's name cannot be overridden: it says where the fields come from",
                hints=("leave out --set name=...",),
            )
        fields = cls.stored_fields(name)
        if synthesizer:
            for field in ("fakes", "synthesizer"):
                if field in (overrides or {}):
                    raise UsageError(
                        f"--synthesizer {synthesizer} and --set {field}=... both say where the fakes come from",
                        hints=("leave out one of them",),
                    )
            fields |= fields_with_synthesizer(fields, synthesizer)
        return cls.parse({**fields, **(overrides or {}), "name": name})

    @classmethod
    def stored_fields(cls, name: str) -> dict[str, Any]:
        """Return the fields in the file of a recipe and in those that it extends, as they were read."""
        fields = tomllib.loads((files(cls.package) / f"{name}.toml").read_text(encoding="utf-8"))
        parent = fields.pop(EXTENDS, None)
        return {**cls.stored_fields(parent), **fields} if parent else fields

    @classmethod
    def parse(cls, fields: Mapping[str, Any]) -> Self:
        """Return a recipe made of its fields. Raises UsageError that names every unknown, missing or invalid field."""
        known = tuple(cls.model_fields)
        unknown = [key for key in fields if key not in known]
        if unknown:
            raise UsageError(
                "unknown recipe field " + ", ".join(f"{key!r}{_did_you_mean(key, known)}" for key in unknown),
                hints=(f"the fields are: {', '.join(known)}",),
            )
        try:
            return cls.model_validate(dict(fields))
        except ValidationError as error:
            lines = [
                f"{'.'.join(str(part) for part in fault['loc']) or 'recipe'}: {fault['msg']} (got {_cut(fault['input'])})"
                if fault["loc"]
                else fault["msg"]
                for fault in error.errors()
            ]
            raise UsageError("the recipe cannot be used: " + "; ".join(lines)) from error


def fields_with_synthesizer(fields: Mapping[str, Any], synthesizer: str) -> dict[str, Any]:
    """Return the fields of a recipe that change if another synthesizer, or "none", makes the fakes of its training.

    A recipe for real fakes is then validated on pseudo-fakes as well, so that it sees no deepfake at all. A recipe for
    pseudo-fakes that becomes one for real fakes is balanced as its pairs were. The options belong to the old synthesizer, and
    are dropped.
    """
    fakes = fields.get("fakes", "pseudo")
    if synthesizer == (fields.get("synthesizer", "") if fakes == "pseudo" else NO_SYNTHESIZER):
        return {}
    if synthesizer == NO_SYNTHESIZER:
        return {
            "fakes": "real",
            "synthesizer": "",
            "synthesizer_options": "",
            "balance": "classes",
            "validation_fakes": "real",
        }
    changed = {"fakes": "pseudo", "synthesizer": synthesizer, "synthesizer_options": "", "balance": "none"}
    return changed if fakes == "pseudo" else {**changed, "validation_fakes": "pseudo"}


def pairs_of(text: str) -> dict[str, str]:
    """Return the pairs of `"a=1,b=2"` as {"a": "1", "b": "2"}."""
    return dict(pair.split("=") for pair in filter(None, text.split(",")))


def _cut(value: object) -> str:
    """Return `value` as it was given, shortened to 80 characters."""
    shown = repr(value)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."


def _did_you_mean(word: str, known: Sequence[str]) -> str:
    question = meant(word, known, count=1)
    return f" ({question})" if question else ""
