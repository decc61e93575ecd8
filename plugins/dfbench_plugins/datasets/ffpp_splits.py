"""The splits of FaceForensics++: the user's own copy of `dataset/splits`, and where they leak.

DeeperForensics-1.0 is split by these files too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from dfbench import LayoutError
from dfbench_plugins.datasets import listfiles

SPLITS = ("train", "val", "test")
REPOSITORY = "https://github.com/ondyari/FaceForensics"
_FOLDERS = ("splits", "dataset/splits", ".")
_ID = re.compile(r"[0-9]{3}")
# Ids cut from one YouTube video that the official splits put apart (dataset/conversion_dict.json of the repository).
SHARED_SOURCES = (
    ("605", "606"),
    ("639", "640"),
    ("755", "756"),
    ("837", "838"),
    ("875", "876"),
    ("954", "955"),
    ("982", "983"),
)
Pair = tuple[str, str]


def read_splits(root: Path, problems: list[str]) -> dict[str, list[Pair]]:
    """The id pairs of each split; a missing split file, a bad entry and a repeated id are problems.

    Looks in `splits/`, `dataset/splits/` and the root itself. Raises LayoutError if none of the files is there.
    """
    folder = _split_folder(root)
    seen: dict[str, str] = {}
    found: dict[str, list[Pair]] = {}
    for split in SPLITS:
        path = folder / f"{split}.json"
        found[split] = []
        if not path.exists():
            problems.append(
                f"{path}, line 1: the file is missing; copy it from dataset/splits of {REPOSITORY}"
            )
            continue
        for number, entry in enumerate(listfiles.read_json(path, list, problems), start=1):
            where = f"entry {number}"
            pair = _pair(entry)
            if pair is None:
                remedy = "restore the official file (ids are strings and keep their leading zeros)"
                wrong = 'is not a pair of two ids like ["071", "054"]'
                problems.append(listfiles.describe(path, where, entry, wrong, remedy))
                continue
            taken = [one for one in pair if one in seen]
            if taken:
                wrong = f"repeats id {taken[0]}, which stands in {seen[taken[0]]}"
                problems.append(listfiles.describe(path, where, entry, wrong, "remove one of the two"))
                continue
            seen.update(dict.fromkeys(pair, f"{path.name}, {where}"))
            found[split].append(pair)
    return found


def split_files(root: Path) -> tuple[Path, ...]:
    """The split files that `read_splits` reads. Raises LayoutError if none of them is there."""
    folder = _split_folder(root)
    return tuple(path for split in SPLITS if (path := folder / f"{split}.json").exists())


def leaks(splits: Mapping[str, Sequence[Pair]]) -> tuple[str, ...]:
    """A note for each source video that two splits share; those that reach the test split first."""
    split_of = {one: split for split, pairs in splits.items() for pair in pairs for one in pair}
    notes = []
    for first, second in SHARED_SOURCES:
        between = (split_of.get(first, ""), split_of.get(second, ""))
        if "" in between or between[0] == between[1]:
            continue
        tested = [one for one, split in zip((first, second), between, strict=True) if split == "test"]
        told = f"leak: {first} ({between[0]}) and {second} ({between[1]}) are cut from the same YouTube video"
        if tested:
            told += f"; in test this touches the real {tested[0]} and every fake with it as target or source"
        notes.append((not tested, told))
    return tuple(told for _, told in sorted(notes))


def _split_folder(root: Path) -> Path:
    for name in _FOLDERS:
        folder = root / name
        if any((folder / f"{split}.json").exists() for split in SPLITS):
            return folder
    raise LayoutError(
        f"{root} has no train.json, val.json or test.json (looked in the root, splits/ and dataset/splits/)",
        hints=(f"copy the folder dataset/splits of {REPOSITORY} to {root / 'splits'}",),
    )


def _pair(entry: object) -> Pair | None:
    if not isinstance(entry, list) or len(entry) != 2:
        return None
    first, second = entry
    if not isinstance(first, str) or not isinstance(second, str) or first == second:
        return None
    return (first, second) if _ID.fullmatch(first) and _ID.fullmatch(second) else None
