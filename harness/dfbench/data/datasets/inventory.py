"""The inventory: what is on disk of a dataset, held against its own list files and its published counts.

Most wrong numbers in this field began with a wrong copy: 3,725 of DFDC's 5,000 videos, 517 of Celeb-DF's 518.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dfbench.data.datasets.corpus_card import CORPUS_FILE
from dfbench.data.datasets.inspection import Inspection
from dfbench.text import storable
from dfbench.types import Counts

_SHOWN = 20  # names in the printed lines; the JSON has all


@dataclass(frozen=True, slots=True)
class Row:
    """One split and manipulation: how many videos its lists name, and how many have a file that is not empty.

    `split_hash` identifies the whole split: `manifest_digest` of what is expected of it, all manipulations together.
    A run on the split records the same one.
    """

    split: str
    manipulation: str
    expected: Counts
    found: Counts
    split_hash: str


@dataclass(frozen=True, slots=True)
class ListFile:
    """An official list file, as a path below the root, and the SHA-256 (hex) of its content."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class OfficialRow:
    """Published against listed counts of a split, or of one manipulation of it ("test/FaceShifter").

    `listed` is None for a split of which the lists name nothing at all. `by_list`: there is a list of it; otherwise what is
    on disk is what is expected, and `listed` is that.
    """

    part: str
    official: Counts
    listed: Counts | None
    by_list: bool = True

    @property
    def agrees(self) -> bool:
        """Whether the counts are equal, or the part is a training split that is not there as a whole.

        Test sets are rightly fetched without their training part; any other absence is a shortfall.
        """
        return self.official == self.listed or (self.listed is None and self.part == "train")

    @property
    def remedy(self) -> str:
        """What to do if a part that no list names is not there as published."""
        there, all_of_it = self.listed or Counts(0, 0), self.official
        counts = f"{there.real} of {all_of_it.real} real and {there.fake} of {all_of_it.fake} fake"
        if there.real > all_of_it.real or there.fake > all_of_it.fake:
            return f"move away what does not belong to {self.part}: {counts} videos of it are on disk"
        return f"download the rest of {self.part}: {counts} videos of it are on disk"


@dataclass(frozen=True, slots=True)
class Inventory:
    """What was found, at one `compression` ("" for a dataset that has only one).

    `missing`, `empty` and `extra` are paths below the root, sorted. `missing`: videos that a list names and masks that belong
    to them, no such file, or not in its archive. `empty`: those of zero bytes, and all in an archive that cannot be read.
    `extra`: videos on disk, in a folder of expected ones, that no list names; they are told, and are no shortfall. `leaks`:
    what splits share and should not, people, source videos and files. `notes` are those of the index, and what published
    splits share; `lists` the official files that the index was made from. `published`: there are published counts;
    `by_card`: those of the corpus file in the root stand in their place. `verified` and `unverified` are those of the
    dataset's spec. `inspection` is what looking into the files gave, None if nobody did (`inspected`).
    """

    dataset: str
    title: str
    corpus: str
    root: Path
    compression: str
    rows: tuple[Row, ...]
    official: tuple[OfficialRow, ...]
    missing: tuple[str, ...]
    empty: tuple[str, ...]
    extra: tuple[str, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    lists: tuple[ListFile, ...]
    leaks: tuple[str, ...] = ()
    published: bool = True
    by_card: bool = False
    verified: bool = True
    unverified: str = ""
    inspection: Inspection | None = None

    @property
    def complete(self) -> bool:
        """Every listed video is there, the lists are flawless, their counts are the published ones, and nothing leaks.

        After an inspection also: every video can be decoded, and no two that differ in label or split are one file.
        """
        damaged = self.inspection is not None and (self.inspection.unreadable or self.inspection.conflicts)
        return not (self.missing or self.empty or self.problems or self.leaks or damaged) and all(
            one.agrees for one in self.official
        )

    def remedies(self) -> list[str]:
        """What to do about each kind of shortfall; [] if there is none."""
        seen = self.inspection or Inspection(0, (), (), ())
        again = [*self.empty, *seen.unreadable]
        told = {
            f"fetch the {len(self.missing)} missing files, or use another copy": self.missing,
            f"download the {len(again)} empty or unreadable files again, and see that the disk is sound": again,
            (
                "mend the list files as each line above says, official ones best by copying them anew"
                if self.lists
                else "mend the folders as each line above says"
            ): self.problems,
            f"download the {len(seen.masks)} unreadable masks again; without, the largest face counts as the forged one": (
                seen.masks
            ),
            "put all videos of a person or source video into one split, or use other groups": self.leaks,
            "of the identical files, download the wrong one again, or take it out of one split": seen.conflicts,
        }
        differing = [one for one in self.official if not one.agrees]
        wanted = [one.remedy for one in differing if not one.by_list]
        if any(one.by_list for one in differing):
            wanted.append("restore the official lists")
        selection = f"; if a selection is meant, name it in {CORPUS_FILE}"
        return [
            *(remedy for remedy, found in told.items() if found),
            *(f"{remedy}{selection}" for remedy in wanted),
        ]

    def inspected(self, inspection: Inspection) -> Inventory:
        """This inventory with what looking into the files gave."""
        return replace(self, inspection=inspection)

    def to_json(self) -> dict[str, Any]:
        """Everything, JSON-ready."""
        return {
            "dataset": self.dataset,
            "title": self.title,
            "corpus": self.corpus,
            "root": storable(str(self.root)),
            "compression": self.compression,
            "complete": self.complete,
            "layout_verified": self.verified and not self.unverified,
            "layout_unverified": self.unverified,
            "splits": [
                {
                    "split": row.split,
                    "manipulation": row.manipulation,
                    "expected": _json(row.expected),
                    "found": _json(row.found),
                    "split_hash": row.split_hash,
                }
                for row in self.rows
            ],
            "official_by": CORPUS_FILE if self.by_card else "publication",
            "official": [
                {
                    "part": row.part,
                    "official": _json(row.official),
                    "listed": None if row.listed is None else _json(row.listed),
                    "agrees": row.agrees,
                }
                for row in self.official
            ],
            "lists": [{"file": one.name, "sha256": one.sha256} for one in self.lists],
            "missing": list(self.missing),
            "empty": list(self.empty),
            "extra": list(self.extra),
            "problems": list(self.problems),
            "leaks": list(self.leaks),
            "notes": list(self.notes),
            "remedies": self.remedies(),
            "inspection": None if self.inspection is None else self.inspection.to_json(),
        }

    def lines(self) -> list[str]:
        """The inventory as text, a verdict last."""
        which = f"compression: {self.compression}, " if self.compression else ""
        text = [f"{self.title} in {storable(str(self.root))} ({which}corpus: {self.corpus})"]
        if not self.verified:
            text.append(
                "  the official layout is not verified: read in the layout of `folder`, as your list says"
            )
        if self.unverified:
            text.append(f"  the layout is verified in part; not verified is {self.unverified}")
        text += [
            f"  {row.split:<6} {row.manipulation:<18} "
            f"real {row.found.real}/{row.expected.real}  fake {row.found.fake}/{row.expected.fake}  "
            f"(found/listed; split hash {row.split_hash[:12]})"
            for row in self.rows
        ]
        for one in self.official:
            listed = "nothing" if one.listed is None else f"{one.listed.real} real + {one.listed.fake} fake"
            agreeing = f"as {CORPUS_FILE} says" if self.by_card else "as published"
            told = agreeing if one.agrees else "DIFFERS"
            if one.listed is None and one.agrees:
                told = "not on disk, not needed for testing"
            counts = f"{one.official.real} real + {one.official.fake} fake"
            says = "lists name" if one.by_list else "no list, on disk"
            text.append(f"  {one.part}: {says} {listed}, {self.corpus} counts are {counts}: {told}")
        text += _named("list files (SHA-256)", [f"{one.sha256}  {one.name}" for one in self.lists])
        text += _named("missing files", self.missing)
        text += _named("empty files (zero bytes)", self.empty)
        text += _named("videos in no list", self.extra)
        text += _named(f"problems in the {'list files' if self.lists else 'folders'}", self.problems)
        text += _named("leaks between splits", self.leaks)
        if self.inspection is not None:
            looked = f"files decoded (the first and last frame of each of {self.inspection.videos})"
            text += _named("unreadable files", self.inspection.unreadable) or [f"  all {looked}"]
            text += _named("unreadable masks", self.inspection.masks)
            text += _named("groups of identical files", self.inspection.duplicates)
            text += _named(
                "groups of identical files under different labels or splits", self.inspection.conflicts
            )
        text += [f"  note: {note}" for note in self.notes]
        text += [f"  to do: {remedy}" for remedy in self.remedies()]
        unlike = (
            "this is not the data of the official protocol"
            if self.published
            else "numbers on it would mislead"
        )
        text.append("complete" if self.complete else f"INCOMPLETE: {unlike}")
        return text


def _json(counts: Counts) -> dict[str, int]:
    return {"real": counts.real, "fake": counts.fake}


def _named(title: str, names: Sequence[str]) -> list[str]:
    if not names:
        return []
    more = [f"    ... and {len(names) - _SHOWN} more (--json names all)"] if len(names) > _SHOWN else []
    return [f"  {len(names)} {title}:", *(f"    {name}" for name in names[:_SHOWN]), *more]
