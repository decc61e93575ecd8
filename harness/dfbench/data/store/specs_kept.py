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

from dfbench.errors import StoreError, UnreadableError
from dfbench.files import write_text_whole
from dfbench.identity import differences, identity_of
from dfbench.types import STORE_FORMAT, PrepareSpec
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
