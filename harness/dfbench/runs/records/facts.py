"""The parts of a run's record: what it says of its detector, its tests, the training behind it, its plugins and sessions.

Each is read out of a part of `run.json` by `parse`, which raises RecordFault for what no such part can hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any

from dfbench.data.store.specs_kept import prepare_spec_of
from dfbench.identity import known_fields
from dfbench.runs.records.dataset_tests import test_of
from dfbench.runs.records.fields import Fields, RecordFault
from dfbench.types import FULL_PRECISION, ClipSpec, Counts, Pooling, PrepareSpec, Sampling


@dataclass(frozen=True, slots=True)
class DetectorFacts:
    """Which detector scored: its name and version, the SHA-256 (hex) of its weights ("" without any) and its recipe."""

    name: str
    version: str = ""
    weights_sha256: str = ""
    recipe: str = ""

    @classmethod
    def parse(cls, content: Fields) -> DetectorFacts:
        """Read the field `detector`."""
        return cls(*(content.text(one.name) for one in fields(cls)))


@dataclass(frozen=True, slots=True)
class ProtocolFacts:
    """By which protocol was scored. `purpose`: "test", or "validation" for a set that serves to choose."""

    name: str = ""
    purpose: str = "test"

    @property
    def dataset(self) -> str:
        """The dataset of which this is the test alone, "" if it is a protocol that a plugin offers."""
        return test_of(self.name)


@dataclass(frozen=True, slots=True)
class ListFacts:
    """What the lists of a test named when it was scored, beside what was published of it (None: nothing, or unknown).

    `problems`: sentences about what could not be used of the lists, the first `n_problems`; `misspelt`: how many videos are
    left out for a split of which the name looks like that of a selected one.
    """

    listed: Counts | None = None
    official: Counts | None = None
    n_problems: int = 0
    problems: tuple[str, ...] = ()
    misspelt: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def parse(cls, content: Fields) -> ListFacts:
        """Read the entry of a test in the field `lists`."""
        misspelt = content.part("misspelt")
        return cls(
            listed=_counts(content, "listed"),
            official=_counts(content, "official"),
            n_problems=content.whole("n_problems") or 0,
            problems=content.texts("problems") or (),
            misspelt={split: misspelt.whole(split) or 0 for split in content.values("misspelt")},
        )


@dataclass(frozen=True, slots=True)
class Enlargement:
    """How far the crops of a test were enlarged, as pixels of a clip for each stored pixel: the `largest` and the `median`
    over `crops` crops of `videos` videos. At 1 and below, nothing was enlarged."""

    largest: float
    median: float
    crops: int
    videos: int

    @classmethod
    def parse(cls, content: Fields) -> Enlargement | None:
        """Read the entry of a test in the field `enlargement`; returns None if it does not say how far."""
        largest, median = content.number("largest"), content.number("median")
        if largest is None or median is None:
            return None
        return cls(largest, median, content.whole("crops") or 0, content.whole("videos") or 0)

    def in_words(self) -> str:
        """Say how far, and of how many crops, as a clause."""
        what = f"{self.crops} crops of {self.videos} videos"
        if self.largest <= 1:
            return f"none of {what} was enlarged"
        return f"crops were enlarged up to {self.largest:.2f} times (median {self.median:.2f}; {what})"


@dataclass(frozen=True, slots=True)
class RecordedTest:
    """A test of a run: whose videos, how many, and the digests of their list and of their files ("" if not known).

    `margin`: the crop margin of this dataset, None for that of all clips. `lists`: what its lists named, None in a run of an
    earlier version. `leaks`: a sentence for each thing that it shares with the training. `enlargement`: of its crops, None if
    not known, as in a run of an earlier version, or of which no crops were scored.
    """

    dataset: str
    videos: int = 0
    manifest: str = ""
    files: str = ""
    margin: float | None = None
    lists: ListFacts | None = None
    leaks: tuple[str, ...] = ()
    enlargement: Enlargement | None = None

    @classmethod
    def parse(cls, key: str, content: Fields) -> RecordedTest:
        """Read the entry of the test `key` in the field `datasets`, without what other fields say of it."""
        return cls(
            dataset=content.text("dataset") or key,
            videos=content.whole("videos") or 0,
            manifest=content.text("manifest"),
            files=content.text("files"),
        )


@dataclass(frozen=True, slots=True)
class ScoringFacts:
    """How was scored: how clip scores are pooled (None: not known), in which precision, and which clips of which faces.

    `clips` and `prepare` are the identities of a ClipSpec and a PrepareSpec as the version that scored knew these; `finder` is
    the face finder in the latter.
    """

    pooling: Pooling | None = None
    precision: str = FULL_PRECISION
    clips: Mapping[str, Any] = field(default_factory=dict)
    prepare: Mapping[str, Any] = field(default_factory=dict)
    finder: str = ""

    @classmethod
    def parse(cls, content: Fields) -> ScoringFacts:
        """Read the fields `pooling`, `precision`, `clips` and `prepare`."""
        return cls(
            pooling=content.choice("pooling", Pooling),
            precision=content.text("precision") or FULL_PRECISION,
            clips=content.values("clips"),
            prepare=content.values("prepare"),
            finder=content.part("prepare").text("finder"),
        )

    def prepare_spec(self) -> PrepareSpec:
        """Return what was prepared of each video. Raises RecordFault if this version has no such thing."""
        try:
            spec = prepare_spec_of(self.prepare)
            fault = spec.fault()
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise RecordFault(f"its prepare cannot be used ({type(error).__name__}: {error})") from error
        if fault:
            raise RecordFault(f"its prepare cannot be used ({fault})")
        return spec

    def clip_spec(self, margin: float | None = None) -> ClipSpec:
        """Return the clips that were scored, with the crop margin `margin` unless it is None.

        Raises RecordFault if this version has no such thing.
        """
        try:
            stored = known_fields(ClipSpec, self.clips)
            spec = ClipSpec(**{**stored, "sampling": Sampling(stored["sampling"])})
            spec = spec if margin is None else replace(spec, margin=margin)
            fault = spec.fault()
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise RecordFault(f"its clips cannot be used ({type(error).__name__}: {error})") from error
        if fault:
            raise RecordFault(f"its clips cannot be used ({fault})")
        return spec


@dataclass(frozen=True, slots=True)
class TrainedFacts:
    """The training behind a detector. `datasets` None means unknown, empty that it needs none.

    `unknown`: those of `datasets` that no dataset was called when the run was made, None in a run of an earlier version.
    `corpora`: those that the datasets were of; None if unknown. `seed`: of the training, or without weights that of the
    command; None if unknown; `seed_told`: whether the run says it, as those of earlier versions do not. `warning`: what a
    reader of the scores must know, as a clause. `details`: what the detector's plugin says of it.
    """

    datasets: tuple[str, ...] | None = None
    unknown: tuple[str, ...] | None = None
    corpora: tuple[str, ...] | None = None
    seed: int | None = None
    seed_told: bool = False
    compression: str = ""
    warning: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, content: Fields) -> TrainedFacts:
        """Read the fields `trained_on`, `training` and those that begin with `training_`."""
        return cls(
            datasets=content.texts("trained_on"),
            unknown=content.texts("training_unknown"),
            corpora=content.texts("training_corpora"),
            seed=content.whole("training_seed"),
            seed_told="training_seed" in content,
            compression=content.text("train_compression"),
            warning=content.text("training_warning"),
            details=content.values("training"),
        )

    @property
    def identity(self) -> Mapping[str, Any]:
        """What the weights depend on, as the training noted it in their file; empty if nothing is known of it."""
        provenance = self.details.get("provenance")
        identity = provenance.get("identity") if isinstance(provenance, Mapping) else None
        return identity if isinstance(identity, Mapping) else {}


@dataclass(frozen=True, slots=True)
class ReadAs:
    """How weights that store no recipe were read: by which recipe ("": by their own), with which fields changed.

    `others`: names of what else is told of it, which this version does not know.
    """

    recipe: str = ""
    changes: Mapping[str, str] = field(default_factory=dict)
    others: tuple[str, ...] = ()

    @classmethod
    def parse(cls, content: Fields) -> ReadAs:
        """Read the field `read_as`."""
        changes = content.part("changes")
        return cls(
            recipe=content.text("recipe"),
            changes={name: changes.text(name) for name in content.values("changes")},
            others=tuple(name for name in content if name not in ("recipe", "changes")),
        )


@dataclass(frozen=True, slots=True)
class Software:
    """What computed in a session: versions of Python, dfbench and packages, system and processor, and the state of a checkout.

    `cpus`: its logical processors, None if not known. `commit`: "" outside of a checkout; `dirty`: whether that was changed.
    """

    python: str = ""
    platform: str = ""
    cpu: str = ""
    cpus: int | None = None
    dfbench: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)
    commit: str = ""
    dirty: bool = False

    @classmethod
    def parse(cls, content: Fields) -> Software:
        """Read an `environment`."""
        packages, git = content.part("packages"), content.part("git")
        return cls(
            python=content.text("python"),
            platform=content.text("platform"),
            cpu=content.text("cpu"),
            cpus=content.whole("cpus"),
            dfbench=content.text("dfbench"),
            packages={name: packages.text(name) for name in content.values("packages")},
            commit=git.text("commit"),
            dirty=bool(content.values("git").get("dirty")),
        )


@dataclass(frozen=True, slots=True)
class RecordedSession:
    """A time during which a program worked on a run: from when to when ("" if it was killed), and what computed.

    Times are ISO 8601. `threads`: those of torch, None if not known. `precision` and `finder` (the face finder) are those of the
    whole run, since another one makes another run.
    """

    started: str = ""
    finished: str = ""
    device: str = ""
    threads: int | None = None
    precision: str = FULL_PRECISION
    finder: str = ""
    software: Software = field(default_factory=Software)

    @classmethod
    def parse(cls, content: Fields, scoring: ScoringFacts) -> RecordedSession:
        """Read an entry of the field `sessions`; what it does not say itself of precision and faces, `scoring` does."""
        environment = content.part("environment")
        return cls(
            started=content.time("started"),
            finished=content.time("finished"),
            device=content.text("device") or environment.text("device"),
            threads=content.whole("threads") or environment.whole("threads"),
            precision=content.text("precision") or scoring.precision,
            finder=content.text("face_finder") or scoring.finder,
            software=Software.parse(environment),
        )


@dataclass(frozen=True, slots=True)
class ContentFacts:
    """What the files beside a record were when it was written: the SHA-256 (hex) of each, by name.

    `measured_by`: the digest of the code that made the tables, "" if there are none yet.
    """

    sha256: Mapping[str, str]
    measured_by: str = ""


def moment(time: str) -> datetime:
    """Return the moment that a record writes as `time` (ISO 8601; without a zone, UTC), the first of all times for ""."""
    when = datetime.fromisoformat(time) if time else datetime.min
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _counts(content: Fields, name: str) -> Counts | None:
    if not content.values(name):
        return None
    counts = content.part(name)
    return Counts(counts.whole("real") or 0, counts.whole("fake") or 0)
