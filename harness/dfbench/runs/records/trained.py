"""What is known of the training behind given weights: its file, its seed, and the corpora that it saw.

Rendered faces in the official layout look like the real dataset to everything that reads names alone; the corpus tells
them apart, in the name of the entry and in every verdict.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dfbench.data.folders import below, require_below
from dfbench.errors import NewerFormatError, PluginError, StoreError, UnreadableError
from dfbench.files import write_text_whole
from dfbench.formats import refuse_newer
from dfbench.hooks.third_party import PluginFacts, told_plugins
from dfbench.names import shown
from dfbench.runs.records.sessions import begin_session, end_session, sessions_of
from dfbench.specs import DetectorCard, DetectorSpec
from dfbench.text import folder_name
from dfbench.types import OFFICIAL
from dfbench.untrusted import MOST_RECORD, read_object

if TYPE_CHECKING:
    from dfbench.hooks.registry import Registry

TRAINING_FILE = "dfbench-training.json"  # in the folder of a training; names its weights once it is finished
SCHEMA = 1  # of that file; it does not stand in those of before
_DEPTH = 3  # a trainer may write its weights in a folder of its own within that


@dataclass(frozen=True, slots=True)
class Training:
    """The training behind a detector. None means unknown; a detector that needs none has empty `datasets`.

    `corpora` are those that the datasets were of. `seed`: of the training, or without weights, that of the command.
    `given`: whether there are weights at all. `unknown`: those of `datasets` that no dataset here is called.
    """

    datasets: tuple[str, ...] | None
    compression: str
    corpora: tuple[str, ...] | None
    seed: int | None
    given: bool
    unknown: tuple[str, ...] = ()

    def words(self, corpus: str) -> str:
        """What it was trained on, for the name of an entry on `corpus`: `ffpp/c23 of the demo corpus`.

        The corpus is left out where it is the official one in both cases.
        """
        if self.datasets == ():
            return ""
        known = [one for one in self.datasets or () if one not in self.unknown]
        told = "+".join([*known, *(["unknown data"] if self.unknown else [])])
        what = "/".join(one for one in (told, self.compression) if one)
        if self.corpora == (OFFICIAL,) == (corpus,) or (self.corpora is None and not (what and self.given)):
            return what
        return f"{what} {self._of()}" if what else f"trained on data {self._of()}"

    def notice(self, registry: Registry) -> str:
        """What a reader of its scores must know of the training, as a clause; "" if there is nothing to warn of."""
        return "; ".join(filter(None, (self._unnamed(), self._rendered(registry))))

    def _unnamed(self) -> str:
        if not self.unknown:
            return ""
        names = ", ".join(shown(one) for one in self.unknown)
        return f"it says that it was trained on {names}, as no dataset here is called: it may know what is tested"

    def _rendered(self, registry: Registry) -> str:
        if not self.given or self.datasets == ():
            return ""
        if self.corpora is None:
            return "it is not known of which corpus the training data of these weights were: they may have been rendered"
        if self.corpora and all(is_made(one, registry) for one in self.corpora):
            return (
                f"these weights were trained on rendered faces {self._of()}: "
                "the probability says nothing about real videos"
            )
        return ""

    def to_json(self) -> dict[str, Any]:
        """The fields that a run or an explanation stores."""
        return {
            "trained_on": None if self.datasets is None else list(self.datasets),
            "training_corpora": None if self.corpora is None else list(self.corpora),
            "training_seed": self.seed,
        }

    def _of(self) -> str:
        if self.corpora is None:
            return "of an unknown corpus"
        return f"of the {' and '.join(self.corpora)} {'corpus' if len(self.corpora) == 1 else 'corpora'}"


NOTHING_KNOWN = Training(datasets=None, compression="", corpora=None, seed=None, given=False)


def known_card(card: DetectorCard, weights: Path | None, sha256: str) -> DetectorCard:
    """Fill in a card from what dfbench noted when it trained exactly these weights; returns it with what it says itself kept.

    Of a training that started from other weights, only the seed is known: what those were trained on is not.
    """
    noted = _noted(weights, sha256) if weights is not None else {}
    identity = noted.get("identity", {})
    seed, corpus, datasets = identity.get("seed"), identity.get("corpus"), noted.get("trained_on")
    if card.seed is None and isinstance(seed, int):
        card = replace(card, seed=seed)
    if identity.get("start"):
        return card
    if card.corpora is None and isinstance(corpus, str):
        card = replace(card, corpora=frozenset({corpus}))
    if (
        card.trained_on is None
        and isinstance(datasets, list)
        and all(isinstance(one, str) for one in datasets)
    ):
        compression = card.train_compression or str(noted.get("train_compression") or "")
        card = replace(card, trained_on=frozenset(datasets), train_compression=compression)
    return card


def training_plugins(card: DetectorCard, weights: Path | None, sha256: str) -> tuple[PluginFacts, ...]:
    """Return the plugins of others that took part in the training of given weights, as their header says, or what dfbench
    noted when it trained exactly these."""
    if weights is None:
        return ()
    header = card.details.get("provenance")
    in_header = header.get("plugins") if isinstance(header, Mapping) else None
    return told_plugins(in_header) or told_plugins(_noted(weights, sha256).get("plugins"))


def training_of(card: DetectorCard, *, given: bool, seed: int) -> Training:
    """The training behind a detector with this card, as `known_card` returns it. `given`: whether it has weights.

    `seed` is that of the command, and stands for a training where there are no weights.
    """
    return Training(
        datasets=None if card.trained_on is None else tuple(sorted(card.trained_on)),
        compression=card.train_compression,
        corpora=None if card.corpora is None else tuple(sorted(card.corpora)),
        seed=card.seed if given else seed,
        given=given,
        unknown=tuple(sorted(card.unknown)),
    )


def is_made(corpus: str, registry: Registry) -> bool:
    """Whether a corpus of this name is made on a machine, in whatever size and by whatever seed."""
    return any(corpus == name or corpus.startswith(f"{name}-") for name in registry.names("corpus"))


def finished_weights(folder: Path) -> Path | None:
    """The weights file of the finished training in `folder`, under whatever name; None if there is none, or if it is empty,
    as after a full disk or a copy that was cut off."""
    name = _read(folder / TRAINING_FILE).get("weights")
    if not isinstance(name, str):
        return None
    try:
        path = require_below(folder, folder / name)
    except StoreError:  # the weights of something else
        return None
    return path if path.is_file() and path.stat().st_size else None


def trained_weights(cache: Path, detector: str) -> list[Path]:
    """The weights files of all finished trainings of a detector, by folder."""
    records = sorted(below(cache / "weights", folder_name(detector)).glob(f"*/{TRAINING_FILE}"))
    found = []
    for record in records:
        with suppress(NewerFormatError):  # of a training that only a later dfbench can make use of
            found.append(finished_weights(record.parent))
    return [weights for weights in found if weights is not None]


def trained_identities(cache: Path, detector: str) -> list[tuple[Path, Mapping[str, Any]]]:
    """Find the weights files of all finished trainings of a detector, as `trained_weights` does; returns each with its identity,
    as the record of the training has it."""
    found: list[tuple[Path, Mapping[str, Any]]] = []
    for record in sorted(below(cache / "weights", folder_name(detector)).glob(f"*/{TRAINING_FILE}")):
        with suppress(NewerFormatError):
            weights, identity = finished_weights(record.parent), _read(record).get("identity")
            if weights is not None and isinstance(identity, dict):
                found.append((weights, identity))
    return found


@contextmanager
def training_session(folder: Path, *, device: str, threads: int, writes: bool) -> Iterator[dict[str, Any]]:
    """Note in the folder of a training that a session works on it, and when that ended, however it did.

    Yields the `sessions` so far, and the `environment` of the first. `writes`: whether this process is the one that notes
    anything. Raises StoreError.
    """
    note = begin_session({}, _read(folder / TRAINING_FILE), device=device, threads=threads)
    if writes:
        _write(folder, note)
    try:
        yield {name: note[name] for name in ("sessions", "environment")}
    finally:
        if writes:
            _write(folder, end_session(note))


def note_training(folder: Path, weights: Path, facts: Mapping[str, Any]) -> None:
    """Note that the training in `folder` is finished and left `weights`, with JSON-ready `facts`. Raises StoreError."""
    name = weights.resolve().relative_to(folder.resolve()).as_posix()
    sessions = sessions_of(_read(folder / TRAINING_FILE))
    _write(folder, {"weights": name, **facts, "sessions": sessions})


def checked_weights(returned: object, folder: Path, spec: DetectorSpec) -> Path:
    """The weights file that the trainer of `spec` says it wrote in `folder`. Raises PluginError if there is none."""
    trainer = f"the trainer of detector '{spec.name}' ({spec.trainer})"
    hints = ("`fit` returns the path of the weights file that it wrote in `request.folder`",)
    if not isinstance(returned, (str, Path)):
        raise PluginError(f"{trainer} returned {returned!r} and no path of weights", hints=hints)
    path = Path(returned)
    if (folder / path).exists():
        path = folder / path
    if not path.resolve().is_relative_to(folder.resolve()):
        raise PluginError(f"{trainer} returned {path}, which is not in {folder}", hints=hints)
    if not path.is_file():
        raise PluginError(f"{trainer} returned {path}, and there is no such file", hints=hints)
    if not path.stat().st_size:
        raise PluginError(f"{trainer} wrote an empty file, {path}", hints=hints)
    return folder / path.resolve().relative_to(folder.resolve())


def _noted(weights: Path, sha256: str) -> Mapping[str, Any]:
    """What was noted of the training that wrote exactly this file; {} if dfbench did not train it here."""
    for folder in weights.resolve().parents[:_DEPTH]:
        noted = _read(folder / TRAINING_FILE)
        if noted.get("sha256") == sha256 and isinstance(noted.get("identity"), dict):
            return noted
    return {}


def _write(folder: Path, note: Mapping[str, Any]) -> None:
    note = {"schema": SCHEMA, **note}
    again = ("give the same command again: it goes on where it stopped",)
    write_text_whole(folder / TRAINING_FILE, json.dumps(note, indent=1, default=str), hints=again)


def _read(path: Path) -> dict[str, Any]:
    """What was noted of a training; {} if nothing was, or what is there is damaged. Raises NewerFormatError."""
    try:
        note = read_object(path, most=MOST_RECORD)
    except UnreadableError:
        return {}
    environment = note.get("environment")
    writer = environment.get("dfbench") if isinstance(environment, dict) else ""
    refuse_newer(path, "the record of a training", found=note.get("schema"), known=SCHEMA, written_by=writer)
    return note
