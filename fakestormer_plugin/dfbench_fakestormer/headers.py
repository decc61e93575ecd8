"""The header of our weights files: what it says of a recipe, a training and its data, once it was looked at field by field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfbench.errors import UnreadableError
from dfbench.untrusted import parsed_json, parsed_object
from dfbench_fakestormer.recipe import Recipe, load_recipe, parse_recipe

# Recipe fields that files written before they came do not have; base_c23 has them without effect.
ADDED_LATER = (
    *("validation_fakes", "validation_view", "best_by", "patience"),
    *("retry", "resume", "test_margins", "accumulate", "compile", "crop", "synthesizer_options"),
)
# What a header may say of where weights come from, as far as it is used: by section, the kind of each value.
_PROVENANCE: Mapping[str, Mapping[str, type | tuple[type, ...]]] = {
    "start": {"file": str, "sha256": str, "corpora": (list, type(None))},
    "identity": {"corpus": (str, type(None)), "seed": (int, type(None))},
    "training": {"seed": (int, type(None))},
}


@dataclass(frozen=True, slots=True)
class Header:
    """What a weights file says of itself. `trained_on`: names of datasets, sorted; `provenance`: JSON-ready."""

    recipe: Recipe
    trained_on: tuple[str, ...]
    train_compression: str
    provenance: Mapping[str, Any]


def parsed_header(path: Path, metadata: Mapping[str, str]) -> Header:
    """Read the header of the weights file `path` in its `metadata`; returns it. Raises KeyError, UnreadableError, UsageError."""
    recipe = {name: getattr(load_recipe("base_c23"), name) for name in ADDED_LATER}
    recipe |= parsed_object(path, metadata["recipe"])
    trained_on = parsed_json(path, metadata["trained_on"])
    if not isinstance(trained_on, list) or not all(isinstance(one, str) for one in trained_on):
        raise UnreadableError(path, '"trained_on" is no list of names')
    provenance = parsed_object(path, metadata["provenance"])
    for name, kinds in _PROVENANCE.items():
        section = provenance.get(name)
        if section is None:
            continue
        if not isinstance(section, dict):
            raise UnreadableError(path, f'"{name}" in its provenance is no JSON object')
        for key, kind in kinds.items():
            if key in section and (not isinstance(section[key], kind) or isinstance(section[key], bool)):
                raise UnreadableError(
                    path, f'"{key}" of "{name}" in its provenance is {section[key]!r}'[:200]
                )
    start = provenance.get("start")
    if start and not {"file", "sha256"} <= start.keys():
        raise UnreadableError(path, '"start" in its provenance does not name a file and its sha256')
    if start and not all(isinstance(one, str) for one in start.get("corpora") or ()):
        raise UnreadableError(path, '"corpora" of "start" in its provenance are no names')
    return Header(parse_recipe(recipe), tuple(trained_on), metadata["train_compression"], provenance)
