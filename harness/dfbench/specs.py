"""What plugins offer, as frozen dataclasses: specs of datasets, corpora, synthesizers, face finders, detectors and protocols.

A spec is data. What it describes is imported only when someone asks for it, through `build`, the import path
`"package.module:Name"` of a factory; so listing plugins never imports torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import InitVar, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from dfbench.errors import PluginError
from dfbench.types import FULL_PRECISION, OFFICIAL, STORED_MARGIN, ClipSpec, Counts, Pooling


@dataclass(frozen=True, slots=True)
class Offer:
    """Names and describes something that a plugin offers; every spec is an offer.

    `name` is what commands and records call it, `aliases` are other names that find it; `summary` is one line for lists;
    `licence` and `citation` are those of the work behind it.
    """

    name: str
    summary: str
    licence: str = field(default="", kw_only=True)
    citation: str = field(default="", kw_only=True)
    aliases: tuple[str, ...] = field(default=(), kw_only=True)


@dataclass(frozen=True, slots=True)
class Built(Offer):
    """An offer that becomes an object: `build` is the import path of its factory, whose arguments each kind of spec states."""

    build: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSpec(Built):
    """A dataset. `build(root: Path, *, compression: str | None) -> Dataset`.

    `compressions` are the versions on disk, the first is the default; `official` are the published counts
    by split; `homepage` is where to ask for access. `root_of` names the dataset whose root holds this one as well
    (DFD lies in FF++'s): it is used where none is configured for this one. `needs` names the datasets of which this
    one uses videos (the reals of DeeperForensics are FF++'s); `build` is then given `roots`, a mapping from each of
    these names to its root, besides. `verified`: the official layout is known and read as it is; otherwise the
    dataset is read in the layout of the dataset `folder`, as its page in the docs describes. `unverified`: what of a
    layout that is known otherwise could not be held against an official copy, in words. `corpus`: which one a root
    without a corpus file belongs to; `OWN` for a dataset that nobody publishes.
    """

    title: str = ""
    homepage: str = ""
    compressions: tuple[str, ...] = ()
    official: Mapping[str, Counts] = field(default_factory=dict)
    root_of: str = ""
    needs: tuple[str, ...] = ()
    verified: bool = True
    unverified: str = ""
    corpus: str = OFFICIAL

    @property
    def layout(self) -> str:
        """How far the layout is verified: "" if it is altogether, else "verified in part" or "not verified"."""
        if not self.verified:
            return "not verified"
        return "verified in part" if self.unverified else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusSpec(Built):
    """A set of datasets that can be made on this machine, such as the demo corpora.

    `build(folder: Path, *, size: str, seed: int, progress: Progress) -> Mapping[str, Path]` writes whatever
    is not there yet and returns the root of each dataset by its dataset name. `sizes` lists what `size` may be.
    `datasets`: the splits of each dataset that it makes, by name, so that a request for another one is refused before
    anything is made; empty if that is not known.
    """

    sizes: tuple[str, ...] = ("full",)
    datasets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthesizerSpec(Built):
    """A maker of pseudo-fake clips. `build(options: Mapping[str, object]) -> Synthesizer`.

    `version` changes whenever what it makes may change; weights that were trained with another version are trained anew.
    """

    version: str = "1"


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceFinderSpec(Built):
    """A face finder. `build(device: str) -> FaceFinder`.

    `version` changes whenever boxes may change; faces found by another version are found anew.
    """

    version: str = "1"


@dataclass(frozen=True, slots=True)
class EvidenceMap:
    """A kind of spatial map that an explainer can make.

    `summary` says what a value means, in one line; higher is more evidence. `unit` stands at the colour bar.
    `span` (low, high) is what the colours run over in every video, or None: each video is drawn over its own range.
    With `signed`, values below 0 speak for "real". `standard` maps are made when nobody names any. A `temporal` map
    tells what the frames of a place say by what is seen over time, and is drawn beside the map that is shown.
    """

    name: str
    summary: str
    unit: str = ""
    span: tuple[float, float] | None = None
    signed: bool = False
    standard: bool = True
    temporal: bool = False


@dataclass(frozen=True, slots=True)
class DetectorCard:
    """What is known of a detector with given weights, before the model is built.

    `trained_on`: names of the datasets (None = unknown, and then no result counts as cross-dataset; empty =
    needs no training). `train_compression` and `recipe` become part of the entry's name in tables. `margins`: crop
    margins of single datasets, by name, where a released method has others than that of `clips`. `corpora`: which
    corpora the datasets of `trained_on` were of ("official", "demo"; None = unknown), `seed`: that of the training
    (None = unknown). Of weights that dfbench trained it knows all of these itself, if the card does not say.
    Datasets may be called by aliases and in other spellings. dfbench itself fills in `unknown`: the names in `trained_on`
    that no installed dataset bears.
    """

    clips: ClipSpec
    pooling: Pooling = Pooling.MEAN_LOGIT
    trained_on: frozenset[str] | None = None
    train_compression: str = ""
    recipe: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    margins: Mapping[str, float] = field(default_factory=dict)
    corpora: frozenset[str] | None = None
    seed: int | None = None
    unknown: frozenset[str] = frozenset()

    def bad_margin(self) -> str:
        """What is wrong with a margin beyond the stored crops, whose edge would be repeated; "" if nothing is."""
        largest = max([self.clips.margin, *self.margins.values()])
        return (
            ""
            if largest <= STORED_MARGIN
            else f"margin {largest:g} reaches beyond the stored {STORED_MARGIN:g}"
        )

    def clips_of(self, dataset: str) -> ClipSpec:
        """The clips that are cut from videos of this dataset."""
        return replace(self.clips, margin=self.margins.get(dataset, self.clips.margin))


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How a detector is to be loaded: what `build`, `explain` and `describe` of a `DetectorSpec` are handed.

    `weights`: the file, None for a detector without. `device`: "cpu", "cuda", "cuda:1" or "mps". `seed`: of whatever the
    detector draws. `precision`: one of `DetectorSpec.precisions`. `recipe`: the name of the recipe to assume for weights that
    store none, "" for the one that they store. `changes`: recipe fields, by name, whose values the user gave (`--set`).
    """

    weights: Path | None = None
    device: str = "cpu"
    seed: int = 0
    precision: str = FULL_PRECISION
    recipe: str = ""
    changes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorSpec(Built):
    """A detector. `build(options: LoadOptions) -> Detector`, or `build(*, weights, device, seed) -> Detector`.

    A factory whose first parameter is called `options`, or is annotated as `LoadOptions`, is handed these; any other is called
    with the three keywords, which is enough for a detector without precisions and recipes. `Detector.close()`, if there is
    one, is called when the detector is no longer needed.

    `version` changes whenever scores may change. `trainer` is the import path of a factory
    `(recipe: str, overrides: Mapping[str, str]) -> Trainer`, empty if the detector cannot be trained here.
    `describe` is the import path of `(options: LoadOptions) -> DetectorCard` or `(weights: Path) -> DetectorCard`, for
    detectors whose clip spec comes with their weights; without it the fields of this spec hold. `explain` is the import path
    of a factory with the arguments of `build` that returns an `Explainer`, empty if the detector cannot say where and when
    it saw a forgery; `maps` name the maps that it offers, so that another is refused before weights are looked for or trained.
    `needs_weights`: scoring without weights is an error (after an attempt to find trained ones). `default_recipe` /
    `demo_recipe`: what `dfbench train` uses when none is named. `precisions`: what `dfbench run --precision` may be.
    `scoring_fields`: recipe fields that change how given weights are scored, and not how they were trained: what
    `dfbench run --weights FILE --set FIELD=VALUE` may set. `recipe_for_weights`: there are weights that store no recipe, and
    can be given one with `dfbench run --weights FILE --recipe NAME`. All of these reach the factories in `LoadOptions`;
    they raise UsageError for a recipe where the weights store their own, and for a change that is unknown or out of range.

    `method` is the import path of a `dfbench.training.Method`, for detectors that dfbench trains: `build`, `describe` and
    `trainer` are then that method's, and `needs_weights` is true. Its recipes are the TOML files of its recipe class; "demo",
    if it is there, is for made corpora, and where there are several others, `default_recipe` says which is the default.
    `recipes` may offer some of them alone, by name: the first is then the default. What the spec says itself goes first.
    """

    clips: ClipSpec = field(default_factory=lambda: ClipSpec(frames=1, size=224))
    pooling: Pooling = Pooling.MEAN_LOGIT
    trained_on: frozenset[str] | None = None
    version: str = "1"
    needs_weights: bool = False
    describe: str = ""
    explain: str = ""
    trainer: str = ""
    recipes: tuple[str, ...] = ()
    default_recipe: str = ""
    demo_recipe: str = ""
    precisions: tuple[str, ...] = (FULL_PRECISION,)
    scoring_fields: tuple[str, ...] = ()
    recipe_for_weights: bool = False
    method: str = ""
    maps: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.method:
            return
        derived = {name: f"{self.method}.{name}" for name in ("build", "describe", "trainer")}
        if self.recipes:
            default = self.default_recipe or self.recipes[0]
            derived["default_recipe"] = default
            derived["demo_recipe"] = DEMO_RECIPE if DEMO_RECIPE in self.recipes else default
        for name, value in derived.items():
            if not getattr(self, name):
                object.__setattr__(self, name, value)
        object.__setattr__(self, "needs_weights", True)

    def card(self) -> DetectorCard:
        """The card of this detector without weights; what it says it was trained on is what is published."""
        return DetectorCard(
            clips=self.clips,
            pooling=self.pooling,
            trained_on=self.trained_on,
            corpora=frozenset({OFFICIAL}) if self.trained_on and not self.needs_weights else None,
        )


@dataclass(frozen=True, slots=True)
class VideoSelection:
    """A selection of a dataset's videos. Empty tuples mean "all"; `compression` None means the default."""

    dataset: str
    splits: tuple[str, ...] = ()
    manipulations: tuple[str, ...] = ()
    compression: str | None = None


DEMO_RECIPE = (
    "demo"  # the recipe, if a detector has one of this name, for corpora that are made on this machine
)

PURPOSES = ("test", "validation")  # of a protocol


@dataclass(frozen=True, slots=True)
class Distortion:
    """A perturbation of the videos of a test: which one, how strong (0: decoded and encoded again, no more), and its draw."""

    name: str
    severity: int
    seed: int = 0


@dataclass(frozen=True, slots=True)
class TestSet:
    """A test of a protocol: a selection of videos, perhaps perturbed.

    `key` is what runs, tables and boards tell the tests of a protocol apart by. `ProtocolSpec.test_sets` fills it in: the
    `name` if there is one; the name of the dataset if the protocol has no other test of it; else that name with what the
    tests of the dataset differ in: "ffpp-c40" beside "ffpp", "ffpp-test" beside "ffpp-val".
    """

    __test__: ClassVar[bool] = False  # for pytest, which takes the name for that of a class of tests

    selection: VideoSelection
    distortion: Distortion | None = None
    name: str = ""
    key: str = ""

    @property
    def dataset(self) -> str:
        """The name of the dataset whose videos are tested."""
        return self.selection.dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolSpec(Offer):
    """An evaluation protocol: what to train on, what to validate on, what to test on.

    `train` and `validation` are None where nothing is trained: such a protocol scores detectors that need no training, or whose
    weights are given. A test is a selection of videos, or a `TestSet` where it has a name of its own or is perturbed.

    `build` is accepted while it is empty, as plugins of before give it, and kept nowhere; raises PluginError if it is not.
    `purpose`: a protocol of "test" must not test on what it validates on. One of "validation" may: it serves to choose among
    variants of a detector, and what is scored by it is never ranked.
    """

    train: VideoSelection | None = None
    validation: VideoSelection | None = None
    tests: tuple[VideoSelection | TestSet, ...] = ()
    purpose: Literal["test", "validation"] = "test"
    build: InitVar[str] = ""

    def __post_init__(self, build: str) -> None:
        if build:
            raise PluginError(
                f"protocol {self.name!r} has build {build!r}, and nothing is built of a protocol",
                hints=("leave out `build`",),
            )

    def test_sets(self) -> tuple[TestSet, ...]:
        """Return the tests in their order, each with its key."""
        tests = [test if isinstance(test, TestSet) else TestSet(test) for test in self.tests]
        of_dataset: dict[str, list[TestSet]] = {}
        for test in tests:
            of_dataset.setdefault(test.dataset, []).append(test)
        return tuple(
            replace(
                test, key=test.name or "-".join([test.dataset, *_differs(test, of_dataset[test.dataset])])
            )
            for test in tests
        )


def _differs(test: TestSet, others: Sequence[TestSet]) -> list[str]:
    """The facts of `test` in which the tests of its dataset differ, in words; a default has none."""
    told = [_facts(other) for other in others]
    return [
        fact for number, fact in enumerate(_facts(test)) if fact and len({one[number] for one in told}) > 1
    ]


def _facts(test: TestSet) -> tuple[str, ...]:
    """The compression, splits, manipulations and perturbation of a test, each in words, "" for the default."""
    chosen, distortion = test.selection, test.distortion
    perturbed = "" if distortion is None else f"{distortion.name}-{distortion.severity}"
    if distortion is not None and distortion.seed:
        perturbed += f"-seed{distortion.seed}"
    return chosen.compression or "", "+".join(chosen.splits), "+".join(chosen.manipulations), perturbed
