"""What the faces in a folder of the store were made by, in words: the name of the folder is a digest, which says nothing.

Folders of before have no such file; they get one when their faces are asked for the next time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfbench.data.store.crop_sizes import contains
from dfbench.errors import StoreError, UnreadableError
from dfbench.files import write_text_whole
from dfbench.identity import differences, identity_of, known_fields
from dfbench.types import STORE_FORMAT, FrameChoice, PrepareSpec
from dfbench.untrusted import MOST_SETTINGS, read_object
from dfbench.version import VERSION

KEPT = "made-by.spec"  # no name of a face file, nor of the reason for which there is none
SAME_PURPOSE = (
    "frames.",
    "landmarks ",
)  # faces that differ in these are for something else, and lie beside as a rule
MOST_FIELDS = 3  # that are named


@dataclass(frozen=True, slots=True)
class FacesBeside:
    """Another folder with faces of `count` of the wanted videos, and in which fields its spec is another."""

    folder: Path
    count: int
    differs: tuple[str, ...]

    def in_words(self) -> str:
        """Say how many faces there are, where, and the first fields that differ."""
        more = f", and in {len(self.differs) - MOST_FIELDS} more" if len(self.differs) > MOST_FIELDS else ""
        what = f"{self.count} face {'file' if self.count == 1 else 'files'} of these videos"
        return f"{what}, made otherwise, lie beside in {self.folder}: {'; '.join(self.differs[:MOST_FIELDS])}{more}"


def keep_spec(folder: Path, spec: PrepareSpec) -> None:
    """Write by what spec the faces in `folder` are made, if nobody did so; a store that may not be written to stays as it is."""
    if folder.is_dir() and not (folder / KEPT).exists():
        content = {"store_format": STORE_FORMAT, "dfbench": VERSION, "spec": identity_of(spec)}
        with suppress(StoreError):
            write_text_whole(folder / KEPT, json.dumps(content, indent=1))


def kept_spec(folder: Path) -> PrepareSpec | None:
    """Read by what spec the faces in `folder` are made; returns None if nobody says, or if it is one of another version."""
    try:
        content = read_object(folder / KEPT, most=MOST_SETTINGS)
        if content["store_format"] != STORE_FORMAT:
            return None
        return prepare_spec_of(content["spec"])
    except (UnreadableError, LookupError, TypeError, ValueError):
        return None


def prepare_spec_of(stored: Mapping[str, Any]) -> PrepareSpec:
    """Make the spec of a stored identity; where that is from before a field was added, it has the field's neutral value.

    Raises LookupError, TypeError and ValueError if it is none, or if this version does not know one of its fields.
    """
    frames = FrameChoice(**known_fields(FrameChoice, stored["frames"]))
    return PrepareSpec(**{**known_fields(PrepareSpec, stored), "frames": frames})


def larger_stores(folder: Path, spec: PrepareSpec) -> list[tuple[Path, PrepareSpec]]:
    """Find the folders beside `folder` whose faces may hold what `spec` wants; returns them with their specs, those of the
    smallest crops first."""
    found = []
    with suppress(OSError):  # nothing beside, or nothing that may be looked at
        for beside in sorted(folder.parent.iterdir()):
            stored = None if beside == folder else kept_spec(beside)
            if stored is not None and contains(stored, spec):
                found.append((beside, stored))
    return sorted(found, key=lambda one: one[1].max_size)


def faces_beside(paths: Iterable[Path], spec: PrepareSpec) -> list[FacesBeside]:
    """Find the folders beside those of the face files `paths` that have faces of the same videos for the same purpose, made by
    another spec; returns those that differ in the fewest fields first. Folders that do not say their spec are left out."""
    wanted: dict[Path, set[str]] = {}
    for path in paths:
        wanted.setdefault(path.parent, set()).add(path.name)
    found = []
    for folder, names in wanted.items():
        with suppress(OSError):  # nothing beside, or nothing that may be looked at
            for beside in sorted(folder.parent.iterdir()):
                differs = () if beside == folder else _differs(beside, spec)
                if differs and not any(one.startswith(SAME_PURPOSE) for one in differs):
                    count = len(names & {one.name for one in beside.iterdir()})
                    found += [FacesBeside(beside, count, differs)] if count else []
    return sorted(found, key=lambda one: (len(one.differs), -one.count))


def _differs(folder: Path, spec: PrepareSpec) -> tuple[str, ...]:
    try:
        content = read_object(folder / KEPT, most=MOST_SETTINGS)
    except UnreadableError:  # of before, or no such folder
        return ()
    stored = content.get("spec")
    other: Mapping[str, Any] = stored if isinstance(stored, dict) else {}
    now = {**identity_of(spec), "store_format": STORE_FORMAT}
    return tuple(differences({**other, "store_format": content.get("store_format")}, now))
