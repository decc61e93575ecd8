"""Which tests of a protocol are run, and whether the protocol is fair.

In several widely used benchmarks the validation set is the test set, and checkpoints are chosen on it; here that
is an error, found before anything is computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dfbench.errors import RunError, UnknownNameError, UsageError, unknown_name
from dfbench.escaping import for_shell
from dfbench.names import name_fault, shown
from dfbench.specs import DetectorSpec, ProtocolSpec, TestSet, VideoSelection
from dfbench.types import COLUMN_ENDS, COLUMN_WORDS

if TYPE_CHECKING:
    from dfbench.hooks.registry import Registry


def with_own_names(protocol: ProtocolSpec, registry: Registry) -> ProtocolSpec:
    """Return `protocol` with each dataset under its own name in place of an alias; a name that nobody offers stays."""

    def named(selection: VideoSelection) -> VideoSelection:
        try:
            return replace(selection, dataset=registry.dataset(selection.dataset).name)
        except UnknownNameError:  # with --only, a protocol may be run without a dataset that is not installed
            return selection

    def of_test(test: VideoSelection | TestSet) -> VideoSelection | TestSet:
        return replace(test, selection=named(test.selection)) if isinstance(test, TestSet) else named(test)

    train, validation = protocol.train, protocol.validation
    return replace(
        protocol,
        train=None if train is None else named(train),
        validation=None if validation is None else named(validation),
        tests=tuple(of_test(test) for test in protocol.tests),
    )


@dataclass(frozen=True, slots=True)
class TrainingSets:
    """Holds the videos that a training learns from, and those by which it chooses the weights to keep."""

    train: VideoSelection
    validation: VideoSelection


def training_sets(protocol: ProtocolSpec, spec: DetectorSpec, registry: Registry) -> TrainingSets:
    """Return what a detector is trained and validated on by `protocol`.

    Raises UsageError with the protocols that train, if this one names no training set, or no validation set.
    """
    if protocol.train is not None and protocol.validation is not None:
        return TrainingSets(protocol.train, protocol.validation)
    lacking = "training" if protocol.train is None else "validation"
    others = [registry.protocol(name) for name in registry.names("protocol")]
    training = [other.name for other in others if other.train is not None and other.validation is not None]
    raise UsageError(
        f"detector {spec.name!r} cannot be trained by protocol {protocol.name!r}, which names no {lacking} set",
        hints=(
            "score given weights:        dfbench run ... --weights PATH/TO/checkpoint",
            f"or train by another one:    dfbench train --detector {for_shell(spec.name)} --protocol NAME",
            f"protocols that train: {', '.join(training) or 'none is installed'}",
        ),
    )


def named_tests(only: Iterable[str], protocol: ProtocolSpec, registry: Registry) -> tuple[str, ...]:
    """Return what `only` names, keys of tests as they are and datasets by their own names in place of aliases.

    A name that nobody offers is likened to those that the protocol tests: raises UnknownNameError.
    """
    tests = protocol.test_sets()
    keys = {test.key.casefold() for test in tests}

    def named(name: str) -> str:
        if name.casefold() in keys:
            return name
        try:
            return registry.dataset(name).name
        except UnknownNameError as error:
            tested = [registry.dataset(test.dataset) for test in tests]
            words = [word for spec in tested for word in (spec.name, *spec.aliases)]
            known = list(dict.fromkeys([*words, *(test.key for test in tests)]))
            raise unknown_name("test dataset", name, known, where=f"protocol {protocol.name!r}") from error

    return tuple(named(name) for name in only)


def resolve_protocol(protocol: ProtocolSpec, only: Sequence[str] = ()) -> tuple[TestSet, ...]:
    """Return the tests of `protocol` with their keys, in its order, restricted to those that `only` names (all if empty).

    A test is named by its key, and all tests of a dataset by the name of that; upper and lower case count alike. Raises
    UnknownNameError for a name that the protocol does not test, and what `lint_protocol` raises.
    """
    lint_protocol(protocol)
    tests = protocol.test_sets()
    wanted: set[str] = set()
    for name in only:
        keys = [test.key for test in tests if name.casefold() == test.key.casefold()]
        keys = keys or [test.key for test in tests if name.casefold() == test.dataset.casefold()]
        if not keys:
            known = list(dict.fromkeys(word for test in tests for word in (test.dataset, test.key)))
            raise unknown_name("test dataset", name, known, where=f"protocol {protocol.name!r}")
        wanted.update(keys)
    return tuple(test for test in tests if test.key in wanted or not only)


def lint_protocol(protocol: ProtocolSpec) -> None:
    """Raise RunError if `protocol` has no test, tests that cannot be told apart, or tests what it trains or validates on.

    A protocol with the purpose "validation" may test what it validates on.

    Two selections share videos if they are of the same dataset and have a split and a manipulation in common,
    in whatever compression. Raises UnknownNameError for a perturbation that nobody offers.
    """
    if not protocol.tests:
        raise RunError(f"protocol {protocol.name!r} has no test", hints=("give it at least one selection",))
    tests = protocol.test_sets()
    for test in tests:
        if test.distortion is not None:
            raise UnknownNameError(
                f"protocol {protocol.name!r} perturbs {test.dataset} by {test.distortion.name!r}, which nobody offers",
                hints=("leave out `distortion`: this version of dfbench has no perturbations",),
            )
        if fault := _key_fault(test.key, [other.key for other in tests]):
            raise RunError(
                f"protocol {protocol.name!r} tests {_words(test.selection)} under the key {shown(test.key)}, which {fault}",
                hints=('name the test:   TestSet(selection, name="...")',),
            )
        for role, other in _held_apart(protocol):
            if _overlap(test.selection, other):
                raise RunError(
                    f"protocol {protocol.name!r} tests on what it {role} on: {_words(test.selection)} and {_words(other)}",
                    hints=("test on another split, or on another dataset",),
                )


def _held_apart(protocol: ProtocolSpec) -> list[tuple[str, VideoSelection]]:
    """What no test of the protocol may share a video with, each with the word for what the protocol does on it."""
    roles = {"trains": protocol.train}
    if protocol.purpose == "test":
        roles["validates"] = protocol.validation
    return [(role, selection) for role, selection in roles.items() if selection is not None]


def _key_fault(key: str, keys: Sequence[str]) -> str:
    """Say why a test cannot be told by this key among `keys`, as a clause; returns "" if it can."""
    if fault := name_fault(key):
        return fault
    folded = [other.casefold() for other in keys]
    if folded.count(key.casefold()) > 1:
        return "another of its tests has too"
    if key.casefold() in COLUMN_WORDS:
        return "tables use for something else"
    for end in COLUMN_ENDS:
        if f"{key.casefold()}{end}" in folded:
            return f"is, with {end!r} behind it, the key of another of its tests: a board has a column of that name"
    return ""


def _overlap(first: VideoSelection, second: VideoSelection) -> bool:
    return (
        first.dataset == second.dataset
        and _meet(first.splits, second.splits)
        and _meet(first.manipulations, second.manipulations)
    )


def _meet(first: Sequence[str], second: Sequence[str]) -> bool:
    """Whether the two have a name in common; empty means all."""
    return not first or not second or bool(set(first) & set(second))


def _words(selection: VideoSelection) -> str:
    parts = (selection.splits, selection.manipulations, (selection.compression or "",))
    told = [words for words in map("+".join, parts) if words]
    return " ".join([selection.dataset, *told]) if told else f"{selection.dataset} all"


def trained_at(protocol: ProtocolSpec, compression: str) -> ProtocolSpec:
    """`protocol` with its training and validation sets at another compression; what it tests stays. "" changes nothing."""
    if not compression:
        return protocol
    train, validation = (
        None if selection is None else replace(selection, compression=compression)
        for selection in (protocol.train, protocol.validation)
    )
    return replace(protocol, train=train, validation=validation)
