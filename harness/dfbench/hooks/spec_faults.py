"""Find faults in the specs that plugins offer, so that they are reported when plugins are loaded and not during a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dfbench.hooks.registry import Kind, Registered, is_build_path, keys_of
from dfbench.names import name_fault, shown
from dfbench.specs import (
    PURPOSES,
    Built,
    CorpusSpec,
    DatasetSpec,
    DetectorSpec,
    Offer,
    ProtocolSpec,
    TestSet,
    VideoSelection,
)
from dfbench.types import COLUMN_ENDS, COLUMN_WORDS, OFFICIAL, OWN, ClipSpec, Pooling


def detector_fault(spec: DetectorSpec) -> str:
    """Return why a detector with this spec cannot be used, as a clause that follows its name; "" if it can.

    A spec comes from other people's code, so its fields may have any type.
    """
    return next(_faults(spec), "")


def _faults(spec: DetectorSpec) -> Iterator[str]:
    fields: Mapping[str, Any] = {name: getattr(spec, name) for name in spec.__dataclass_fields__}
    for name in ("method", "explain", "describe", "trainer"):
        if fields[name] and not is_build_path(fields[name]):
            yield f'has {name} {fields[name]!r}, which is not of the form "package.module:Name"'
    if fields["card_file"] and not is_build_path(fields["card_file"]):
        yield f'has card_file {fields["card_file"]!r}, which is not of the form "package.folder:name"'
    if not isinstance(fields["clips"], ClipSpec):
        yield f"has clips of the type {type(fields['clips']).__name__}, not a ClipSpec"
    elif fault := fields["clips"].fault():
        yield f"has a ClipSpec whose {fault}"
    if not isinstance(fields["pooling"], Pooling):
        yield f"has pooling {fields['pooling']!r}, which is not a Pooling"
    for name in ("recipes", "precisions", "scoring_fields", "maps"):
        if not isinstance(fields[name], tuple) or not all(isinstance(one, str) for one in fields[name]):
            yield f"has {name} {fields[name]!r}, which are not a tuple of names"
    if not isinstance(fields["trained_on"], (frozenset, type(None))):
        yield f"has trained_on {fields['trained_on']!r}, which is neither a frozenset of datasets nor None"
    elif not all(isinstance(one, str) for one in fields["trained_on"] or ()):
        yield f"has trained_on {fields['trained_on']!r}, which holds other things than names"
    recipes = fields["recipes"] if isinstance(fields["recipes"], tuple) else ()
    # A recipe becomes part of the name of a folder.
    yield from (f"has a recipe {shown(one)}, which {name_fault(one)}" for one in recipes if name_fault(one))
    for name in ("default_recipe", "demo_recipe"):
        # Those of a method are the names of files, which are not looked for while plugins are loaded.
        if (recipes or not fields["method"]) and fields[name] and fields[name] not in fields["recipes"]:
            yield f"has {name} {fields[name]!r}, which is not among its recipes"


def spec_fault(spec: Offer) -> str:
    """Return why `spec` cannot be used, as a clause that follows its name; "" if it can."""
    return _name_fault(spec) or _path_fault(spec)


def _name_fault(spec: Offer) -> str:
    if fault := name_fault(spec.name):
        return f"has no usable name: {shown(spec.name)} {fault}"
    aliases: object = spec.aliases
    if not isinstance(aliases, tuple):
        return f"has aliases {aliases!r}, which are not a tuple of names"
    for alias in aliases:
        if fault := name_fault(alias):
            return f"has no usable alias: {shown(alias)} {fault}"
    if isinstance(spec, DatasetSpec) and spec.name.casefold() in COLUMN_WORDS:
        return "has a name that result tables use for something else"
    names = {one.casefold() for one in (spec.name, *spec.aliases)}
    if isinstance(spec, CorpusSpec) and names & {OFFICIAL, OWN}:
        return "has the name of data that are not made: call it otherwise"
    return ""


def _path_fault(spec: Offer) -> str:
    if isinstance(spec, Built) and not is_build_path(spec.build):
        return f'has build {spec.build!r}, which is not of the form "package.module:Name"'
    if isinstance(spec, DetectorSpec):
        return detector_fault(spec)
    return _protocol_fault(spec) if isinstance(spec, ProtocolSpec) else ""


def _protocol_fault(spec: ProtocolSpec) -> str:
    """Return why a protocol cannot be used, as a clause that follows its name; "" if it can."""
    if spec.purpose not in PURPOSES:
        return f"has the purpose {spec.purpose!r}, which is none of {', '.join(PURPOSES)}"
    sets: Mapping[str, Any] = {name: getattr(spec, name) for name in ("train", "validation")}
    for name, selection in sets.items():
        if not isinstance(selection, (VideoSelection, type(None))):
            return f"has {name} {selection!r}, which is neither a VideoSelection nor None"
    tests: Any = spec.tests
    if not isinstance(tests, tuple) or not all(isinstance(test, (VideoSelection, TestSet)) for test in tests):
        return f"has tests {tests!r}, which are not a tuple of VideoSelection and TestSet"
    return ""


def repeated_names(offers: Iterable[Registered], taken: Mapping[tuple[Kind, str], Registered]) -> list[str]:
    """Return a sentence for each name that is offered twice, by this plugin itself or by an earlier one."""
    problems = []
    own: dict[tuple[Kind, str], Registered] = {}
    for offer in offers:
        if spec_fault(offer.spec):
            continue
        for key in keys_of(offer):
            what = f"{offer.kind.words} {key[1]!r}"
            if key in own:
                problems.append(f"it offers {what} twice")
            elif key in taken:
                problems.append(f"{what} of {offer.plugin!r} is already offered by {taken[key].plugin!r}")
            own.setdefault(key, offer)
    return [*problems, *_clashing_columns(own.values(), taken.values())]


def _clashing_columns(own: Iterable[Registered], taken: Iterable[Registered]) -> list[str]:
    """Return a sentence for each new dataset with the name of a board's column of another one ("x" and "x_low")."""
    new, old = (
        {offer.spec.name for offer in offers if offer.kind is Kind.DATASET} for offers in (own, taken)
    )
    return [
        f"the datasets {name!r} and {name + end!r} cannot stand on one board: it calls a column so"
        for name in sorted(new | old)
        for end in COLUMN_ENDS
        if name + end in new | old and {name, name + end} & new
    ]
