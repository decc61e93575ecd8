"""The record of a run that is about to begin: its identity holds what decides the scores, its name what a reader must know."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.runs.conftest import Finished

from dfbench.hooks.third_party import PluginFacts
from dfbench.runs.records.new_record import ExpectedTest, new_record
from dfbench.runs.records.private import redaction
from dfbench.runs.records.record import RunRecord
from dfbench.types import Pooling


def record_of(finished: Finished, **changes: Any) -> RunRecord:
    """A record as of the finished run, with some of what it is made of changed; `card`, `spec` and `options` of its detector."""
    plan, session = finished.plan, finished.session
    known = plan.detector
    parts = {
        name: replace(getattr(known, name), **changes.pop(name, {}))
        for name in ("card", "spec", "options", "training")
    }
    given: dict[str, Any] = {
        **{"protocol": session.protocol, "corpus": "official", "seed": 0, "precision": "32"},
        **{"prepare": plan.prepare, "plugins": (), "warning": ""},
        "private": redaction(session.settings, session.source.roots.values()),
        **changes,
    }
    tests = given.pop("tests", plan.tests)
    weights = given.pop("weights_sha256", known.weights_sha256)
    return new_record(replace(known, **parts, weights_sha256=weights), tests, **given)


def test_it_is_the_one_that_the_plan_has(finished: Finished) -> None:
    plain = record_of(finished)
    assert plain.identity == finished.plan.record.identity == plain.own_identity()
    assert (plain.status, plain.entry, plain.sessions) == ("running", "constant (seed 0)", ())
    assert "purpose" not in plain.to_json()
    assert "leaks" not in plain.to_json()
    assert "read_as" not in plain.to_json()


DECIDING: list[dict[str, Any]] = [
    {"seed": 1},
    {"corpus": "demo"},
    {"precision": "bf16"},
    {"weights_sha256": "ab"},
    {"spec": {"version": "9"}},
    {"card": {"recipe": "other"}},
    {"card": {"pooling": Pooling.MAX}},
    {"card": {"margins": {"toy": 0.1}}},
]
TOLD: list[dict[str, Any]] = [
    {"warning": "a warning"},
    {"plugins": (PluginFacts("lab", "lab", "1", "ab", ()),)},
    {"card": {"details": {"a": 1}}},
    {"options": {"recipe": "small"}},
    {"training": {"seed": 5}},
]


@pytest.mark.parametrize("change", DECIDING, ids=str)
def test_what_decides_a_score_is_in_the_identity(finished: Finished, change: dict[str, Any]) -> None:
    changed = record_of(finished, **change)
    assert changed.identity != finished.plan.record.identity
    assert changed.identity == changed.own_identity()


@pytest.mark.parametrize("change", TOLD, ids=str)
def test_what_is_only_told_is_not(finished: Finished, change: dict[str, Any]) -> None:
    changed = record_of(finished, **change)
    assert changed.identity == finished.plan.record.identity
    assert changed.to_json() != record_of(finished).to_json()


def test_the_identity_covers_videos_and_files_of_each_test(finished: Finished) -> None:
    first, second = finished.plan.tests
    names = set()
    for tests in (
        [first, second],
        [second],
        [replace(first, videos=first.videos[1:]), second],
        [replace(first, files={**first.files, ("toy", "test/0"): ("other",)}), second],
        [first, replace(second, test=replace(second.test, key="hard"))],
    ):
        names.add(record_of(finished, tests=tests).identity)
    assert len(names) == 5
    assert record_of(finished, tests=[second, first]).identity == finished.plan.record.identity


def leaking(tests: tuple[ExpectedTest, ...], *leaks: str) -> list[ExpectedTest]:
    first, *rest = tests
    return [replace(first, leaks=leaks), *rest]


def test_a_reader_is_told_of_leaks_purpose_and_how_weights_are_read(finished: Finished) -> None:
    protocol = replace(finished.session.protocol, purpose="validation")
    record = record_of(
        finished,
        protocol=protocol,
        tests=leaking(finished.plan.tests, "leak: 1 group is in training and in test: anna"),
        options={"recipe": "small", "changes": {"pooling": "max"}},
    )
    assert record.protocol.purpose == "validation"
    assert record.tests["toy"].leaks == ("leak: 1 group is in training and in test: anna",)
    assert record.tests["toy-c40"].leaks == ()
    assert (record.read_as.recipe, record.read_as.changes) == ("small", {"pooling": "max"})


def test_the_entry_says_what_tells_it_from_others(finished: Finished) -> None:
    assert record_of(finished, precision="bf16").entry == "constant (bf16, seed 0)"
    dlib = record_of(finished, prepare=replace(finished.plan.prepare, finder="dlib"))
    assert dlib.entry == "constant (faces by dlib, seed 0)"
    unknown = record_of(finished, training={"seed": None, "datasets": None, "given": True})
    assert unknown.entry == "constant"
    named = record_of(finished, card={"recipe": "small"})
    assert named.entry == "constant (small, seed 0)"


def test_margins_are_those_of_the_datasets_that_are_scored(finished: Finished) -> None:
    record = record_of(finished, card={"margins": {"toy": 0.1, "elsewhere": 0.3}})
    assert record.to_json()["margins"] == {"toy": 0.1, "toy-c40": 0.1}
    assert record.tests["toy-c40"].margin == 0.1
    assert "margins" not in record_of(finished).to_json()


def test_folders_of_this_machine_are_not_told(finished: Finished) -> None:
    root = finished.session.source.roots["toy"]
    record = record_of(finished, card={"details": {"source": f"{root}/a.pt"}})
    assert str(root) not in str(record.to_json())
    (first, *_) = finished.plan.tests
    listing = replace(first.listing, problems=(f"{root}/videos.txt: line 3",))
    told = record_of(finished, tests=[replace(first, listing=listing)])
    assert str(root) not in str(told.to_json()["lists"])
    assert "line 3" in str(told.to_json()["lists"])
