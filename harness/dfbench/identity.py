"""Identities: the digests by which stored things (faces, weights, runs) are found again.

An identity is made of all fields of a spec. A field that is added to a spec later declares its *neutral value*, the one without
effect, and is left out of the identity where it holds exactly that: what was stored before the field was there is still found.

    blur: float = field(default=0.0, metadata=neutral(0.0))

What counts is the neutral value and not the default. A default may change later, as the version of an algorithm does with
every change of it, and things of the old default must then not be taken for things of the new one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from types import MappingProxyType
from typing import Any

_NEUTRAL = "dfbench.neutral"
_ABSENT = object()
_DIGEST_LENGTH = 64


@dataclass(frozen=True, slots=True)
class Neutral:
    """The value of a field that has no effect: what all specs did before the field was added.

    A record that lacks the field, since it is from before, is read as if it said `value`. `counted`: identities hold the
    field at this value too. So do those of the fields that were added before there were neutral values, and of no others.
    """

    value: Any
    counted: bool = False


def neutral(value: Any, *, counted: bool = False) -> Mapping[str, Neutral]:
    """Make the `metadata` of a dataclass field that is added later; returns it. Arguments as in `Neutral`."""
    return MappingProxyType({_NEUTRAL: Neutral(value, counted)})


def identity_of(spec: Any) -> dict[str, Any]:
    """Collect the fields of a frozen dataclass that tell what it stands for; returns them by name, dataclasses in them likewise.

    A field that holds its neutral value is left out. Raises TypeError if `spec` is no dataclass.
    """
    values = {one.name: _plain(getattr(spec, one.name)) for one in fields(spec)}
    return without_neutral(values, neutral_values(type(spec)))


def neutral_values(kind: type[Any]) -> dict[str, Neutral]:
    """Find the neutral values that the fields of a dataclass declare; returns them by the name of the field."""
    return {one.name: one.metadata[_NEUTRAL] for one in fields(kind) if _NEUTRAL in one.metadata}


def without_neutral(values: Mapping[str, Any], declared: Mapping[str, Neutral]) -> dict[str, Any]:
    """Leave out each of `values` that is the neutral value `declared` for its name; returns the others.

    Values are compared by their JSON, as identities are: 1, 1.0 and true are three values.
    """
    return {
        name: value
        for name, value in values.items()
        if name not in declared
        or declared[name].counted
        or canonical_json(value) != canonical_json(_plain(declared[name].value))
    }


def with_neutral(values: Mapping[str, Any], declared: Mapping[str, Neutral]) -> dict[str, Any]:
    """Add the `declared` neutral values that a stored identity lacks, since it is from before; returns all values."""
    return {name: one.value for name, one in declared.items()} | dict(values)


def differences(other: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Say in which fields a stored identity, as JSON holds it, is another than the `wanted` one; returns a clause a field, such
    as "detect_every is 1, not 4", in the order of their names. Of digests the values are left out."""
    there, here = _leaves(json.loads(canonical_json(other))), _leaves(json.loads(canonical_json(wanted)))
    return [
        f"{name} is another"
        if _is_digest(there.get(name)) and _is_digest(here.get(name))
        else f"{name} is {_shown(there, name)}, not {_shown(here, name)}"
        for name in sorted(there.keys() | here.keys())
        if there.get(name, _ABSENT) != here.get(name, _ABSENT)
    ]


def canonical_json(value: object) -> str:
    """`value` as JSON with sorted keys and no spaces: the form that identities are hashed from."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


def digest_of(value: object) -> str:
    """SHA-256 (hex) of `value`'s canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def _plain(value: Any) -> Any:
    """`value` with the identity of each dataclass in place of it."""
    if is_dataclass(value) and not isinstance(value, type):
        return identity_of(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _leaves(values: Mapping[str, Any], within: str = "") -> dict[str, Any]:
    """The values that are no mappings themselves, by the names that lead to them: `needs.prepare.margin`."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= (
            _leaves(value, f"{within}{name}.") if isinstance(value, Mapping) else {f"{within}{name}": value}
        )
    return found


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and len(value) == _DIGEST_LENGTH and set(value) <= set("0123456789abcdef")


def _shown(values: Mapping[str, Any], name: str) -> str:
    if name not in values:
        return "without a value"
    value = values[name]
    return (value if isinstance(value, str) and value else canonical_json(value))[:40]
