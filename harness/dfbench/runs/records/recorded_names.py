"""The names in the record of a run: a stranger's `run.json` may hold anything, and its names become parts of paths."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dfbench.names import name_fault, shown
from dfbench.runs.records.dataset_tests import test_of

_LISTS = ("trained_on", "training_corpora")


def unusable_name(record: Mapping[str, Any]) -> str:
    """Say which name in the content of a run.json is none, as a clause; returns "" if all that are there are names.

    What is absent is not missed here. Names of splits and of videos are free text, which no path is made of as it stands,
    and so are those of datasets that a detector says it was trained on: of these, the type alone counts.
    """
    for what in _LISTS:
        names = record.get(what)
        if names is not None and not (isinstance(names, list) and all(isinstance(one, str) for one in names)):
            return f"its {what} is {shown(names)}, and no list of names"
    for what, name in _names(record):
        if fault := name_fault(name):
            return f"{what} is {shown(name)}, which {fault}"
    return ""


def _names(record: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    if "corpus" in record:
        yield "its corpus", record["corpus"]
    if "protocol" in record:
        protocol = record["protocol"]
        yield "its protocol", (test_of(protocol) or protocol) if isinstance(protocol, str) else protocol
    detector, prepare, datasets = (record.get(what) for what in ("detector", "prepare", "datasets"))
    if isinstance(detector, dict) and "name" in detector:
        name = detector["name"]
        # Of a member of a family, "timm:resnet18", either part is a name.
        yield from (
            ("its detector", part) for part in (name.split(":", 1) if isinstance(name, str) else [name])
        )
    if isinstance(prepare, dict) and "finder" in prepare:
        yield "its face finder", prepare["finder"]
    tests = datasets if isinstance(datasets, dict) else {}
    yield from (("one of its tests", name) for name in tests)
    yield from (
        ("one of its datasets", facts["dataset"])
        for facts in tests.values()
        if isinstance(facts, dict) and "dataset" in facts
    )
    yield from (("a corpus that it was trained on", name) for name in record.get("training_corpora") or ())
