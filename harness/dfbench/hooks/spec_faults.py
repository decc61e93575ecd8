"""What is wrong with the fields of a detector's spec, told when plugins are listed and not in the middle of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dfbench.hooks.registry import is_build_path
from dfbench.names import name_fault, shown
from dfbench.specs import DetectorSpec
from dfbench.types import ClipSpec, Pooling


def detector_fault(spec: DetectorSpec) -> str:
    """Why a detector of this spec cannot be used, as a clause that follows its name; "" if it can.

    A spec comes from a stranger's code, so that its fields may be of any type.
    """
    return next(_faults(spec), "")


def _faults(spec: DetectorSpec) -> Iterator[str]:
    fields: Mapping[str, Any] = {name: getattr(spec, name) for name in spec.__dataclass_fields__}
    for name in ("method", "explain", "describe", "trainer"):
        if fields[name] and not is_build_path(fields[name]):
            yield f'has {name} {fields[name]!r}, which is not of the form "package.module:Name"'
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
        if fields[name] and fields[name] not in fields["recipes"]:
            yield f"has {name} {fields[name]!r}, which is not among its recipes"
