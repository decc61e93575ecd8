"""The record of a run that is about to begin: what is scored, by what, on which videos, and under which identity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dfbench.data.datasets.manifest import FileFingerprints, fingerprints_digest, manifest_digest
from dfbench.identity import identity_of
from dfbench.runs.records.entries import HASH_DIGITS, entry_name
from dfbench.runs.records.private import Redaction
from dfbench.runs.records.provenance import recorded_identity
from dfbench.runs.records.record import RUNNING, SCHEMA, RunRecord
from dfbench.settings import DEFAULT_FACE_FINDER
from dfbench.types import FULL_PRECISION, PrepareSpec, Video

if TYPE_CHECKING:
    from dfbench.data.datasets.official import Listing
    from dfbench.hooks.third_party import PluginFacts
    from dfbench.runs.trainings.known_detector import KnownDetector
    from dfbench.specs import ProtocolSpec, TestSet


@dataclass(frozen=True, slots=True, eq=False)
class ExpectedTest:
    """A test that a run is to make: its videos, what its lists name, their files, and what it shares with the training."""

    test: TestSet
    videos: Sequence[Video]
    listing: Listing
    files: FileFingerprints
    leaks: tuple[str, ...] = ()


def new_record(
    known: KnownDetector,
    tests: Sequence[ExpectedTest],
    *,
    protocol: ProtocolSpec,
    corpus: str,
    seed: int,
    precision: str,
    prepare: PrepareSpec,
    plugins: Sequence[PluginFacts],
    warning: str,
    private: Redaction,
) -> RunRecord:
    """Make the record of a run before its first session; returns it.

    `seed` and `precision`: of the command. `prepare`: what is prepared of each video, with its face finder. `plugins`: those of
    others that take part; `warning`: what a reader must know of the training. `private` takes out of messages and of what a
    plugin says what no reader need know.
    """
    scoring = _scoring(known, tests, protocol.name, corpus, seed, precision, prepare)
    spec, card, training = known.spec, known.card, known.training
    unverified = "" if card.verified else f"unverified weights {known.weights_sha256[:HASH_DIGITS]}"
    facts = [card.recipe, unverified, training.words(corpus), scoring.get("precision", "")]
    if prepare.finder != DEFAULT_FACE_FINDER:
        facts.append(f"faces by {prepare.finder}")
    content = {
        **scoring,
        "identity": recorded_identity(scoring),
        "status": RUNNING,
        "entry": entry_name(spec.name, facts, seed=training.seed),
        **training.to_json(),
        "training_unknown": list(training.unknown),
        "train_compression": card.train_compression,
        "training": private.value(dict(card.details)),
        "training_warning": warning,
        "lists": {one.test.key: private.value(one.listing.to_json(), messages=True) for one in tests},
        "plugins": [plugin.to_json() for plugin in plugins],
    }
    if protocol.purpose != "test":
        content["purpose"] = protocol.purpose
    if leaks := {one.test.key: list(one.leaks) for one in tests if one.leaks}:
        content["leaks"] = private.value(leaks, messages=True)
    if known.options.recipe:
        content["read_as"] = {"recipe": known.options.recipe, "changes": dict(known.options.changes)}
    return RunRecord.made(content)


def _scoring(
    known: KnownDetector,
    tests: Sequence[ExpectedTest],
    protocol: str,
    corpus: str,
    seed: int,
    precision: str,
    prepare: PrepareSpec,
) -> dict[str, Any]:
    """What decides the scores, and nothing else: the identity of the run is made of it."""
    spec, card = known.spec, known.card
    detector = {
        "name": spec.name,
        "version": spec.version,
        "weights_sha256": known.weights_sha256,
        "recipe": card.recipe,
    }
    scoring: dict[str, Any] = {
        "schema": SCHEMA,
        "detector": detector,
        "protocol": protocol,
        "corpus": corpus,
        "seed": seed,
        "pooling": str(card.pooling),
        "clips": identity_of(card.clips),
        "prepare": identity_of(prepare),
        "datasets": {one.test.key: _test(one) for one in tests},
    }
    if card.margins:  # of the datasets scored here
        scoring["margins"] = {one.test.key: card.clips_of(one.test.dataset).margin for one in tests}
    if precision != FULL_PRECISION:
        scoring["precision"] = precision
    return scoring


def _test(expected: ExpectedTest) -> Mapping[str, Any]:
    test = expected.test
    return {
        "manifest": manifest_digest(expected.videos),
        "files": fingerprints_digest(expected.files),
        "videos": len(expected.videos),
        # Where the key is the name of the dataset, as in every run of before, the identity is that of before, too.
        **({"dataset": test.dataset} if test.key != test.dataset else {}),
    }
