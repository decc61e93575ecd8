"""Describe what plugins offer: datasets, corpora, synthesizers, face finders, detectors and protocols, as frozen dataclasses.

A spec is data. The object behind it is imported only when a command uses it, through `build`, the import path
`"package.module:Name"` of a factory. Listing plugins therefore never imports torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import InitVar, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from dfbench.errors import PluginError
from dfbench.face_sizes import STORED_MARGIN
from dfbench.types import FULL_PRECISION, OFFICIAL, ClipSpec, Counts, Pooling, PrepareSpec


@dataclass(frozen=True, slots=True)
class Offer:
    """Names and describes something that a plugin offers. All specs are offers.

    `name` identifies it in commands and records; `aliases` are accepted instead of it. `summary` is one line for lists;
    `licence` and `citation` are those of the published work.
    """

    name: str
    summary: str
    licence: str = field(default="", kw_only=True)
    citation: str = field(default="", kw_only=True)
    aliases: tuple[str, ...] = field(default=(), kw_only=True)


@dataclass(frozen=True, slots=True)
class Built(Offer):
    """Adds a factory to an offer: `build` is its import path. Each kind of spec states the arguments and the result."""

    build: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSpec(Built):
    """Describes a dataset. `build(root: Path, *, compression: str | None) -> Dataset`.

    `title` is the name to print, `homepage` the page where access is requested. `compressions` lists the versions that can be
    on disk; the first is the default. `official` holds the published number of videos of each split. `root_of` names the
    dataset whose root also contains this one (DFD is distributed with FF++); that root is used if none is configured for this
    dataset. `needs` names datasets whose videos this one reuses (DeeperForensics uses the real videos of FF++); `build` then
    also receives `roots`, which maps each of these names to its root.

    `verified`: the layout was checked against the official files. If False, the dataset is read in the layout of the dataset
    `folder`, as its page in the docs explains. `unverified` says, as a phrase, what of a known layout could not be checked.
    `corpus` is the corpus of a root without a corpus file: "official", or `OWN` for videos that nobody publishes.
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
        """Return how far the layout was checked: "" (completely), "verified in part" or "not verified"."""
        if not self.verified:
            return "not verified"
        return "verified in part" if self.unverified else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusSpec(Built):
    """Describes a set of datasets that this machine can generate, such as the demo corpora.

    `build(folder: Path, *, size: str, seed: int, progress: Progress) -> Mapping[str, Path]` writes the files that are missing
    in `folder`, and returns the root of each dataset by its name. `sizes` lists the accepted values of `size`. `datasets` maps
    each generated dataset to its splits, so that a request for another one is refused before anything is generated; leave it
    empty if they are not known in advance.
    """

    sizes: tuple[str, ...] = ("full",)
    datasets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthesizerSpec(Built):
    """Describes a generator of pseudo-fake clips. `build(options: Mapping[str, object]) -> Synthesizer`.

    Change `version` whenever its output may change: weights trained with another version are then not reused.
    """

    version: str = "1"


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceFinderSpec(Built):
    """Describes a face finder. `build(device: str) -> FaceFinder`.

    Change `version` whenever its boxes may change: faces found by another version are then not reused.
    """

    version: str = "1"


@dataclass(frozen=True, slots=True)
class EvidenceMap:
    """Describes a kind of spatial map that an explainer can compute.

    `summary` explains a value in one line; higher means more evidence. `unit` labels the colour bar. `span` (low, high) is the
    range of the colours in every video; None scales each video to its own range. `signed`: negative values are evidence for
    "real". `standard`: the map is computed if the user selects none. `temporal`: a value depends on how its place changes over
    time; such a map is drawn beside the selected one.
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
    """Holds what is known about a detector with certain weights before the model is built.

    `clips` and `pooling` say what is scored and how clip scores become a video score. `trained_on` names the training
    datasets; aliases are accepted. An empty set means that no training data was needed; None means that they are unknown, and
    such results never count as cross-dataset. `corpora` are the corpora of these datasets ("official", "demo"; None if
    unknown), `seed` is the seed of the training (None if unknown). For weights that dfbench trained, it fills in both if the
    card does not. `train_compression` and `recipe` become part of the entry's name in tables. `margins` maps datasets to their
    crop margin where it differs from that of `clips`, as some released methods require. `details` is stored with the run and
    shown to nobody else; it must be JSON-ready. `verified` is False for a file that is taken for one that others published,
    although its SHA-256 is none of theirs that is known: the entry's name then says `unverified weights` and how that begins.
    dfbench itself fills in `unknown`: the names in `trained_on` that no installed dataset has.
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
    verified: bool = True
    unknown: frozenset[str] = frozenset()

    def bad_margin(self) -> str:
        """Return why a crop margin cannot be used, if one exceeds the margin of the stored crops; "" if none does."""
        largest = max([self.clips.margin, *self.margins.values()])
        return (
            ""
            if largest <= STORED_MARGIN
            else f"margin {largest:g} reaches beyond the stored {STORED_MARGIN:g}"
        )

    def clips_of(self, dataset: str) -> ClipSpec:
        """Return the clips to cut from videos of `dataset`, with the margin for it."""
        return replace(self.clips, margin=self.margins.get(dataset, self.clips.margin))

    def prepare(self) -> PrepareSpec:
        """What must be stored of a video, of whichever dataset it is: the smallest margin shows the most detail."""
        return replace(self.clips, margin=min([self.clips.margin, *self.margins.values()])).prepare()


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """Holds how to load a detector: the argument of `build`, `explain` and `describe` of a `DetectorSpec`.

    `weights` is the weights file, None for a detector without one. `device` is "cpu", "cuda", "cuda:1" or "mps". `seed` seeds
    whatever the detector draws. `precision` is one of `DetectorSpec.precisions`. `recipe` names the recipe to assume for
    weights that do not store one; "" uses the stored recipe. `changes` maps recipe fields to the values that the user set
    (`--set`).
    """

    weights: Path | None = None
    device: str = "cpu"
    seed: int = 0
    precision: str = FULL_PRECISION
    recipe: str = ""
    changes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorSpec(Built):
    """Describes a detector. `build(options: LoadOptions) -> Detector`, or `build(*, weights, device, seed) -> Detector`.

    A factory whose first parameter is called `options` or annotated as `LoadOptions` receives a `LoadOptions`. Any other
    factory is called with the three keywords, which is enough for a detector without precisions and recipes. If the detector
    has a method `close()`, it is called once the detector is no longer needed.

    What it scores:
    `clips` and `pooling` as in `DetectorCard`; if there is a `method`, leave them out: its recipes state them. `trained_on` as
    there, of the detector without a weights file. `precisions` lists the accepted values of `dfbench run --precision`. Change
    `version` whenever scores may change: stored runs are then not reused.

    Its weights:
    `needs_weights`: scoring without weights is an error unless trained ones are found. `describe` is the import path of
    `(options: LoadOptions) -> DetectorCard` or `(weights: Path) -> DetectorCard`, for detectors whose clips depend on the
    weights; without it, the fields of this spec apply. `scoring_fields` lists recipe fields that change how given weights are
    scored but not how they were trained: those that `dfbench run --weights FILE --set FIELD=VALUE` accepts.
    `recipe_for_weights`: some weights files store no recipe, and `dfbench run --weights FILE --recipe NAME` may name it. The
    factories receive these choices in `LoadOptions`. They raise UsageError if the weights store their own recipe, or if a
    change is unknown or out of range.

    Its training:
    `method` is the import path of a `dfbench.training.Method`, for detectors that dfbench trains. It provides `build`,
    `describe` and `trainer`, and sets `needs_weights`; a field that the spec gives takes precedence. `trainer` is the import
    path of a factory `(recipe: str, overrides: Mapping[str, str]) -> Trainer`, for detectors that are trained in another way;
    with a third parameter `synthesizer: str = ""`, users may choose the synthesizer. `recipes` names the recipes that are
    offered, the default first; those of a method may be left out, and are then all TOML files of its recipe class.
    `default_recipe` is the recipe of `dfbench train` if the user names none, `demo_recipe` the one for corpora that are
    generated here; a recipe called "demo" is taken for them by default.

    A family:
    with `family`, the spec stands for all detectors `NAME:MEMBER`, such as `timm:resnet18`. `method` is then the import path of a
    factory `(member: str) -> Method`, called when a member is used; it raises UsageError for a member that it does not know.

    Its card:
    `card_file` names the TOML file that states what is published about the detector, as "package.folder:name" for
    `name.toml` in that package (`dfbench.hooks.cards.Card` describes the fields). It replaces `licence` and `citation`. A family
    has one card for all members.

    Its explanations:
    `explain` is the import path of a factory with the arguments of `build` that returns an `Explainer`. `maps` names the maps
    that it offers, so that an unknown one is refused before weights are looked for.
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
    family: bool = False
    card_file: str = ""

    def __post_init__(self) -> None:
        if not self.method:
            return
        if self.family:
            object.__setattr__(self, "build", self.method)
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

    def member(self, name: str) -> DetectorSpec:
        """Return the spec of the member `name` of this family."""
        method = f"{self.method}({name})"
        return replace(self, name=f"{self.name}:{name}", method=method, build="", aliases=(), family=False)

    def card(self) -> DetectorCard:
        """Return the card of this detector without a weights file. Published training data count as the official corpus."""
        return DetectorCard(
            clips=self.clips,
            pooling=self.pooling,
            trained_on=self.trained_on,
            corpora=frozenset({OFFICIAL}) if self.trained_on and not self.needs_weights else None,
        )


@dataclass(frozen=True, slots=True)
class VideoSelection:
    """Selects videos of a dataset by split and manipulation; an empty tuple selects all. `compression` None is the default
    one.
    """

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
    """Names a perturbation of test videos, its `severity` (0: decode and encode again, no more), and the `seed` that it draws
    from.
    """

    name: str
    severity: int
    seed: int = 0


@dataclass(frozen=True, slots=True)
class TestSet:
    """Selects the videos of one test of a protocol, and how they are perturbed, if at all.

    `key` identifies the test in runs, tables and boards. `ProtocolSpec.test_sets` fills it in: the `name` if the test has one;
    the name of the dataset if the protocol tests it once; otherwise that name and what distinguishes the test from the others
    of the dataset: "ffpp-c40" beside "ffpp", "ffpp-test" beside "ffpp-val".
    """

    __test__: ClassVar[bool] = False  # for pytest, which takes the name for that of a class of tests

    selection: VideoSelection
    distortion: Distortion | None = None
    name: str = ""
    key: str = ""

    @property
    def dataset(self) -> str:
        """Return the name of the tested dataset."""
        return self.selection.dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolSpec(Offer):
    """Describes an evaluation protocol: which videos to train on, to validate on, and to test on.

    `train` and `validation` are None if the protocol trains nothing: it then scores detectors that need no training, or
    weights that the user gives. Each of `tests` is a selection of videos, or a `TestSet` if it has a name of its own or is
    perturbed.

    A protocol with the `purpose` "test" must not test on its validation set. One with "validation" may: it compares variants
    of a detector during development, and its results are never ranked.

    `build` exists so that older plugins, which pass an empty string, still load. Raises PluginError if it is not empty.
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
        """Return the tests in order, each with its key."""
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
    """Return, in words, the properties of `test` that differ between the tests of its dataset; default values are omitted."""
    facts = [_facts(other) for other in others]
    return [
        fact
        for number, fact in enumerate(_facts(test))
        if fact and len({other[number] for other in facts}) > 1
    ]


def _facts(test: TestSet) -> tuple[str, ...]:
    """Return the compression, splits, manipulations and perturbation of a test, each in words; "" for a default."""
    chosen, distortion = test.selection, test.distortion
    perturbed = "" if distortion is None else f"{distortion.name}-{distortion.severity}"
    if distortion is not None and distortion.seed:
        perturbed += f"-seed{distortion.seed}"
    return chosen.compression or "", "+".join(chosen.splits), "+".join(chosen.manipulations), perturbed
