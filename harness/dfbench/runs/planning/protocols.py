"""Which tests of a protocol are run, and whether the protocol is fair.

In several widely used benchmarks the validation set is the test set, and checkpoints are chosen on it; here that
is an error, found before anything is computed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from dfbench.errors import RunError, UnknownNameError, unknown_name
from dfbench.specs import ProtocolSpec, VideoSelection

if TYPE_CHECKING:
    from dfbench.hooks.registry import Registry


def with_own_names(protocol: ProtocolSpec, registry: Registry) -> ProtocolSpec:
    """`protocol` with each dataset under its own name in place of an alias; a name that nobody offers stays."""

    def named(selection: VideoSelection) -> VideoSelection:
        try:
            return replace(selection, dataset=registry.dataset(selection.dataset).name)
        except UnknownNameError:  # with --only, a protocol may be run without a dataset that is not installed
            return selection

    return replace(
        protocol,
        train=named(protocol.train),
        validation=named(protocol.validation),
        tests=tuple(named(test) for test in protocol.tests),
    )


def resolve_protocol(protocol: ProtocolSpec, only: Sequence[str] = ()) -> tuple[VideoSelection, ...]:
    """The tests of `protocol`, in its order, restricted to the datasets `only` (all if empty).

    Upper and lower case count alike in `only`. Raises UnknownNameError for a dataset that the protocol does not
    test, RunError if the protocol tests nothing or on what it trains or validates on.
    """
    lint_protocol(protocol)
    names = list(dict.fromkeys(test.dataset for test in protocol.tests))
    by_key = {name.casefold(): name for name in names}
    for name in only:
        if name.casefold() not in by_key:
            raise unknown_name("test dataset", name, names, where=f"protocol {protocol.name!r}")
    wanted = {by_key[name.casefold()] for name in only} or set(names)
    return tuple(test for test in protocol.tests if test.dataset in wanted)


def lint_protocol(protocol: ProtocolSpec) -> None:
    """Raise RunError if `protocol` has no test, tests a dataset twice, or tests what it trains or validates on.

    A protocol with the purpose "validation" may test what it validates on.

    Two selections share videos if they are of the same dataset and have a split and a manipulation in common,
    in whatever compression.
    """
    if not protocol.tests:
        raise RunError(f"protocol {protocol.name!r} has no test", hints=("give it at least one selection",))
    counts = Counter(test.dataset for test in protocol.tests)
    if twice := [test for test in protocol.tests if counts[test.dataset] > 1]:
        raise RunError(
            f"protocol {protocol.name!r} tests {twice[0].dataset} {counts[twice[0].dataset]} times"
            f" ({'; '.join(map(_words, twice))}): a result table has one test of each dataset",
            hints=(
                "make a protocol of each of these tests, or one test with all its splits and manipulations",
            ),
        )
    for test in protocol.tests:
        for role, other in _held_apart(protocol):
            if _overlap(test, other):
                raise RunError(
                    f"protocol {protocol.name!r} tests on what it {role} on: {_words(test)} and {_words(other)}",
                    hints=("test on another split, or on another dataset",),
                )


def _held_apart(protocol: ProtocolSpec) -> list[tuple[str, VideoSelection]]:
    """What no test of the protocol may share a video with, each with the word for what the protocol does on it."""
    validation = [("validates", protocol.validation)] if protocol.purpose == "test" else []
    return [("trains", protocol.train), *validation]


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
