"""What a user asks for: scores of a detector, or a training of one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from dfbench.errors import UnreadableError, UsageError
from dfbench.files import write_text_whole
from dfbench.types import FULL_PRECISION
from dfbench.untrusted import MOST_RECORD, read_object

EVERY = "all"  # in place of a detector's name: each that can be scored with what is here
_SHARED = ("detector", "protocol", "data", "size", "device", "recipe", "train_compression", "synthesizer")


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """What the user asks of a training: by which `recipe`, on the training set of which `protocol`, on which data.

    `overrides` are fields of the recipe. `train_compression` stands in for that of the protocol's training and validation
    sets, `synthesizer` for that of the recipe; "none" trains on true fakes alone. The training starts from the weights in
    `start`, if that is not empty, and runs on `devices` of each of `nodes` machines.
    """

    detector: str
    protocol: str = "cross-dataset"
    data: str = ""
    size: str = "full"
    seed: int = 0
    device: str = "auto"
    recipe: str = ""
    train_compression: str = ""
    synthesizer: str = ""
    overrides: Mapping[str, str] = field(default_factory=dict)
    start: str = ""
    devices: int = 1
    nodes: int = 1

    def __post_init__(self) -> None:
        _require_types(self, texts=(*_SHARED, "start"), numbers=("seed", "devices", "nodes"))

    def write(self, path: Path) -> Path:
        """Write the options to a JSON file, from which `read` makes them again; returns `path`. Raises StoreError."""
        write_text_whole(path, json.dumps(asdict(self)))
        return path

    @classmethod
    def read(cls, path: Path) -> TrainingOptions:
        """Read options that `write` wrote. Raises UsageError if they are damaged or of another version of dfbench."""
        try:
            given = read_object(path, most=MOST_RECORD)
            given["overrides"] = {str(name): str(value) for name, value in given["overrides"].items()}
            return cls(**given)
        except (UnreadableError, LookupError, TypeError, AttributeError) as error:
            raise UsageError(
                f"{path} is no request of this version of dfbench: {error}",
                hints=("give the options of `dfbench train` in place of --request",),
            ) from error


@dataclass(frozen=True, slots=True)
class ScoringRequest:
    """What the user wants scored: a detector, by a protocol or on one dataset.

    With `dataset`, that dataset is tested in place of what the protocol tests: its `splits` (its test split, or its only
    one, if empty) at a `compression` ("" for the standard one). `only` picks tests of the protocol. Without `weights`,
    `recipe`, `overrides`, `train_compression` and `synthesizer` say which training is meant (see `TrainingOptions`); with them,
    `recipe` and `overrides` say how they are read. `precision` is that of scoring. With `force`, what was scored before is
    scored again.
    """

    detector: str
    protocol: str = "cross-dataset"
    data: str = ""
    only: tuple[str, ...] = ()
    dataset: str = ""
    splits: tuple[str, ...] = ()
    compression: str = ""
    weights: Path | None = None
    seed: int = 0
    device: str = "auto"
    precision: str = FULL_PRECISION
    size: str = "full"
    recipe: str = ""
    train_compression: str = ""
    synthesizer: str = ""
    overrides: Mapping[str, str] = field(default_factory=dict)
    force: bool = False

    def __post_init__(self) -> None:
        _require_types(self, texts=(*_SHARED, "dataset", "compression", "precision"), numbers=("seed",))

    def training(self) -> TrainingOptions:
        """Return the training whose weights are meant where none are given, on this machine alone."""
        return TrainingOptions(
            detector=self.detector,
            protocol=self.protocol,
            data=self.data,
            size=self.size,
            seed=self.seed,
            device=self.device,
            recipe=self.recipe,
            train_compression=self.train_compression,
            synthesizer=self.synthesizer,
            overrides=self.overrides,
        )


def request_each(
    detectors: Sequence[str],
    weights: Mapping[str, Path | str] | Sequence[Path | str],
    shared: ScoringRequest,
) -> list[ScoringRequest]:
    """Return the request for each of `detectors`: `shared` with its name and its weights, as `weights_of_each` tells them apart.

    Raises UsageError as `weights_of_each`.
    """
    given = weights_of_each(detectors, weights)
    return [replace(shared, detector=name, weights=given.get(name)) for name in detectors]


def weights_of_each(
    detectors: Sequence[str], given: Mapping[str, Path | str] | Sequence[Path | str]
) -> dict[str, Path]:
    """Return the weights file of each detector that has one: a single FILE of a single detector, or NAME=FILE for each.

    Raises UsageError for a file of which it is not told whose it is, or that is of none of the detectors, or of "all".
    """
    if given and EVERY in detectors:
        raise UsageError(
            f"--weights goes with detectors that are named, and not with --detector {EVERY}",
            hints=("name the detectors:  -d A -d B --weights A=FILE",),
        )
    if len(detectors) == 1 and not isinstance(given, Mapping) and len(given) == 1:
        (file,) = map(str, given)
        name, _, after = file.partition("=")
        return {detectors[0]: Path(after if after and name == detectors[0] else file)}
    pairs = given.items() if isinstance(given, Mapping) else (str(one).partition("=")[::2] for one in given)
    found: dict[str, Path] = {}
    for name, path in pairs:
        file = str(path)
        if not file or name not in detectors:
            raise UsageError(
                f"--weights {name}: of several detectors, it must be told whose they are"
                if not file
                else f"--weights {name}={file}: there is no --detector {name}",
                hints=(f"--weights NAME=FILE, where NAME is one of {', '.join(detectors)}",),
            )
        if name in found:
            raise UsageError(f"--weights {name}=... is given twice", hints=("give it once",))
        found[name] = Path(file)
    return found


def _require_types(request: object, *, texts: Iterable[str], numbers: Iterable[str]) -> None:
    """Raise UsageError for a field of another type: `dfbench.run` is called from Python, too."""
    for name, kind in (*((name, int) for name in numbers), *((name, str) for name in texts)):
        value = getattr(request, name)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise UsageError(
                f"{name}={value!r} is of the type {type(value).__name__}, where {kind.__name__} is meant",
                hints=(f"write {name}={'...' if kind is int else repr(str(value))}",),
            )
