"""Compute identities: the digests by which stored things (faces, weights, runs) are found again.

An identity contains all fields of a spec. A field that is added to a spec later declares its *neutral value*, which has no
effect. The identity omits the field while it has that value, so that things stored before the field existed are still found.

    blur: float = field(default=0.0, metadata=neutral(0.0))

The neutral value is not the default. A default may change later, as the version of an algorithm does with every change of it,
and things stored under the old default must then not be taken for things of the new one.
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
    """Declares the neutral value of a field: the value that has no effect, as before the field was added.

    A stored record without the field is read as if it had `value`. `counted`: identities contain the field even at this value.
    That is so for fields added before neutral values existed, and for no others.
    """

    value: Any
    counted: bool = False


def neutral(value: Any, *, counted: bool = False) -> Mapping[str, Neutral]:
    """Return the `metadata` for a dataclass field that is added later. The arguments are those of `Neutral`."""
    return MappingProxyType({_NEUTRAL: Neutral(value, counted)})


def identity_of(spec: Any) -> dict[str, Any]:
    """Return the fields of a frozen dataclass that make up its identity, by name; nested dataclasses likewise.

    A field that has its neutral value is omitted. Raises TypeError if `spec` is not a dataclass.
    """
    values = {one.name: _plain(getattr(spec, one.name)) for one in fields(spec)}
    return without_neutral(values, neutral_values(type(spec)))


def neutral_values(kind: type[Any]) -> dict[str, Neutral]:
    """Return the neutral values that the fields of a dataclass declare, by field name."""
    return {one.name: one.metadata[_NEUTRAL] for one in fields(kind) if _NEUTRAL in one.metadata}


def without_neutral(values: Mapping[str, Any], declared: Mapping[str, Neutral]) -> dict[str, Any]:
    """Return `values` without those that equal the neutral value `declared` for their name.

    Values are compared by their JSON, as identities are: 1, 1.0 and true are three different values.
    """
    return {
        name: value
        for name, value in values.items()
        if name not in declared
        or declared[name].counted
        or canonical_json(value) != canonical_json(_plain(declared[name].value))
    }


def with_neutral(values: Mapping[str, Any], declared: Mapping[str, Neutral]) -> dict[str, Any]:
    """Return `values` of a stored identity, completed by the `declared` neutral values of fields that it lacks."""
    return {name: one.value for name, one in declared.items()} | dict(values)


def known_fields(kind: type[Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """Read a stored identity of the dataclass `kind`; returns its values by field, neutral ones where it is from before.

    Raises ValueError for a field that this version does not know: what it stands for cannot be had here.
    """
    if unknown := sorted(set(stored) - {one.name for one in fields(kind)}):
        raise ValueError(f"a later version of dfbench wrote {', '.join(unknown)}")
    return with_neutral(stored, neutral_values(kind))


def differences(other: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Return a clause for each field in which a stored identity differs from the `wanted` one, in the order of their names.

    An example is "detect_every is 1, not 4". Values that are digests are not shown. `other` is as JSON stores it.
    """
    there, here = _leaves(json.loads(canonical_json(other))), _leaves(json.loads(canonical_json(wanted)))
    return [
        f"{name} is another"
        if _is_digest(there.get(name)) and _is_digest(here.get(name))
        else f"{name} is {_shown(there, name)}, not {_shown(here, name)}"
        for name in sorted(there.keys() | here.keys())
        if there.get(name, _ABSENT) != here.get(name, _ABSENT)
    ]


def canonical_json(value: object) -> str:
    """Return `value` as JSON with sorted keys and no spaces, the form that identities are hashed from."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


def digest_of(value: object) -> str:
    """Return the SHA-256 of the canonical JSON of `value`, in hex."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def _plain(value: Any) -> Any:
    """Return `value` with each dataclass in it replaced by its identity."""
    if is_dataclass(value) and not isinstance(value, type):
        return identity_of(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _leaves(values: Mapping[str, Any], within: str = "") -> dict[str, Any]:
    """Return the values that are not mappings, by the path that leads to them, such as `needs.prepare.margin`."""
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
